"""What the requests of each minute carry: drawn from habits, a few hours of all accounts at once.

Between the lab's traffic (how many requests of which habits, in which minute) and `play`, which
turns these columns into the groups that the fold adds. Nothing is drawn per request: a column
holds counts by bin, or the few distinct values that a minute's requests share.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.habits import BINS, Floats, Habits, Integers, in_pool, mixed

__all__ = ["SLOTS", "Parts", "Requests", "draw"]

#: Distinct keys, addresses and users that the requests of one account-minute show.
SLOTS: Final = 3
_TEMPLATE_SLOTS: Final = 6  # likewise of templates, each a third of what the ones before left
_NOVELTY_SWING: Final = 0.8  # of its logarithm, from one draw (some hours) to the next
_LAST: Final = np.uint64(2**64 - 1)
_NEW: Final = np.uint64(1 << 40)  # numbers of new templates lie above those of any pool
_VERSION: Final = np.uint64(1 << 20)  # of a template: what its number grows by


@dataclass(slots=True)
class Parts:
    """p pieces of traffic: `count` requests of `account` in `minute`, with habits `row`."""

    minute: Integers
    account: Integers
    row: Integers
    count: Integers

    def __len__(self) -> int:
        return len(self.minute)


@dataclass(slots=True)
class Requests:
    """Columns of p parts; every request of a part is in exactly one bin of each kind.

    output: (p, 8), bin 0 are requests without output: errors, throttled. flagged, flagged_short:
    (p, categories). template, template_count: (p, slots), 0 where there is none. keys, addresses,
    users: (p, SLOTS) uint64 values, request i of the part has value i modulo SLOTS. quota,
    quota_least, cohort: as in `Habits`.

    Some templates have short outputs, others long ones (of Mooncake's conversations two outputs
    that share a prompt's prefix are both short, or both not, with a correlation of .56), so the
    slots of a part stand in an order of the templates' own, and its short outputs belong to the
    first of them.
    """

    minute: Integers
    account: Integers
    count: Integers
    error: Integers
    throttled: Integers
    prompt: Integers
    output: Integers
    endpoints: Integers
    countries: Integers
    flagged: Integers
    flagged_short: Integers
    template: NDArray[np.uint64]
    template_count: Integers
    keys: NDArray[np.uint64]
    addresses: NDArray[np.uint64]
    users: NDArray[np.uint64]
    quota_least: Floats
    quota: Floats
    cohort: Integers

    def __len__(self) -> int:
        return len(self.minute)

    @property
    def short(self) -> Integers:
        """(p,) requests with a short output."""
        short: Integers = self.output[:, 1]
        return short

    @property
    def template_short(self) -> Integers:
        """(p, slots) short outputs of each template."""
        before = np.cumsum(self.template_count, axis=1) - self.template_count
        brief: Integers = np.clip(self.short[:, None] - before, 0, self.template_count)
        return brief

    def take(self, which: Any) -> Requests:
        """The parts selected by a slice, mask or index array."""
        return Requests(**{f.name: getattr(self, f.name)[which] for f in fields(self)})


def draw(rng: np.random.Generator, parts: Parts, habits: Habits) -> Requests:
    """Everything the requests of `parts` carry; sizes stay off by one drift for the whole call."""
    row, count = parts.row, parts.count
    output = _shifted(habits.output, habits.drift * rng.standard_normal(len(habits)))
    prompt = _shifted(habits.prompt, habits.drift * rng.standard_normal(len(habits)))
    novelty = habits.novelty * np.exp(_NOVELTY_SWING * rng.standard_normal(len(habits)))
    throttled = rng.binomial(count, habits.throttled[row])
    error = rng.binomial(count - throttled, habits.error[row])
    answered = count - throttled - error
    outputs = _split(rng, answered, output, row)
    outputs[:, 0] = count - answered
    flagged = rng.binomial(answered[:, None], habits.moderation[row])
    short = outputs[:, 1:2]
    template, template_count = _templates(rng, parts, habits, novelty)
    return Requests(
        minute=parts.minute,
        account=parts.account,
        count=count,
        error=error,
        throttled=throttled,
        prompt=_split(rng, count, prompt, row),
        output=outputs,
        endpoints=_split(rng, count, habits.endpoints, row),
        countries=_split(rng, count, habits.countries, row),
        flagged=flagged,
        flagged_short=_among(rng, short, answered[:, None], flagged),
        template=template,
        template_count=template_count,
        keys=_values(rng, parts, habits.keys, habits.key_identity, 1),
        addresses=_values(rng, parts, habits.addresses, habits.identity, 2),
        users=_values(rng, parts, habits.users, habits.identity, 3),
        quota_least=habits.quota_least[row],
        quota=habits.quota[row],
        cohort=habits.cohort[row],
    )


def _shifted(shares: Floats, by: Floats) -> Floats:
    """Shares of bins 1..7 moved up (or down) by a number of bins; the ends keep what would fall."""
    by = np.clip(by, -2.0, 2.0)
    place = np.arange(1, BINS)[None, :] + by[:, None]
    low = np.floor(place)
    up = place - low
    result = np.zeros_like(shares)
    rows = np.arange(len(shares))[:, None]
    for target, weight in ((low, 1.0 - up), (low + 1, up)):
        bins = np.clip(target, 1, BINS - 1).astype(np.int64)
        np.add.at(result, (np.broadcast_to(rows, bins.shape), bins), weight * shares[:, 1:])
    return result


def _split(rng: np.random.Generator, count: Integers, shares: Floats, row: Integers) -> Integers:
    """(p, 8) multinomial counts; parts of one request, most of all, by one number each."""
    result = np.zeros((len(count), BINS), np.int64)
    one = np.flatnonzero(count == 1)
    bounds = np.cumsum(shares, axis=1)[row[one]]
    place = (rng.random(len(one))[:, None] * bounds[:, -1:] >= bounds).sum(axis=1)
    result[one, np.minimum(place, BINS - 1)] = 1
    many = np.flatnonzero(count > 1)
    chances = shares / shares.sum(axis=1, keepdims=True)
    result[many] = rng.multinomial(count[many], chances[row[many]])
    return result


def _among(
    rng: np.random.Generator, short: Integers, all_: Integers, flagged: Integers
) -> Integers:
    """How many of the flagged are short when flags fall on any request alike: hypergeometric."""
    result = np.zeros_like(flagged)
    part, category = np.nonzero(flagged)
    some, total = short[part, 0], all_[part, 0]
    result[part, category] = rng.hypergeometric(some, total - some, flagged[part, category])
    return result


def _templates(
    rng: np.random.Generator, parts: Parts, habits: Habits, novelty: Floats
) -> tuple[NDArray[np.uint64], Integers]:
    row, count = parts.row, parts.count
    template = np.zeros((len(parts), _TEMPLATE_SLOTS), np.uint64)
    counts = np.zeros((len(parts), _TEMPLATE_SLOTS), np.int64)
    told = habits.templated[row] > 0
    left = np.where(told, count, 0)
    for slot in range(_TEMPLATE_SLOTS):
        here = np.flatnonzero(left > 0)
        mine = row[here]
        known = in_pool(rng, habits.templates[mine]).astype(np.uint64)
        known += _VERSION * _versions(habits, mine, known, parts.minute[here])
        fresh = rng.integers(0, 1 << 40, len(here)).astype(np.uint64) + _NEW
        new = rng.random(len(here)) < novelty[mine]
        number = np.where(new, fresh, known)
        template[here, slot] = mixed(habits.template_identity[mine] + number) | np.uint64(1)
        share = -(-left[here] // 3) if slot < _TEMPLATE_SLOTS - 1 else left[here]
        counts[here, slot] = share
        left[here] -= share
    # Unused slots (0) come last: mixed words are never the largest.
    order = np.argsort(np.where(template > 0, mixed(template), _LAST), axis=1, kind="stable")
    return np.take_along_axis(template, order, 1), np.take_along_axis(counts, order, 1)


def _versions(
    habits: Habits, row: Integers, number: NDArray[np.uint64], minute: Integers
) -> NDArray[np.uint64]:
    """How often template `number` of a pool was replaced by `minute`; each at times of its own."""
    life = habits.template_life[row]
    phase = (mixed(habits.template_identity[row] - number) >> np.uint64(11)) * 2.0**-53
    replaced: NDArray[np.uint64] = (minute / life + phase).astype(np.uint64)
    return replaced


def _values(
    rng: np.random.Generator,
    parts: Parts,
    pool: Integers,
    identity: NDArray[np.uint64],
    salt: int,
) -> NDArray[np.uint64]:
    values = np.zeros((len(parts), SLOTS), np.uint64)
    for slot in range(SLOTS):
        here = np.flatnonzero(parts.count > slot)
        number = in_pool(rng, pool[parts.row[here]]).astype(np.uint64)
        salted = identity[parts.row[here]] + np.uint64(salt << 48)
        values[here, slot] = mixed(salted + number)
    return values
