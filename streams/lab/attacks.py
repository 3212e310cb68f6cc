"""Attacks with ground truth: bursts, ramps, awakenings, new accounts, spam, content, quota, drift.

Each builder plants one attack on one account and says what it did. Rates are multiples of what is
usual for the account in the five minutes in which it is active at all. The first days have no
attacks, so that there is a history to judge by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from streams.events.schema import MODERATION_CATEGORIES
from streams.lab.habits import BINS
from streams.lab.scenario import (
    DAY,
    HOUR,
    SECOND_AFTER,
    WARM_DAYS,
    Build,
    Made,
    Scenario,
    Traffic,
    busy_rate,
    loud_first_rate,
    moment,
)

__all__ = ["FACTORS", "LENGTHS", "SPAM_HOURLY", "SPAM_NEEDS", "attacks"]

FACTORS: Final = (3, 5, 10, 30)
LENGTHS: Final = (2, 10, 60)
#: Usual requests per five active minutes of accounts that template spam is planted on.
SPAM_NEEDS: Final = 10.0
#: Requests an hour, on average of the attacked ones, below which shares say nothing.
SPAM_HOURLY: Final = 60
_TRIES: Final = 40
_LEAST_REQUESTS: Final = 40  # of a scenario that changes the account's own requests
#: Usual requests per five minutes, with any, of an account whose multiple is a burst at all.
BURST_NEEDS: Final = 2.0


def attacks() -> Iterator[Scenario]:
    """Every attack of the lab; weights say how many of all accounts get it, relatively."""
    for factor in FACTORS:
        for minutes in LENGTHS:
            build = burst(factor, minutes)
            yield _attack("burst", f"x{factor}", minutes, 5.0, build, needs=BURST_NEEDS)
    for hours in (3, 12):
        yield _attack("ramp", "x10", hours * HOUR, 3.0, ramp(10.0, hours * HOUR))
    yield _attack("dormant", "busy", HOUR, 6.0, dormant(HOUR))
    for times in (3, 10):
        strength = f"loud x{times}"
        yield _attack("new_account", strength, HOUR, 4.0, new_account(float(times), HOUR))
    for name, share, weight in (("light", 0.4, 5.0), ("heavy", 0.9, 6.0)):
        build = spam(share, 6 * HOUR)
        yield _attack("template_spam", name, 6 * HOUR, weight, build, needs=SPAM_NEEDS)
    for category, more in _CONTENT.items():
        for share in (0.1, 0.5):
            build = content(category, share, 6 * HOUR, more)
            name = f"content_{category}"
            yield _attack(name, f"{share:.0%}", 6 * HOUR, 2.0, build, needs=5.0)
    yield _attack("quota_hugging", "97 %", 8 * HOUR, 2.5, quota_hugging(8 * HOUR), needs=5.0)
    yield _attack("retry_abuse", "half 429", 3 * HOUR, 2.5, retry_abuse(3 * HOUR), needs=5.0)
    yield _attack("key_hopping", "12 keys", 3 * HOUR, 2.5, key_hopping(3 * HOUR), needs=5.0)
    for what in ("endpoints", "sizes", "countries"):
        yield _attack("use_case_drift", what, DAY, 2.0, drift(what, 0.8, DAY), needs=5.0)


#: Category, and how its requests differ beside their verdicts.
_CONTENT: Final[dict[str, dict[str, Any]]] = {
    "medical_spam": {},
    "political_persuasion": {"output": np.eye(BINS)[1], "drift": 0.0},
    "hate": {"output": np.eye(BINS)[4], "drift": 0.0},
}


def _attack(
    name: str, strength: str, length: int, weight: float, build: Build, needs: float = 0.0
) -> Scenario:
    return Scenario(
        name=name,
        strength=strength,
        length=length,
        label="attack",
        weight=weight,
        build=build,
        needs=needs,
    )


def busy_moment(
    traffic: Traffic,
    rng: np.random.Generator,
    account: int,
    length: int,
    share: float,
    hourly: int = 0,
) -> int:
    """A start after which the account sends enough for a changed share of it to be an attack.

    `hourly`: requests an hour that it must send on average; then it must have sent something a day
    before, too. What is called a change must have something to differ from: of accounts in their
    first hour ever one in fifty honest ones sends nine short outputs in ten by one template.
    """
    least = max(_LEAST_REQUESTS / share, hourly * length / HOUR)
    for _ in range(_TRIES):
        start = moment(traffic, rng, account, length)
        held = traffic.requests[max(start, 0) : start + length, account]
        if start < 0 or held.sum(dtype=np.int64) < least:
            continue
        if not hourly or traffic.requests[: start - DAY, account].any():
            return start
    return -1


def burst(factor: float, minutes: int) -> Build:
    """`factor` times the usual rate on top, for some minutes; the same again six hours later."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = moment(traffic, rng, account, minutes)
        if start < 0:
            return None
        count = rng.poisson(factor * traffic.population.usual[account] / 5.0, minutes)
        sent = traffic.add(account, start, count)
        traffic.add(account, start + SECOND_AFTER, count)
        return Made(start, start + minutes, sent, start + SECOND_AFTER)

    return build


