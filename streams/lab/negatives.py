"""Hard negatives: honest changes that look like news, and must not page anyone for long.

Planted like the attacks; an alarm about one is a false alarm of its type. On the first night nobody
can know that a batch is one: `nightly_batch` and `start_of_work` therefore go on from the first day
and count from the fifth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from streams.lab.habits import commonest_share
from streams.lab.scenario import (
    DAY,
    HOUR,
    WARM_DAYS,
    Build,
    Made,
    Scenario,
    Traffic,
    moment,
)

__all__ = ["LEVEL_SHIFT", "negatives"]

LEVEL_SHIFT: Final = "level_shift"
_OUTAGE_AT: Final = 14 * HOUR + 17  # of its day
_OUTAGE_MINUTES: Final = 20
_WORK: Final = (9 * HOUR, 17 * HOUR)


def negatives() -> Iterator[Scenario]:
    """Every hard negative of the lab."""
    for name, strength, length, weight, build in (
        ("start_of_work", "9 to 17", 8 * HOUR, 4.0, start_of_work()),
        ("nightly_batch", "x20", 30, 4.0, nightly_batch(20.0, 30)),
        ("customer_growth", "x3 in a week", 7 * DAY, 4.0, growth(3.0, 7 * DAY)),
        (LEVEL_SHIFT, "x3", DAY, 4.0, level_shift(3.0)),
        ("product_launch", "+100 %", DAY, 4.0, launch()),
        ("prompt_version", "commonest template", DAY, 4.0, prompt_version()),
        ("retry_storm", "outage", _OUTAGE_MINUTES, 6.0, retry_storm()),
        ("time_zone", "-8 h", 7 * DAY, 4.0, time_zone(8 * HOUR)),
    ):
        yield Scenario(
            name=name,
            strength=strength,
            length=length,
            label="negative",
            weight=weight,
            build=build,
        )


def start_of_work() -> Build:
    """Everything the account sends falls between nine and five."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        held = traffic.requests[:, account].astype(np.int64)
        daily = held.reshape(-1, DAY).sum(axis=1)
        day = np.arange(len(daily)).repeat(daily)
        at = day * DAY + rng.integers(*_WORK, len(day))
        traffic.requests[:, account] = np.bincount(at, minlength=len(held))
        return Made(WARM_DAYS * DAY, len(held), int(daily[WARM_DAYS:].sum()))

    return build


def nightly_batch(factor: float, minutes: int) -> Build:
    """Every night, at about the same time, a batch of `factor` times the usual rate."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        rate = factor * traffic.population.usual[account] / 5.0
        at = int(rng.integers(0, 5 * HOUR))
        sent = 0
        for day in range(traffic.population.minutes // DAY):
            start = day * DAY + at + int(rng.integers(0, 6))
            made = traffic.add(account, start, rng.poisson(rate, minutes))
            sent += made if day >= WARM_DAYS else 0
        return Made(WARM_DAYS * DAY, traffic.population.minutes, sent)

    return build


def growth(factor: float, minutes: int) -> Build:
    """Evenly to `factor` times as many requests in a week, and so it stays."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = WARM_DAYS * DAY + int(rng.integers(0, DAY))
        times = 1.0 + (factor - 1.0) * np.minimum(
            np.arange(traffic.population.minutes - start) / minutes, 1.0
        )
        return Made(start, traffic.population.minutes, _more(traffic, rng, account, start, times))

    return build


def level_shift(factor: float) -> Build:
    """From one minute to the next `factor` times as many requests, for good."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = moment(traffic, rng, account, 2 * DAY)
        if start < 0:
            return None
        times = np.full(traffic.population.minutes - start, factor)
        return Made(start, traffic.population.minutes, _more(traffic, rng, account, start, times))

    return build


def prompt_version() -> Build:
    """The commonest template is replaced by a new version for good; its answers stay as they were.

    Of an account with one template and short answers that looks like spam for a day.
    """

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = moment(traffic, rng, account, 2 * DAY)
        if start < 0 or not traffic.population.habits.templated[account]:
            return None
        identity = np.uint64(rng.integers(1, 1 << 62))
        row = traffic.row(account, templates=1, template_life=np.inf, template_identity=identity)
        share = commonest_share(int(traffic.population.habits.templates[account]))
        end = traffic.population.minutes
        return Made(start, start + DAY, traffic.move(rng, account, start, end, share, row))

    return build


def launch() -> Build:
    """Twice the traffic from one minute to the next, the second half of it with new templates."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = moment(traffic, rng, account, 2 * DAY)
        if start < 0:
            return None
        identity = np.uint64(rng.integers(1, 1 << 62))
        row = traffic.row(account, templates=12, template_identity=identity)
        held = traffic.requests[start:, account].astype(np.int64)
        return Made(start, start + 2 * DAY, traffic.add(account, start, rng.poisson(held), row))

    return build


def retry_storm() -> Build:
    """The same outage for all these accounts: errors for some minutes, then everything again."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        days = traffic.population.minutes // DAY
        start = (WARM_DAYS + (days - WARM_DAYS) // 2) * DAY + _OUTAGE_AT
        usual = traffic.population.usual[account] / 5.0
        failing = traffic.row(account, error=0.7)
        end = start + _OUTAGE_MINUTES
        traffic.move(rng, account, start, end, 1.0, failing)
        tries = traffic.add(account, start, rng.poisson(usual, _OUTAGE_MINUTES), failing)
        again = traffic.add(account, end, rng.poisson(3.0 * usual, _OUTAGE_MINUTES))
        return Made(start, end + _OUTAGE_MINUTES, tries + again)

    return build


def time_zone(minutes: int) -> Build:
    """After a week everything happens earlier by some hours."""

    def build(traffic: Traffic, rng: np.random.Generator, account: int) -> Made | None:
        start = traffic.population.minutes // 2
        held = traffic.requests[start:, account].copy()
        traffic.requests[start:, account] = np.roll(held, -minutes)
        return Made(start, traffic.population.minutes, int(held.sum(dtype=np.int64)))

    return build


def _more(
    traffic: Traffic,
    rng: np.random.Generator,
    account: int,
    start: int,
    times: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> int:
    """Multiplies the account's requests from `start` on; returns how many came on top."""
    held = traffic.requests[start:, account].astype(np.float64)
    return traffic.add(account, start, rng.poisson(held * (times - 1.0)))
