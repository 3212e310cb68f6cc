"""Groups of accounts: the fourth stage, communities of strong ties and which of them count."""

from __future__ import annotations

import random
from dataclasses import dataclass

import igraph
import numpy as np
from numpy.typing import NDArray

from detectors.coordination.parameters import Parameters
from detectors.coordination.score import AccountScores, PairScores

__all__ = ["Communities", "communities", "decide"]


@dataclass(frozen=True, slots=True)
class Communities:
    """Accounts with a strong tie and the community each is in, largest community first.

    Attributes:
        account: in rising order (int64).
        label: 0, 1, ... (int64).
    """

    account: NDArray[np.int64]
    label: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.account)


def communities(scores: PairScores, parameters: Parameters) -> Communities:
    """Leiden communities of the pairs with v >= tie, weighted by v.

    Reference: V. A. Traag, L. Waltman and N. J. van Eck, "From Louvain to Leiden: guaranteeing
    well-connected communities", Scientific Reports 9, 2019. Vertices are put in order of what
    they did, not of their ids, so that other ids for the same accounts give the same result.
    """
    strong = scores.score >= parameters.tie
    ends = np.stack([scores.account_a[strong], scores.account_b[strong]], axis=1)
    weight = scores.score[strong]
    account, number = np.unique(ends, return_inverse=True)
    number = number.reshape(-1)
    if not len(account):
        return Communities(account.astype(np.int64), np.zeros(0, np.int64))
    twice = np.repeat(weight, 2)
    degree = np.bincount(number)
    strength = np.bincount(number, twice)
    first = np.full(len(account), np.iinfo(np.int64).max)
    np.minimum.at(first, number, np.repeat(scores.first_ms[strong], 2))
    order = np.lexsort((account, first, degree, np.round(strength, 9)))
    place = np.empty(len(account), np.int64)
    place[order] = np.arange(len(account))
    edges = np.sort(place[number].reshape(-1, 2), axis=1)
    rows = np.lexsort((edges[:, 1], edges[:, 0]))
    graph = igraph.Graph(n=len(account), edges=edges[rows].tolist())
    igraph.set_random_number_generator(random.Random(parameters.seed))
    try:
        found = graph.community_leiden(
            objective_function="modularity",
            weights=weight[rows].tolist(),
            resolution=parameters.resolution,
            n_iterations=5,
        )
    finally:
        igraph.set_random_number_generator(random)
    member = np.array(found.membership, np.int64)[place]
    return Communities(account, _by_size(member, place))


def _by_size(member: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels renumbered: the largest community is 0; of equals the one with the lowest place."""
    _, number, size = np.unique(member, return_inverse=True, return_counts=True)
    lowest = np.full(len(size), len(place), np.int64)
    np.minimum.at(lowest, number, place)
    rank = np.empty(len(size), np.int64)
    rank[np.lexsort((lowest, -size))] = np.arange(len(size))
    return rank[number]


def decide(found: Communities, accounts: AccountScores, parameters: Parameters) -> Communities:
    """What of `found` is a group: enough members score `found`, and who scores `kept` stays."""
    score = accounts.score[np.searchsorted(accounts.account, found.account)]
    sure = np.bincount(found.label[score >= parameters.found], minlength=len(found))
    kept = (sure[found.label] >= parameters.members) & (score >= parameters.kept)
    label = found.label[kept]
    _, label = np.unique(label, return_inverse=True)
    return Communities(found.account[kept], label.astype(np.int64))
