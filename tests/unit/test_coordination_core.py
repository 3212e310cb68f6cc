"""Coordination as one stream: what it finds, what it leaves alone, what it forgets and bounds."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.coordination.meetings import Meetings
from detectors.coordination.pairs import Pairs
from detectors.coordination.parameters import Parameters
from detectors.coordination.rings import Rings
from detectors.coordination.stream import Judged, Stream
from tests.property.test_coordination import same
from tests.support.traces import trace_file

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
Rows = list[tuple[int, int, int]]  # account, object, time in ms


def push(stream: Stream, table: NDArray[np.int64]) -> None:
    kinds = np.zeros(len(table), np.uint8)
    stream.push(table[:, 0], table[:, 1].astype(np.uint64), kinds, table[:, 2])


def judge(rows: Rows | NDArray[np.int64], given: Parameters | None = None) -> Judged:
    table = np.array(rows, np.int64)
    stream = Stream(given)
    push(stream, table[np.argsort(table[:, 2], kind="stable")])
    return stream.judge()


def crowd(seed: int = 1, accounts: int = 400, count: int = 6000) -> Rows:
    """People who share popular things over two weeks, each in their own time."""
    draw = np.random.default_rng(seed)
    objects = (draw.zipf(1.4, count) % 800).astype(int)
    born = draw.integers(0, 13 * _DAY, 800)
    time = born[objects] + draw.exponential(8 * _HOUR, count).astype(int)
    who = (accounts * draw.power(2.0, count)).astype(int)
    return list(zip(who.tolist(), objects.tolist(), time.tolist(), strict=True))


def wander(draw: np.random.Generator, accounts: list[int]) -> Rows:
    """One action of each on something of the crowd's, at any time."""
    return [(i, int(draw.integers(2, 800)), int(draw.integers(14 * _DAY))) for i in accounts]


def unison(i: int, k: int, draw: np.random.Generator) -> int:
    return k * 11 * _HOUR + int(draw.integers(0, 20_000))


def relay(i: int, k: int, draw: np.random.Generator) -> int:
    return k * 17 * _HOUR + i * 5 * _HOUR + int(draw.integers(0, 60_000))


def slow(i: int, k: int, draw: np.random.Generator) -> int:
    return k * 40 * _HOUR + int(draw.integers(0, 4 * _MINUTE))


@pytest.mark.parametrize("when", [unison, relay, slow])
def test_rings_of_three_paces_are_found_whole_and_nobody_else(
    when: Callable[[int, int, np.random.Generator], int],
) -> None:
    draw = np.random.default_rng(7)
    ring = range(1000, 1008)
    rows = [(i, 5000 + k, _DAY + when(i - 1000, k, draw)) for i in ring for k in range(7)]
    rows += [
        (i, int(draw.integers(800)), int(draw.integers(14 * _DAY))) for i in ring for _ in "ab"
    ]
    found = judge(crowd() + rows)
    assert found.accounts.account[found.label >= 0].tolist() == list(ring)
    assert set(found.label[found.label >= 0]) == {0}


def test_reading_the_same_page_an_hour_apart_is_one_coincidence_not_five() -> None:
    draw = np.random.default_rng(2)
    rows = []
    for reader in range(1000, 1012):
        read = 3 * _DAY + reader % 1000 * _HOUR + np.cumsum(draw.integers(5_000, 90_000, 6))
        rows += [(reader, 9000 + item, int(time)) for item, time in enumerate(read)]
        rows += [
            (reader, int(draw.integers(800)), int(draw.integers(14 * _DAY))) for _ in range(15)
        ]
    assert (judge(crowd() + rows).label == -1).all()


def test_a_viral_object_accuses_nobody_and_takes_no_memory() -> None:
    draw = np.random.default_rng(3)
    rows = [(i, 1, int(draw.integers(_HOUR))) for i in range(5000)]
    rows += [
        (i, int(draw.integers(2, 60)), int(draw.integers(5 * _DAY)))
        for i in range(5000)
        for _ in "abc"
    ]
    given = Parameters(single_capacity=1 << 16)
    stream = Stream(given)
    table = np.array(rows, np.int64)
    push(stream, table[np.argsort(table[:, 2])])
    assert (stream.judge().label == -1).all()
    assert stream.nbytes < 40e6


