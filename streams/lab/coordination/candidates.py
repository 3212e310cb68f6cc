"""The public methods at every setting a practitioner would try, as scores of the same accounts.

One setting of each is the recommended one, of CooRTweet's vignette and of the paper; the best of
the others is chosen in hindsight for every scenario, with the truth known. That is more than
anybody gets in life, and it is what ours must beat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.cosharing import shared_within
from streams.lab.coordination.scene import Scene
from streams.lab.coordination.similarity import SUPPORT, network

__all__ = ["COSHARING", "SIMILARITY", "Candidate", "candidates"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

COSHARING: Final = "co-sharing"
SIMILARITY: Final = "similarity"
_WINDOWS_S: Final = (10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0)
_VIGNETTE_S: Final = 60.0
_BUCKETS_S: Final = (0.0, 60.0, 600.0, 3600.0, 86_400.0)
_SUPPORTS: Final = (1, 3, SUPPORT)
#: Which objects of a request are looked at: the text, the addresses, what is not shared by most.
_COLUMNS: Final[dict[str, tuple[int, ...]]] = {
    "text": (0,),
    "addresses": (3, 4),
    "text, addresses, payment": (0, 1, 2, 4, 5),
    "all": tuple(range(9)),
}
_QUICK_COLUMNS: Final = ("text", "addresses", "text, addresses, payment")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One method at one setting: score (accounts,), and whom it names when recommended so."""

    method: str
    setting: str
    score: Floats
    flagged: Bools | None = None


def candidates(scene: Scene, *, quick: bool = False) -> Iterator[Candidate]:
    """Every setting of both methods; scores are 0 where there is nothing to say."""
    for title, columns in _columns(scene, quick):
        yield from _cosharing(scene, title, columns, quick)
        yield from _similarity(scene, title, columns, quick)


def _columns(scene: Scene, quick: bool) -> list[tuple[str, tuple[int, ...]]]:
    if scene.events.objects.shape[1] == 1:
        return [("", (0,))]
    return [(f", {name}", _COLUMNS[name]) for name in (_QUICK_COLUMNS if quick else _COLUMNS)]


def _cosharing(
    scene: Scene, title: str, columns: tuple[int, ...], quick: bool
) -> Iterator[Candidate]:
    accounts = scene.accounts
    for window_s in _WINDOWS_S:
        pairs = shared_within(scene.events, window_s, columns)
        for least in (1, 2):
            kept = pairs.least(least)
            setting = f"{window_s:g} s, at least {least}{title}"
            vignette = window_s == _VIGNETTE_S and least == 2
            flagged = kept.heavier_half(accounts) if vignette else None
            strongest = kept.strongest(accounts)
            yield Candidate(COSHARING, f"{setting}, heaviest edge", strongest, flagged)
            yield Candidate(COSHARING, f"{setting}, sum of edges", kept.strength(accounts))


def _similarity(
    scene: Scene, title: str, columns: tuple[int, ...], quick: bool
) -> Iterator[Candidate]:
    for bucket_s in _BUCKETS_S:
        for support in _SUPPORTS:
            net = network(
                scene.events, scene.accounts, window_s=bucket_s, columns=columns, support=support
            )
            top = net.top()
            when = f"in buckets of {bucket_s:g} s" if bucket_s else "without a window"
            setting = f"{when}, {support} actions{title}"
            paper = not bucket_s and support == SUPPORT
            flagged = top.linked() if paper else None
            edges = f"{setting}, top edges"
            yield Candidate(SIMILARITY, f"{edges}, centrality", top.centrality(), flagged)
            yield Candidate(SIMILARITY, f"{edges}, sum", top.strength())
            yield Candidate(SIMILARITY, f"{setting}, heaviest edge", net.strongest())
            yield Candidate(SIMILARITY, f"{setting}, sum of edges", net.strength())
            if not quick:
                yield Candidate(SIMILARITY, f"{setting}, centrality", net.centrality())