def ramp(factor: float, minutes: int) -> Build:
    """Evenly from the usual rate to `factor` times it."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = moment(traffic, rng, account, minutes)
        if start < 0:
            return None
        usual = traffic.population.usual[account] / 5.0
        count = rng.poisson(usual * (factor - 1.0) * np.arange(1, minutes + 1) / minutes)
        return Made(start, start + minutes, traffic.add(account, start, count))

    return build


def dormant(minutes: int) -> Build:
    """Silent for two days or more, then as much as a busy account sends."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = moment(traffic, rng, account, minutes)
        silence = int(rng.integers(2 * DAY, WARM_DAYS * DAY - HOUR))
        first = traffic.population.first[account]
        if start < 0 or not traffic.requests[first : start - silence, account].any():
            return None
        traffic.requests[start - silence :, account] = 0
        count = rng.poisson(busy_rate(traffic.population), minutes)
        sent = traffic.add(account, start, count)
        return Made(start, start + minutes, sent)

    return build


def new_account(times: float, minutes: int) -> Build:
    """The first hour of an account's life, at some times what a loud new account sends."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = int(rng.integers(2 * DAY, traffic.population.minutes - minutes))
        traffic.requests[:, account] = 0
        rate = times * loud_first_rate(traffic.population)
        return Made(start, start + minutes, traffic.add(account, start, rng.poisson(rate, minutes)))

    return build


def spam(share: float, minutes: int) -> Build:
    """The rate stays; a share of the requests becomes one new template with short outputs."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = busy_moment(traffic, rng, account, minutes, share, SPAM_HOURLY)
        if start < 0:
            return None
        row = traffic.row(account, **_template(rng), output=np.eye(BINS)[1], drift=0.0)
        return _moved(traffic, rng, account, start, minutes, share, row)

    return build


def content(category: str, share: float, minutes: int, more: dict[str, Any]) -> Build:
    """A share of the requests draws verdicts of one category, from a handful of new templates."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = busy_moment(traffic, rng, account, minutes, share)
        if start < 0:
            return None
        verdicts = traffic.population.habits.moderation[account].copy()
        verdicts[MODERATION_CATEGORIES.index(category)] = 0.8
        changes = _template(rng) | {"templates": 6, "moderation": verdicts} | more
        row = traffic.row(account, **changes)
        return _moved(traffic, rng, account, start, minutes, share, row)

    return build


def _moved(
    traffic: Traffic,
    rng: np.random.Generator,
    account: int,
    start: int,
    minutes: int,
    share: float,
    row: int,
) -> Made:
    """The first attack, and where the second fits, the same share again six hours after its end."""
    sent = traffic.move(rng, account, start, start + minutes, share, row)
    again = start + minutes + SECOND_AFTER
    fits = again + minutes <= traffic.population.minutes
    repeated = traffic.move(rng, account, again, again + minutes, share, row) if fits else 0
    second = again if repeated >= _LEAST_REQUESTS else -1
    return Made(start, start + minutes, sent, second)


def quota_hugging(minutes: int) -> Build:
    """Twice the usual rate, held just below the limit, with a 429 now and then."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = busy_moment(traffic, rng, account, minutes, 1.0)
        quota = traffic.population.habits.quota[account]
        if start < 0 or quota <= 0:
            return None
        row = traffic.row(account, quota_least=0.97, throttled=0.05)
        sent = traffic.move(rng, account, start, start + minutes, 1.0, row)
        count = rng.poisson(traffic.population.usual[account] / 5.0, minutes)
        return Made(start, start + minutes, sent + traffic.add(account, start, count, row))

    return build


def retry_abuse(minutes: int) -> Build:
    """Refused requests are sent again at once, over and over: half of them are 429s."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = busy_moment(traffic, rng, account, minutes, 1.0)
        if start < 0:
            return None
        row = traffic.row(account, throttled=0.5)
        held = traffic.requests[start : start + minutes, account].astype(np.int64)
        sent = traffic.move(rng, account, start, start + minutes, 1.0, row)
        again = np.concatenate(([0], held[:-1]))  # a minute later, as many once more
        return Made(start, start + minutes, sent + traffic.add(account, start, again, row))

    return build


def key_hopping(minutes: int) -> Build:
    """A dozen new keys take turns when the old ones are refused."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = busy_moment(traffic, rng, account, minutes, 1.0)
        if start < 0:
            return None
        row = traffic.row(account, throttled=0.3, keys=12, key_identity=_identity(rng))
        return _moved(traffic, rng, account, start, minutes, 1.0, row)

    return build


def drift(what: str, share: float, minutes: int) -> Build:
    """A share of the requests moves to other endpoints, sizes or countries for a day."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = busy_moment(traffic, rng, account, minutes, share)
        if start < 0:
            return None
        own = traffic.population.habits
        if what == "sizes":
            other = np.roll(own.prompt[account], 3) + np.roll(own.prompt[account], -3)
            other[0] = 0.0
            changes: dict[str, Any] = {"prompt": other / other.sum(), "drift": 0.0}
        else:
            shares = getattr(own, what)[account]
            changes = {what: np.eye(BINS)[int(shares.argmin())]}
        row = traffic.row(account, **changes)
        sent = traffic.move(rng, account, start, start + minutes, share, row)
        return Made(start, start + minutes, sent)

    return build


def _template(rng: np.random.Generator) -> dict[str, Any]:
    pool = {"templates": 1, "template_life": np.inf, "template_identity": _identity(rng)}
    return pool | {"novelty": 0.0, "templated": 1.0}


def _identity(rng: np.random.Generator) -> np.uint64:
    return np.uint64(rng.integers(1, 1 << 62))