@pytest.mark.slow
@pytest.mark.parametrize("what", ["times", "accounts"])
def test_shuffled_real_traffic_gives_no_group_in_twenty_seeds(what: str) -> None:
    with gzip.open(trace_file("coortweet_russian.csv.gz"), "rt", encoding="utf-8") as text:
        shares = list(csv.DictReader(text))
    columns = [
        np.unique([share[name] for share in shares], return_inverse=True)[1]
        for name in ("account_id", "object_id")
    ]
    time_ms = np.array([int(float(share["timestamp_share"]) * 1000) for share in shares])
    table = np.stack([*columns, time_ms], axis=1)
    table = table[np.argsort(table[:, 1], kind="stable")]
    cuts = np.flatnonzero(np.diff(table[:, 1])) + 1
    for seed in range(20):
        draw = np.random.default_rng(seed)
        mixed = table.copy()
        if what == "times":
            mixed[:, 2] = np.concatenate([draw.permutation(p) for p in np.split(table[:, 2], cuts)])
        else:
            mixed[:, 0] = draw.permutation(table[:, 0])
        found = judge(mixed)
        assert (found.label == -1).all(), f"seed {seed}"
        assert np.quantile(found.accounts.evidence, 0.999) < Parameters().found


def test_portions_that_cross_blocks_and_a_restart_change_nothing() -> None:
    rows = crowd(2, 300, 30_000)
    table = np.array([(a, o, t // _DAY * _DAY) for a, o, t in rows], np.int64)
    table = table[np.argsort(table[:, 2], kind="stable")]
    given = Parameters(ring=8, single_capacity=2048, pair_capacity=1024, object_capacity=500)
    whole = Stream(given)
    push(whole, table)
    expected = whole.judge()
    assert whole.evicted > 1000
    draw = np.random.default_rng(5)
    stream = Stream(given)
    mixed = draw.permutation(table)
    mixed = mixed[np.argsort(mixed[:, 2], kind="stable")]
    cuts = np.sort(draw.integers(0, len(table), 60))
    for number, part in enumerate(np.split(mixed, cuts)):
        push(stream, part)
        if number % 10 == 5:
            state = stream.dump()
            stream = Stream(given)
            stream.load(state)
    same(stream.judge(), expected)


def test_when_the_table_is_full_the_valuable_pairs_stay() -> None:
    draw = np.random.default_rng(11)
    ring = range(4000, 4006)
    rows = [(i, 5000 + k, _DAY + slow(0, k, draw)) for i in ring for k in range(6)]
    busy = crowd(4, 3000, 60_000)
    given = Parameters(single_capacity=8192, pair_capacity=1024)
    stream = Stream(given)
    table = np.array(busy + rows, np.int64)
    push(stream, table[np.argsort(table[:, 2], kind="stable")])
    found = stream.judge()
    assert stream.evicted > 100_000
    assert found.accounts.account[found.label >= 0].tolist() == list(ring)


def test_objects_beyond_the_horizon_and_pairs_beyond_memory_are_forgotten() -> None:
    given = Parameters(memory_s=3 * 86_400.0, single_capacity=1024)
    rings, pairs = Rings(given), Pairs(given)
    for day in (0, 2):
        account, shared = np.array([1, 2]), np.array([7 + day, 7 + day], np.uint64)
        time_ms = np.array([day * _DAY, day * _DAY + 1000])
        pairs.add(rings.meet(account, shared, np.zeros(2, np.uint8), time_ms))
    assert (len(rings), len(pairs.surviving())) == (2, 1)
    rings.forget(3 * _DAY)
    pairs.forget(4 * _DAY)
    assert (len(rings), len(pairs), len(pairs.surviving())) == (1, 1, 0)
    pairs.forget(6 * _DAY)
    assert len(pairs) == 0


def test_it_never_matters_when_idle_objects_were_forgotten() -> None:
    kind = np.zeros(2, np.uint8)
    popularity = []
    for forget in (False, True):
        rings = Rings(Parameters())
        for start in (0, 5 * _DAY):
            account = np.array([1, 2]) + start // _DAY
            if forget:
                rings.forget(start)
            met = rings.meet(
                account, np.array([7, 7], np.uint64), kind, np.array([start, start + 1])
            )
        popularity.append(met.popularity.tolist())
    assert popularity == [[2.0], [2.0]]


def test_a_late_action_meets_but_replaces_nothing_newer() -> None:
    rings = Rings(Parameters(ring=2))

    def meet(account: int, time_ms: int) -> Meetings:
        return rings.meet(
            np.array([account]),
            np.array([1], np.uint64),
            np.zeros(1, np.uint8),
            np.array([time_ms]),
        )

    meet(1, 10_000)
    meet(2, 20_000)
    late = meet(3, 5_000)
    assert late.account_a.tolist() == [1, 2]
    assert (late.time_b == 5_000).all()
    after = meet(4, 30_000)
    assert sorted(after.account_a.tolist()) == [1, 2]
    assert after.weight.max() > late.weight.min() > 0


def test_a_standing_object_counts_anew_only_when_asked_to() -> None:
    rows = [(account, 1, day * _DAY + account * 1000) for account in (1, 2, 3) for day in range(5)]
    assert len(judge(rows).pairs) == 0
    assert judge(rows, Parameters(renew_s=600.0)).pairs.objects.tolist() == [5, 5, 5]


def test_actions_so_frequent_that_others_are_due_anyway_do_not_meet() -> None:
    draw = np.random.default_rng(1)
    rows = [(int(draw.integers(50)), 1, t * 1000) for t in range(3000)]
    table = np.array(rows, np.int64)
    kinds = np.zeros(len(table), np.uint8)
    met = {
        limit: Rings(Parameters(expected_limit=limit)).meet(
            table[:, 0], table[:, 1].astype(np.uint64), kinds, table[:, 2]
        )
        for limit in (np.inf, 0.05)
    }
    assert len(met[0.05]) < 0.5 * len(met[np.inf])
    assert np.abs(met[0.05].time_a - met[0.05].time_b)[-100:].max() <= 8000


def test_what_is_popular_is_known_from_the_first_hour_of_the_watch_on() -> None:
    draw = np.random.default_rng(2)
    rows = [(int(draw.integers(100)), 1, t * 1000) for t in range(3600)]
    table = np.array(rows, np.int64)
    rings = Rings(Parameters().live())

    def meet(rows: NDArray[np.int64]) -> Meetings:
        kinds = np.zeros(len(rows), np.uint8)
        return rings.meet(rows[:, 0], rows[:, 1].astype(np.uint64), kinds, rows[:, 2])

    meet(table[:1800])
    going_on = Rings(Parameters().live())
    going_on.load(rings.dump())
    rings = going_on
    later = meet(table[1800:])
    assert np.abs(later.time_a - later.time_b).max() <= 1000, "another comes every second anyway"


def test_accounts_with_two_moments_score_nothing() -> None:
    rows = [(i, k, k * _DAY + i * 100) for i in range(10) for k in range(2)]
    assert judge(rows).accounts.evidence.max() == 0.0
    assert replace(Parameters(), moments=2).moments == 2
    assert judge(rows, Parameters(moments=2)).accounts.evidence.min() > 9


def test_nothing_one_account_and_ids_out_of_range() -> None:
    assert len(Stream().judge().accounts) == 0
    assert len(judge([(5, 1, t) for t in range(50)]).pairs) == 0
    with pytest.raises(ValueError, match="account ids"):
        judge([(-1, 1, 1), (2, 1, 1)])
