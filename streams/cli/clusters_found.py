"""What `pulse clusters` found, whichever method found it: scores, tied pairs, clusters in numbers.

Between the methods (`clusters_methods`) and what is written and told (`clusters`,
`clusters_report`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.traffic.actions import Actions
from streams.traffic.actions_names import Names

__all__ = ["Cluster", "Deeds", "Found", "deeds", "described", "numbered", "outlined", "ranked"]

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_OUTLINE: Final = np.dtype(
    [
        ("cluster", np.int64),
        ("account", np.int64),  # who was first on the object
        ("first", np.int64),
        ("last", np.int64),
        ("kind", np.uint8),
        ("shared", np.bool_),
    ]
)


@dataclass(frozen=True, slots=True)
class Deeds:
    """All actions of the members of one cluster, as columns of one length in order of time."""

    account: NDArray[np.int64]
    object: NDArray[np.uint64]
    kind: NDArray[np.uint8]
    time: NDArray[np.int64]

    def shared(self) -> Deeds:
        """Only those on objects that two members or more acted on."""
        objects, item = np.unique(self.object, return_inverse=True)
        pairs = np.unique(np.stack([item, self.account]), axis=1)
        kept = (np.bincount(pairs[0], minlength=len(objects)) > 1)[item]
        return Deeds(self.account[kept], self.object[kept], self.kind[kept], self.time[kept])


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster: `members` are numbers of accounts, best score first.

    `objects` and `kinds` are what two members or more share, from `first_ms` to `last_ms`;
    `chance` is that of their timing, None where the method knows none; `independent_kinds` counts
    what stands on its own, timing included (0: not asked); `known` names a declared good group.
    """

    members: NDArray[np.int64]
    objects: int
    kinds: tuple[str, ...]
    first_ms: int
    last_ms: int
    chance: float | None = None
    independent_kinds: int = 0
    known: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Scores and cluster (0: none, else its place from 1) by account; pairs in any order.

    `left_out` counts groups that score like clusters, but whose timing or kinds do not suffice.
    """

    score: NDArray[np.float64]
    cluster: NDArray[np.int64]
    pair_a: NDArray[np.int64]
    pair_b: NDArray[np.int64]
    pair_score: NDArray[np.float64]
    clusters: list[Cluster] = field(default_factory=list)
    left_out: int = 0


def numbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels (-1: none) as 1, 2, 3... from the largest cluster on; of equals the first account's.

    The same for the same clusters, whatever their labels were.
    """
    names, first, inverse, size = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    none = names < 0
    order = np.lexsort((first, -size, none))
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(1, len(names) + 1)
    place[none] = 0
    return place[inverse]


def deeds(actions: Actions, cluster: NDArray[np.int64]) -> Iterator[Deeds]:
    """What the members of cluster 1, 2, 3... did; reads the actions once."""
    parts = []
    for block in actions.blocks():
        inside = np.flatnonzero(cluster[block.account])
        columns = (block.account, block.object, block.kind, block.time)
        parts.append([column[inside] for column in columns])
    if not parts:
        return
    account, objects, kind, time = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
    order = np.argsort(cluster[account], kind="stable")
    edges = np.searchsorted(cluster[account][order], np.arange(1, cluster.max(initial=0) + 2))
    for start, stop in pairwise(edges):
        rows = order[start:stop]
        yield Deeds(account[rows], objects[rows], kind[rows], time[rows])


def ranked(cluster: NDArray[np.int64], score: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """The members of cluster 1, 2, 3..., best score first."""
    inside = np.flatnonzero(cluster)
    inside = inside[np.lexsort((-score[inside], cluster[inside]))]
    edges = np.searchsorted(cluster[inside], np.arange(2, cluster.max(initial=0) + 1))
    return np.split(inside, edges) if len(inside) else []


def described(actions: Actions, members: NDArray[np.int64], shared: Deeds) -> Cluster:
    """The numbers of a cluster that a person is told."""
    return Cluster(
        members,
        objects=len(np.unique(shared.object)),
        kinds=tuple(actions.kinds[kind] for kind in np.unique(shared.kind)),
        first_ms=int(shared.time.min()),
        last_ms=int(shared.time.max()),
    )


def outlined(
    actions: Actions, cluster: NDArray[np.int64], score: NDArray[np.float64]
) -> list[Cluster]:
    """Cluster 1, 2, 3... as `described` tells them, without their actions in memory.

    For clusters of any size: holds 34 to 68 bytes an object that members of a cluster acted on.
    """
    names = Names()
    held = np.zeros(1024, _OUTLINE)
    for block in actions.blocks():
        rows = np.flatnonzero(cluster[block.account])
        account, time = block.account[rows], block.time[rows]
        label = cluster[account]
        number, fresh = names.number(block.object[rows] ^ (label.astype(np.uint64) * _MIX))
        while len(names) > len(held):
            held = np.concatenate([held, np.zeros_like(held)])
        new = held[len(names) - len(fresh) : len(names)]
        new["cluster"], new["account"] = label[fresh], account[fresh]
        new["kind"], new["first"] = block.kind[rows][fresh], time[fresh]
        held["shared"][number[held["account"][number] != account]] = True
        held["last"][number] = time  # in order of time: of equal numbers the last one stays
    objects = held[held["shared"]]
    objects = objects[np.argsort(objects["cluster"], kind="stable")]
    edges = np.searchsorted(objects["cluster"], np.arange(2, cluster.max(initial=0) + 1))
    return [
        Cluster(
            members,
            len(own),
            tuple(actions.kinds[kind] for kind in np.unique(own["kind"])),
            int(own["first"].min()),
            int(own["last"].max()),
        )
        for members, own in zip(ranked(cluster, score), np.split(objects, edges), strict=False)
    ]
