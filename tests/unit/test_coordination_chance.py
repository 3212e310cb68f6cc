"""The chance figure of a group: honest where nobody acts together, small where somebody does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from detectors.coordination.chance import Moments, chance

HOUR = 3_600_000
START = 1_760_000_400_000
Row = tuple[int, int, float]  # account, object, epoch ms
Rng = np.random.Generator


def moments(rows: list[Row], popularity: float) -> Moments:
    return Moments(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.uint64),
        np.array([row[2] for row in rows], np.float64).astype(np.int64),
        np.full(len(rows), popularity, np.float32),
    )


def log10(rows: list[Row], popularity: float = 100.0) -> float:
    return chance(moments(rows, popularity)).log10


def visits(rng: Rng, days: int, first: float, last: float) -> list[float]:
    """Some sittings of some minutes on workdays, in which one acts every half a minute or so."""
    found: list[float] = []
    for _ in range(rng.integers(2, 7)):
        at = START + (rng.integers(days) * 24 + rng.uniform(first, last)) * HOUR
        found += (at + np.cumsum(rng.exponential(30_000, 1 + rng.poisson(8)))).tolist()
    return found


def office(rng: Rng) -> list[Row]:
    members, objects = rng.integers(3, 12), rng.integers(1, 5)
    return [
        (account, int(rng.integers(objects)), at)
        for account in range(members)
        for at in visits(rng, 3, 8, 18)
    ]


def evening(rng: Rng) -> list[Row]:
    """Everybody in the same hour of the same day."""
    return [(account, 0, at) for account in range(12) for at in visits(rng, 1, 19, 20)]


def shuffled(rng: Rng) -> list[Row]:
    """A ring's actions with the times shuffled within each object."""
    rows = unison(rng, 8, 12, 5.0)
    objects = np.array([row[1] for row in rows])
    times = np.array([row[2] for row in rows]) + rng.uniform(-24, 24, len(rows)) * HOUR
    for item in np.unique(objects):
        times[objects == item] = rng.permutation(times[objects == item])
    return [(row[0], row[1], float(at)) for row, at in zip(rows, times, strict=True)]


def classroom(rng: Rng, told: int = 0) -> list[Row]:
    """Thirty students, one network (0), one template (1), one lesson; told to begin, at times."""
    begin = START + 9.75 * HOUR
    moments_told = begin + rng.uniform(300, 2400, told) * 1000
    rows: list[Row] = []
    for account in range(30):
        start = begin + abs(rng.normal(0, 90_000))
        own = [start, *(start + rng.uniform(0, 2400, rng.poisson(15)) * 1000)]
        own += [at + rng.lognormal(np.log(60), 0.7) * 1000 for at in moments_told]
        rows += [(account, item, float(at)) for at in own for item in (0, 1)]
    return rows


def viral(rng: Rng) -> list[Row]:
    """Of ten thousand people on one template in some hours, those who happened to be nearest."""
    times = np.sort(START + rng.beta(2, 5, 10_000) * 6 * HOUR)
    place = int(np.argmin(times[5:] - times[:-5]))
    rows: list[Row] = [(n, 0, float(at)) for n, at in enumerate(times[place : place + 6])]
    return rows + [(n, 0, START + float(rng.uniform(0, 6)) * HOUR) for n in range(6)]


def unison(rng: Rng, members: int, times: int, jitter_s: float) -> list[Row]:
    return [
        (account, place % 4, at + rng.uniform(-jitter_s, jitter_s) * 1000)
        for place, at in enumerate(START + rng.uniform(0, 24, times) * HOUR)
        for account in range(members)
    ]


def relay(rng: Rng) -> list[Row]:
    """Each an hour after the one before."""
    return [
        (account, place, at + account * HOUR + rng.uniform(-20, 20) * 1000)
        for place, at in enumerate(START + rng.uniform(0, 48, 8) * HOUR)
        for account in range(5)
    ]


def slow_drip(rng: Rng) -> list[Row]:
    """Five accounts, once a day for a week within a minute, among things of their own."""
    rows = [
        (account, 0, START + (24 * day + 12) * HOUR + rng.uniform(-30, 30) * 1000)
        for day in range(7)
        for account in range(5)
    ]
    own = rng.uniform(0, 168, (5, 10))
    return rows + [(a, 0, START + at * HOUR) for a in range(5) for at in own[a]]


@pytest.mark.parametrize("traffic", [office, evening, shuffled])
def test_groups_that_do_not_act_together_are_seldom_improbable(
    traffic: Callable[[Rng], list[Row]],
) -> None:
    """A p-value of 1e-2 in at most about one of a hundred, also before the choice is paid for."""
    found = [chance(moments(traffic(np.random.default_rng(n)), 20)) for n in range(200)]
    timing = np.array([one.timing for one in found])
    assert (timing <= -2.0).mean() <= 0.02
    assert (timing <= -4.0).sum() == 0
    assert all(one.log10 >= one.timing - 1e-9 for one in found)


@pytest.mark.parametrize("told", [0, 3])
def test_a_classroom_is_no_ring(told: int) -> None:
    found = [log10(classroom(np.random.default_rng(n), told), 30) for n in range(40)]
    assert min(found) > -4.0
    assert np.mean(np.array(found) <= -2.0) <= 0.05


def test_the_nearest_of_a_viral_template_pay_for_having_been_picked() -> None:
    found = [log10(viral(np.random.default_rng(n)), 10_000) for n in range(40)]
    assert min(found) > -2.0


def test_who_acts_together_is_improbable() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert log10(unison(rng, 5, 6, 5.0), 5) < -12
        assert log10(unison(rng, 31, 4, 10.0), 31) < -50
        assert log10(unison(rng, 5, 20, 5.0), 100_000) < -30  # in the shade of a viral template
        assert log10(relay(rng), 5) < -6
        assert log10(slow_drip(rng), 5) < -6


def test_what_nobody_shares_and_an_empty_group_say_nothing() -> None:
    assert chance(moments([], 1)).p_value == 1.0
    assert log10([(0, 0, START), (1, 1, START), (2, 2, START)]) == 0.0
    assert log10([(0, 0, START + n * 1000) for n in range(50)]) == 0.0


def test_the_order_of_rows_makes_no_difference() -> None:
    rows = unison(np.random.default_rng(1), 6, 5, 5.0)
    mixed = [rows[n] for n in np.random.default_rng(2).permutation(len(rows))]
    assert chance(moments(rows, 6)) == chance(moments(mixed, 6))
