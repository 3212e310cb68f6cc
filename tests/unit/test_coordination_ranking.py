"""The order of accounts: by timing or by what they share, and only as far as they act often."""

from __future__ import annotations

import numpy as np

from detectors.coordination.parameters import Parameters
from detectors.coordination.stream import Judged
from tests.unit.test_coordination_core import Rows, crowd, judge

_HOUR, _DAY = 3_600_000, 86_400_000


def slowly(accounts: range, posts: int, first: int, seed: int) -> Rows:
    """Each shares each of these objects once, at any hour of the object's day."""
    draw = np.random.default_rng(seed)
    return [
        (i, first + k, _DAY + k * 7 * _HOUR + int(draw.integers(_DAY)))
        for i in accounts
        for k in range(posts)
    ]


def highest(found: Judged, count: int) -> set[int]:
    order = np.argsort(-found.accounts.score, kind="stable")
    return set(found.accounts.account[order][:count].tolist())


def test_who_shares_at_any_hour_of_the_day_what_nobody_else_does_stands_above_the_crowd() -> None:
    ring, draw = range(1000, 1004), np.random.default_rng(9)
    rows = crowd() + slowly(ring, posts=12, first=5000, seed=3)
    # And as much of what the crowd shares.
    rows += [
        (i, int(draw.integers(800)), int(draw.integers(14 * _DAY))) for i in ring for _ in range(12)
    ]
    assert highest(judge(rows), len(ring)) == set(ring)
    by_timing = judge(rows, Parameters(rank_likeness=0.0))
    assert not highest(by_timing, len(ring)) & set(ring), "it is likeness that tells"


def test_newcomers_who_share_the_little_they_do_stand_below_a_habit() -> None:
    ring, newcomers = range(1000, 1006), range(2000, 2006)
    rows = crowd() + slowly(ring, posts=14, first=5000, seed=3)
    rows += [(i, 6000 + k, time) for i, k, time in slowly(newcomers, posts=4, first=0, seed=4)]
    found = judge(rows)
    score = dict(zip(found.accounts.account.tolist(), found.accounts.score.tolist(), strict=True))
    assert max(score[i] for i in newcomers) < 0.5 * min(score[i] for i in ring)


def test_what_one_moment_brings_is_one_coincidence_but_all_of_it_is_shared() -> None:
    rows = [
        (i, 10 * k + j, k * _DAY + i * 1000) for i in (1, 2) for k in range(3) for j in range(4)
    ]
    meetings = judge(rows).meetings
    assert np.diff(meetings.start).tolist() == [3]
    assert np.diff(meetings.shared).tolist() == [12]
    assert len(meetings.shared_popularity) == 12


def test_a_standing_object_that_counts_anew_is_shared_once() -> None:
    rows = [(i, 1, day * _DAY + i * 1000) for i in (1, 2) for day in range(5)]
    meetings = judge(rows, Parameters(renew_s=600.0)).meetings
    assert np.diff(meetings.start).tolist() == [5]
    assert np.diff(meetings.shared).tolist() == [1]
