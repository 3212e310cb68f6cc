"""Groups of accounts: the fourth stage, communities of strong ties and which of them count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.graphs import seeded
from detectors.coordination.kinds import MOST_KINDS
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
    with seeded(parameters.seed) as igraph:
        found = igraph.Graph(n=len(account), edges=edges[rows].tolist()).community_leiden(
            objective_function="modularity",
            weights=weight[rows].tolist(),
            resolution=parameters.resolution,
            n_iterations=5,
        )
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


def decide(
    found: Communities, accounts: AccountScores, pairs: PairScores, parameters: Parameters
) -> Communities:
    """What of `found` is a group: enough members are sure, and the others are bound to them.

    Sure is who has evidence `found`. Another stays with evidence `kept` and strong ties to two sure
    members and to a fifth of them: a community takes in whoever hangs on one of its members. Those
    ties must rest on at least half of the kinds of signal that tie the sure members to each other:
    who has only the client in common with a ring that shares its text and network is no member.
    """
    evidence = accounts.evidence[np.searchsorted(accounts.account, found.account)]
    sure = evidence >= parameters.found
    if not sure.any():
        return Communities(found.account[:0], found.label[:0])
    size = np.bincount(found.label[sure], minlength=len(found) + 1)
    ties = _ties_to(found, sure, pairs, parameters.tie)
    others = size[found.label] - sure  # sure members beside itself
    needed = np.maximum(np.minimum(2, others), np.ceil(parameters.bound * others))
    stays = (evidence >= parameters.kept) & (ties >= needed)
    stays &= sure | _alike(found, sure, pairs, parameters.tie)
    left = np.bincount(found.label[stays & sure], minlength=len(found) + 1)
    kept = stays & (left[found.label] >= parameters.members)
    label = found.label[kept]
    _, label = np.unique(label, return_inverse=True)
    return Communities(found.account[kept], label.astype(np.int64))


def _ties_to(
    found: Communities, sure: NDArray[np.bool_], pairs: PairScores, tie: float
) -> NDArray[np.int64]:
    """By member, its strong ties to sure members of its own community."""
    a, b, _ = _inside(found, pairs, tie)
    count = np.zeros(len(found), np.int64)
    np.add.at(count, a[sure[b]], 1)
    np.add.at(count, b[sure[a]], 1)
    return count


def _alike(
    found: Communities, sure: NDArray[np.bool_], pairs: PairScores, tie: float
) -> NDArray[np.bool_]:
    """By member, whether its ties to the sure have half of the kinds most ties of those have."""
    a, b, kinds = _inside(found, pairs, tie)
    bits = (kinds[:, None] >> np.arange(MOST_KINDS, dtype=np.uint64) & np.uint64(1)).astype(bool)
    groups = int(found.label.max()) + 1
    both = sure[a] & sure[b]
    count = np.bincount(found.label[a[both]], minlength=groups)
    with_kind = np.zeros((groups, MOST_KINDS), np.int64)
    np.add.at(with_kind, found.label[a[both]], bits[both])
    usual = 2 * with_kind > count[:, None]
    own = np.zeros((len(found), MOST_KINDS), bool)
    np.logical_or.at(own, a[sure[b]], bits[sure[b]])
    np.logical_or.at(own, b[sure[a]], bits[sure[a]])
    expected = usual[found.label]
    return np.asarray(2 * (own & expected).sum(axis=1) >= expected.sum(axis=1))


def _inside(
    found: Communities, pairs: PairScores, tie: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Strong ties within a community: the places of their ends in `found`, and their kinds."""
    strong = pairs.score >= tie  # the ends of such a tie are in `found`
    a = np.searchsorted(found.account, pairs.account_a[strong])
    b = np.searchsorted(found.account, pairs.account_b[strong])
    inside = found.label[a] == found.label[b]
    return a[inside], b[inside], pairs.kinds[strong][inside]
