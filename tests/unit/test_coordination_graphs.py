"""igraph comes without its plotting, and what it draws depends on the seed alone."""

from __future__ import annotations

import random
import subprocess
import sys
import threading

from detectors.coordination.graphs import seeded
from streams.coordination.picture import placed
from tests.support.worker import ROOT

_RING = [(one, (one + 1) % 40) for one in range(40)]
_LOADED = (
    "import sys; from streams.coordination.picture import placed; "
    "places = placed(3, [(0, 1)]); print(len(places), 'matplotlib' in sys.modules)"
)


def test_a_picture_is_laid_out_without_loading_matplotlib() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["3", "False"]


def test_a_picture_is_the_same_whatever_else_draws() -> None:
    alone = placed(40, _RING)
    ended = threading.Event()

    def others() -> None:
        while not ended.is_set():
            with seeded(3) as igraph:
                igraph.Graph.Erdos_Renyi(n=60, m=200).community_leiden(
                    objective_function="modularity"
                )
            random.random()

    thread = threading.Thread(target=others)
    thread.start()
    try:
        assert all(placed(40, _RING) == alone for _ in range(30))
    finally:
        ended.set()
        thread.join()


def test_an_empty_group_has_no_places() -> None:
    assert placed(0, []) == []
