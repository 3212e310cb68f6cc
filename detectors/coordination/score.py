"""Scores of pairs and accounts: the third stage, from coincidences to how much they prove.

A pair's evidence is the summed weight of its coincidences, or the same about a constant lag, which
then costs one of them; divided by how active both are. An account stands as high as its best
partners hold it: the r-th counts 1 / r, so one near-double alone proves little and a ring much.
Likeness of unusual objects is a small, steady help beside it where groups are decided. Where
accounts are only ranked it may stand for timing: who shares most of what they do, at any time of
the day, is worth a look, though nobody can say that it was not chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.compiled import compiled
from detectors.coordination.kernel import evidence
from detectors.coordination.pairs import PairMeetings
from detectors.coordination.parameters import Parameters

__all__ = ["AccountScores", "PairScores", "score_accounts", "score_pairs"]


@dataclass(frozen=True, slots=True)
class PairScores:
    """One row a pair, in order of (account_a, account_b).

    Attributes:
        account_a, account_b: a < b (int64).
        score: v, the larger of sync and lag over (n_a n_b) ** .35 (float64).
        sync: sum of the weights of the coincidences (float64).
        lag: the same about the best constant lag, which costs one coincidence (float64).
        lag_s: that lag, b after a (float64, s); 0 where sync is the larger.
        objects: coincidences, each on another object (int64).
        kinds: bit k is set when they met on an object of kind k (uint64).
        first_ms, last_ms: earliest and latest action of the coincidences (int64, epoch ms).
    """

    account_a: NDArray[np.int64]
    account_b: NDArray[np.int64]
    score: NDArray[np.float64]
    sync: NDArray[np.float64]
    lag: NDArray[np.float64]
    lag_s: NDArray[np.float64]
    objects: NDArray[np.int64]
    kinds: NDArray[np.uint64]
    first_ms: NDArray[np.int64]
    last_ms: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.account_a)


@dataclass(frozen=True, slots=True)
class AccountScores:
    """One row an account that has a pair, in order of account.

    Attributes:
        account: int64.
        score: what accounts are ranked by: as `support`, but of the timing or the likeness of each
            pair, whichever says more, and less the less both acted; 0 with fewer than three moments
            (float64).
        evidence: what groups are decided by: support + 10 * portfolio; 0 likewise (float64).
        support: v of the best partners, the r-th over r (float64).
        portfolio: likeness of the unusual objects shared with the best five partners (float64).
        moments: distinct times the account acted, n_a (int64).
    """

    account: NDArray[np.int64]
    score: NDArray[np.float64]
    evidence: NDArray[np.float64]
    support: NDArray[np.float64]
    portfolio: NDArray[np.float64]
    moments: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.account)


@compiled
def _evidence(
    start: NDArray[np.int64],
    time_a: NDArray[np.int64],
    time_b: NDArray[np.int64],
    popularity: NDArray[np.float32],
    horizon_s: float,
    power: float,
    scale: float,
    crowd: float,
    spacing: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    pairs = len(start) - 1
    sync, lag = np.zeros(pairs), np.zeros(pairs)
    constant = np.zeros(pairs, np.int64)
    for p in range(pairs):
        s, e = start[p], start[p + 1]
        sync[p], lag[p], constant[p] = evidence(
            time_a[s:e], time_b[s:e], popularity[s:e], horizon_s, power, scale, crowd, spacing
        )
    return sync, lag, constant


def score_pairs(
    pairs: PairMeetings, moments: NDArray[np.int64], parameters: Parameters
) -> PairScores:
    """v of each pair; `moments` is n_a by account id."""
    sync, lag, constant = _evidence(
        pairs.start,
        pairs.time_a,
        pairs.time_b,
        pairs.popularity,
        parameters.horizon_s,
        parameters.kernel_power,
        parameters.kernel_scale,
        parameters.crowd,
        parameters.spacing,
    )
    both = moments[pairs.account_a].astype(np.float64) * moments[pairs.account_b]
    score = np.maximum(sync, lag) / np.maximum(both, 1.0) ** parameters.activity_power
    heads = pairs.start[:-1]
    earlier = np.minimum(pairs.time_a, pairs.time_b)
    later = np.maximum(pairs.time_a, pairs.time_b)
    empty = np.zeros(0, np.int64)
    return PairScores(
        pairs.account_a,
        pairs.account_b,
        score,
        sync,
        lag,
        np.where(lag > sync, constant / 1000.0, 0.0),
        np.diff(pairs.start),
        pairs.kinds,
        np.minimum.reduceat(earlier, heads) if len(pairs) else empty,
        np.maximum.reduceat(later, heads) if len(pairs) else empty,
    )


def score_accounts(
    scores: PairScores, pairs: PairMeetings, moments: NDArray[np.int64], parameters: Parameters
) -> AccountScores:
    """Support and portfolio of every account that has a pair; `moments` is n_a by account id."""
    likeness = _likeness(pairs, moments)
    account, support = _ranked(scores, scores.score, parameters.partners)
    _, portfolio = _ranked(scores, likeness, parameters.portfolio_partners)
    acted = moments[account]
    evidence = support + parameters.portfolio_weight * portfolio
    score = _ranking(scores, pairs, moments, parameters)
    evidence[acted < parameters.moments] = 0.0
    score[acted < parameters.moments] = 0.0
    return AccountScores(account, score, evidence, support, portfolio, acted)


def _ranking(
    scores: PairScores,
    pairs: PairMeetings,
    moments: NDArray[np.int64],
    parameters: Parameters,
) -> NDArray[np.float64]:
    """Support by timing or by likeness, pair by pair, in full only when both acted often enough.

    Few moments make a high v by luck (a handful of actions with one lag), and a high likeness even
    more so (two of two objects in common); in a long list the lucky few stand above the many that
    are tied by more. That decides an order of accounts; it must not delay a decision about a group,
    so `evidence` goes without. The cubes make nearly the larger of the two count: a sum would raise
    honest accounts that have a little of both above members that have much of one.
    """
    often = np.minimum(1.0, moments / parameters.rank_moments)
    habit = np.minimum(1.0, moments / parameters.rank_habit) ** 3
    a, b = scores.account_a, scores.account_b
    timing = scores.score * often[a] * often[b]
    likeness = parameters.rank_likeness * _overlap(pairs, moments) * habit[a] * habit[b]
    return _ranked(scores, np.cbrt(timing**3 + likeness**3), parameters.partners)[1]


def _ranked(
    scores: PairScores, value: NDArray[np.float64], partners: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Per account the sum of the r-th best value of its pairs over r."""
    ends = np.concatenate([scores.account_a, scores.account_b])
    both = np.concatenate([value, value])
    order = np.lexsort((-both, ends))
    account, first, count = np.unique(ends[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, count) + 1
    held = np.where(rank <= partners, both[order] / rank, 0.0)
    total = np.add.reduceat(held, first) if len(first) else np.zeros(0)
    return account, total


_POPULAR = 200.0  # accounts from which on an object says nothing about who shares it
_DAMPING = 10.0  # moments added, so that two shared objects of two are not a whole portfolio
_RANK_DAMPING = 1.0  # the ranking asks for a habit besides


def _likeness(pairs: PairMeetings, moments: NDArray[np.int64]) -> NDArray[np.float64]:
    """Squared rarity of the coincidences of a pair, summed, over damped norms."""
    rarity = _rarity(pairs.popularity)
    shared = np.add.reduceat(rarity**2, pairs.start[:-1]) if len(pairs) else np.zeros(0)
    return shared / _norms(pairs, moments, _DAMPING)


def _overlap(pairs: PairMeetings, moments: NDArray[np.int64]) -> NDArray[np.float64]:
    """The same of all objects a pair shares: what one moment brought both counts in full."""
    rarity = _rarity(pairs.shared_popularity).astype(np.float64)
    shared = np.add.reduceat(rarity**2, pairs.shared[:-1]) if len(pairs) else np.zeros(0)
    return shared / _norms(pairs, moments, _RANK_DAMPING)


def _rarity(popularity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverse document frequency as a share of the largest: 1 of two accounts, 0 from 200 on."""
    rarity: NDArray[np.float32] = np.log(_POPULAR / popularity) / np.log(_POPULAR / 2.0)
    return np.clip(rarity, 0.0, 1.0)


def _norms(pairs: PairMeetings, moments: NDArray[np.int64], damping: float) -> NDArray[np.float64]:
    acted = (moments[pairs.account_a] + damping) * (moments[pairs.account_b] + damping)
    return np.sqrt(acted)
