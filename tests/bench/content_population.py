"""Made-up accounts for the measurements of `tests.bench.content_quality`: what they send, hourly.

An account has a few templates of its own whose popularity wanders and whose outputs are mostly
short or mostly long, some free-form prompts that nobody sent before, and active hours in runs.
The hard negatives live among them: nightly batches of short classifications, product launches (many
requests by new templates), new versions of a prompt, and customers who turn to classification for
good. Categories of moderation are flagged at an account's own rate, in lumps. Everything is drawn
from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "DAYS", "HOURS", "Hours", "Plan", "Spam", "population"]

DAYS: Final = 14
HOURS: Final = DAYS * 24
BINS: Final = 32
CATEGORIES: Final = 8
_MEDICAL: Final = 6
_DAY: Final = 24  # hours; the first one begins at midnight
_LUMP: Final = 0.002  # chance an hour

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spam:
    """Requests that take the place of usual ones: the rate stays.

    share of the account's requests, for `hours` from hour `start`; again `again_after` hours later.
    `flagged`: share of its requests with a medical_spam score of 0.5 or more.
    """

    share: float
    hours: int
    again_after: int = 0
    flagged: float = 0.0
    short: float = 0.95


@dataclass(frozen=True, slots=True)
class Plan:
    """Which accounts live through what; first hour of each, -1: never."""

    batch: NDArray[np.int64]
    launch: NDArray[np.int64]
    version: NDArray[np.int64]
    shift: NDArray[np.int64]
    spam: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hours:
    """Inputs of the stride detectors, whole hours: (HOURS, accounts, ...)."""

    inputs: dict[str, Floats]
    plan: Plan

    def at(self, hour: int) -> dict[str, Floats]:
        """Inputs of one hour."""
        return {name: values[hour] for name, values in self.inputs.items()}


def population(
    accounts: int, seed: int, spam: Spam | None = None, first_times: bool = False
) -> Hours:
    """`accounts` accounts over 14 days; with `spam`, every account is attacked once.

    The same seed gives the same accounts with and without the attack. With `first_times` each one
    lives through an honest change that looks like spam when it comes: half start a nightly batch in
    the second week, half turn to classification.
    """
    rng = np.random.default_rng([seed, 0])
    requests = _requests(rng, accounts)
    plan = _plan(rng, requests, first_times)
    inputs = {
        name: np.zeros((HOURS, accounts)) for name in ("requests", "outputs", "short_outputs")
    }
    for name in ("template_counts", "new_short_counts"):
        inputs[name] = np.zeros((HOURS, accounts, BINS))
    for name in ("flagged", "flagged_short", "moderation_sum"):
        inputs[name] = np.zeros((HOURS, accounts, CATEGORIES))
    for account in range(accounts):
        own = np.random.default_rng([seed, 1, account])
        hours = _account(own, requests[:, account], account, plan, spam)
        for name, values in hours.items():
            inputs[name][:, account] = values
    return Hours(inputs, plan)


def _requests(rng: np.random.Generator, accounts: int) -> NDArray[np.int64]:
    """Requests an hour: log-uniform sizes, a day's curve, swings, silent runs."""
    size = np.exp(rng.uniform(np.log(10.0), np.log(2_000.0), accounts))
    on_share = rng.beta(1.0, 1.3, accounts) * 0.9 + 0.1
    stay = 0.85
    active = np.zeros((HOURS, accounts), dtype=np.bool_)
    active[0] = rng.random(accounts) < on_share
    for hour in range(1, HOURS):
        redraw = rng.random(accounts) > stay
        active[hour] = np.where(redraw, rng.random(accounts) < on_share, active[hour - 1])
    phase = rng.uniform(0, 24, accounts)
    day = 1 + 0.6 * np.cos((np.arange(HOURS)[:, None] - phase) * np.pi / 12)
    swing = rng.gamma(2.0, 0.5, (HOURS, accounts))
    return rng.poisson(size * day * swing * active)


