"""Where the members of a group stand in its picture; what the console draws comes from here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from detectors.coordination.graphs import seeded

__all__ = ["placed"]

_SEED: Final = 7
_ROUNDS: Final = 300


def placed(size: int, edges: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """A place (x, y) for each of `size` nodes, by force-directed layout (Fruchterman and Reingold,
    "Graph drawing by force-directed placement", 1991); the same group always looks the same.
    """
    if not size:
        return []
    with seeded(_SEED) as igraph:
        graph = igraph.Graph(n=size, edges=list(edges))
        drawn = graph.layout_fruchterman_reingold(niter=_ROUNDS)
    return [(round(float(x), 3), round(float(y), 3)) for x, y in drawn]
