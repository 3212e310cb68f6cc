"""Which members a group has, and in which order accounts stand."""

from __future__ import annotations

import numpy as np

from detectors.coordination.communities import Communities, decide
from detectors.coordination.parameters import Parameters
from detectors.coordination.score import AccountScores, PairScores
from tests.unit.test_coordination_core import judge

_DAY = 86_400_000


def test_who_hangs_on_one_member_is_not_of_the_group() -> None:
    ties = [(a, b, 3.0) for a in range(6) for b in range(a + 1, 6)]
    ties += [(5, 6, 2.0), (4, 7, 2.0), (5, 7, 2.0)]  # 6 hangs on one, 7 is bound to two
    a, b, v = (np.array(column) for column in zip(*sorted(ties), strict=True))
    nothing, times = np.zeros(len(a)), np.zeros(len(a), np.int64)
    scores = PairScores(
        a, b, v, v, nothing, nothing, times + 3, times.astype(np.uint64), times, times
    )
    found = Communities(np.arange(8), np.zeros(8, np.int64))
    evidence = np.array([20.0] * 6 + [7.0, 7.0])
    accounts = AccountScores(found.account, evidence, evidence, evidence, evidence * 0, times[:8])
    assert decide(found, accounts, scores, Parameters()).account.tolist() == [0, 1, 2, 3, 4, 5, 7]


def test_the_busy_are_ranked_above_the_lucky() -> None:
    # Two of three moments a second apart, and two of thirty moments likewise, thirty times.
    rows = [(0, k, k * _DAY) for k in range(3)] + [(1, k, k * _DAY + 1000) for k in range(3)]
    rows += [(2 + who, 100 + k, k * _DAY // 4 + who * 1000) for k in range(30) for who in range(2)]
    accounts = judge(rows).accounts
    assert accounts.evidence[0] > 0
    share = accounts.score / accounts.evidence
    assert share[0] < 0.3 * share[2]