def _plan(rng: np.random.Generator, requests: NDArray[np.int64], first_times: bool) -> Plan:
    accounts = requests.shape[1]

    def some(share: float, first: int, last: int) -> NDArray[np.int64]:
        chosen = rng.random(accounts) < share
        return np.where(chosen, rng.integers(first, last, accounts), -1)

    batch = some(0.10, 0, 24)  # an hour of the first day
    shift = np.full(accounts, -1)
    spam = np.full(accounts, -1)
    for account in range(accounts):
        busy = np.flatnonzero(requests[48 : HOURS - 48, account] >= 20) + 48
        if len(busy):
            spam[account] = rng.choice(busy)
    if first_times:
        turn = np.arange(accounts) % 2 == 1
        late = rng.integers(24 * 7, 24 * 8, accounts)
        batch, shift = np.where(turn, -1, late), np.where(turn, spam, -1)
    return Plan(
        batch=batch,
        launch=some(0.10, 72, HOURS - 24),
        version=some(0.40, 48, HOURS - 24),
        shift=shift,
        spam=spam,
    )


def _account(
    rng: np.random.Generator, usual: NDArray[np.int64], number: int, plan: Plan, spam: Spam | None
) -> dict[str, Floats]:
    kinds = int(rng.integers(1, 30)) + 1
    weights = rng.gamma(0.6, 1.0, kinds) + 1e-3
    drift = np.cumsum(rng.normal(0, 0.12, (HOURS, kinds)), axis=0)
    drift -= np.arange(HOURS)[:, None] / HOURS * drift[-1]  # comes home: a bridge
    mix = weights * np.exp(drift + rng.normal(0, 0.3, (HOURS, kinds)))
    short = np.where(rng.random(kinds) < 0.25, rng.beta(8, 2, kinds), rng.beta(1, 12, kinds))
    free = rng.beta(0.4, 4)  # share of prompts never seen before
    flags = np.full(CATEGORIES, 1e-4) + np.where(
        rng.random(CATEGORIES) < 0.06, rng.beta(0.5, 20, CATEGORIES), 0.0
    )
    hash_bin = rng.integers(0, BINS, kinds + 8)

    # A new version of a prompt: the busiest template gets a new fingerprint, its outputs stay.
    revised = np.zeros((HOURS, kinds), np.bool_)
    if (start := plan.version[number]) >= 0:
        revised[start : _day_end(start), mix[start].argmax()] = True
    drawn = [
        _draw(rng, usual[h], mix[h], short, free, flags, hash_bin, revised[h]) for h in range(HOURS)
    ]
    extra = np.random.default_rng([int(rng.integers(1 << 32)), 1])
    if plan.batch[number] >= 0:
        one = extra.beta(1, 10, 1) * 0.05 + 0.94
        factor = extra.uniform(1, 10)
        for hour in range(plan.batch[number], HOURS, 24):
            count = extra.poisson(factor * max(usual.mean(), 30.0))
            fresh = hour < _day_end(plan.batch[number])
            more = _draw(extra, count, np.ones(1), one, 0.0, flags, hash_bin[kinds:], fresh)
            drawn[hour] = _add(drawn[hour], more)
    if (start := plan.launch[number]) >= 0:
        for hour in range(start, min(start + 12, HOURS)):
            new = extra.choice(kinds, 3)
            count = extra.poisson(4.0 * max(usual.mean(), 20.0))
            more = _draw(
                extra, count, np.ones(3), short[new], free, flags, hash_bin[kinds + 1 :],
                hour < _day_end(start),
            )  # fmt: skip
            drawn[hour] = _add(drawn[hour], more)
    if (start := plan.shift[number]) >= 0:
        for hour in range(start, HOURS):
            drawn[hour] = _draw(
                extra, usual[hour], np.ones(1), np.array([0.95]), free, flags,
                hash_bin[kinds + 5 :], hour < _day_end(start),
            )  # fmt: skip
    if spam is not None and (first := plan.spam[number]) >= 0:
        attack = np.random.default_rng([number, 5])
        starts = [first] + ([first + spam.again_after] if spam.again_after else [])
        for start in starts:
            for hour in range(start, min(start + spam.hours, HOURS)):
                total = int(drawn[hour]["requests"])
                count = int(attack.binomial(total, spam.share))
                rest = _thin(attack, drawn[hour], total, total - count)
                bad = np.zeros(CATEGORIES)
                bad[_MEDICAL] = spam.flagged
                more = _draw(
                    attack, count, np.ones(1), np.array([spam.short]), 0.0, bad,
                    hash_bin[kinds + 7 :], hour < _day_end(first),
                )  # fmt: skip
                drawn[hour] = _add(rest, more)
    return {name: np.array([hour[name] for hour in drawn]) for name in drawn[0]}


