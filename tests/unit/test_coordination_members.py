"""Which communities count as groups, and who of them is a member."""

from __future__ import annotations

import numpy as np

from detectors.coordination.communities import Communities, communities, decide
from detectors.coordination.parameters import Parameters
from detectors.coordination.score import AccountScores, PairScores


def test_two_rings_with_a_thin_bridge_are_two_groups_and_hysteresis_decides() -> None:
    ties = [(a, b, 3.0) for g in (0, 10) for a in range(g, g + 5) for b in range(a + 1, g + 5)]
    ties.append((4, 10, 0.8))
    a, b, v = (np.array(column) for column in zip(*sorted(ties), strict=True))
    nothing, times = np.zeros(len(a)), np.zeros(len(a), np.int64)
    scores = PairScores(
        a, b, v, v, nothing, nothing, times + 3, times.astype(np.uint64), times, times
    )
    given = Parameters(tie=0.75, found=9.0, kept=4.5, members=3)
    found = communities(scores, given)
    assert [set(found.account[found.label == label]) for label in (0, 1)] in (
        [set(range(5)), set(range(10, 15))],
        [set(range(10, 15)), set(range(5))],
    )
    score = np.array([9.5, 9.5, 9.5, 5.0, 4.0, 9.5, 9.5, 8.0, 8.0, 8.0])
    accounts = AccountScores(found.account, score, score, score, score * 0, times[:10] + 5)
    assert decide(found, accounts, scores, given).account.tolist() == [0, 1, 2, 3]
    none = Communities(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert len(decide(none, accounts, scores, given)) == 0


def test_who_has_only_the_popular_kind_in_common_with_a_ring_is_no_member() -> None:
    client, text, network = 1, 2, 4
    ties = [(a, b, 3.0, client | text | network) for a in range(5) for b in range(a + 1, 5)]
    ties += [(a, 5, 1.0, client) for a in range(5)]
    ties += [(a, 6, 1.0, client | text) for a in range(5)]
    a, b, v, kinds = (np.array(column) for column in zip(*sorted(ties), strict=True))
    nothing, times = np.zeros(len(a)), np.zeros(len(a), np.int64)
    scores = PairScores(
        a, b, v, v, nothing, nothing, times + 3, kinds.astype(np.uint64), times, times
    )
    evidence = np.array([12.0] * 5 + [6.0, 6.0])
    zeros = np.zeros(7)
    accounts = AccountScores(
        np.arange(7), evidence, evidence, zeros, zeros, np.full(7, 9, np.int64)
    )
    given = Parameters(tie=0.75, found=9.0, kept=4.5, members=3)
    found = Communities(np.arange(7), np.zeros(7, np.int64))
    assert decide(found, accounts, scores, given).account.tolist() == [0, 1, 2, 3, 4, 6]