def _draw(
    rng: np.random.Generator,
    count: int,
    mix: Floats,
    short: Floats,
    free: float,
    flags: Floats,
    hash_bin: NDArray[np.int64],
    new: bool | NDArray[np.bool_] = False,
) -> dict[str, Floats]:
    """An hour of `count` requests; `new`: which of their templates were not seen before today."""
    of_template = rng.multinomial(count, mix / mix.sum())
    loose = rng.binomial(of_template, free)
    counts = np.bincount(hash_bin[: len(mix)], of_template - loose, BINS)
    counts += rng.multinomial(loose.sum(), np.full(BINS, 1 / BINS))
    failed = rng.binomial(of_template, 0.01)
    brief = rng.binomial(of_template - failed, short)
    loose_brief = rng.hypergeometric(brief, of_template - brief, loose)
    new_short = np.bincount(hash_bin[: len(mix)], np.where(new, brief - loose_brief, 0), BINS)
    new_short += rng.multinomial(loose_brief.sum(), np.full(BINS, 1 / BINS))
    # Flagged requests come in lumps: rates swing, and now and then one user plays a dark role.
    swing = rng.gamma(1.5, 1 / 1.5, CATEGORIES)
    flagged = rng.binomial(count, np.minimum(flags * swing, 1.0))
    if rng.random() < _LUMP:
        flagged[rng.integers(CATEGORIES)] += rng.binomial(count // 10, 0.5)
    share = brief.sum() / max(count, 1)
    return {
        "requests": np.array(float(count)),
        "outputs": np.array(float((of_template - failed).sum())),
        "short_outputs": np.array(float(brief.sum())),
        "template_counts": counts.astype(np.float64),
        "new_short_counts": new_short.astype(np.float64),
        "flagged": flagged.astype(np.float64),
        "flagged_short": rng.binomial(flagged, share).astype(np.float64),
        "moderation_sum": flagged * 0.7 + count * 0.004,
    }


def _day_end(hour: int) -> int:
    """The hour in which the day of `hour` is over."""
    return (hour // _DAY + 1) * _DAY


def _add(one: dict[str, Floats], other: dict[str, Floats]) -> dict[str, Floats]:
    return {name: one[name] + other[name] for name in one}


def _thin(
    rng: np.random.Generator, hour: dict[str, Floats], total: int, kept: int
) -> dict[str, Floats]:
    share = kept / max(total, 1)
    thinned = {
        name: np.asarray(rng.binomial(values.astype(np.int64), share), np.float64)
        for name, values in hour.items()
        if name != "moderation_sum"
    }
    thinned["requests"] = np.array(float(kept))
    thinned["short_outputs"] = np.minimum(thinned["short_outputs"], thinned["outputs"])
    thinned["flagged_short"] = np.minimum(thinned["flagged_short"], thinned["flagged"])
    thinned["moderation_sum"] = hour["moderation_sum"] * share
    return thinned
