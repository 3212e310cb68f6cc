"""igraph as this package uses it: loaded without its plotting, and drawing chance from a seed.

Behind the communities (Leiden) and behind the places of a group's members in its picture. igraph
asks for matplotlib, which is there because PyOD wants it, to be able to plot: that is four fifths
of the time its import takes, and nothing here plots.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

__all__ = ["seeded"]

_PLOTTING: Final = "igraph.drawing.matplotlib.utils"
#: igraph has one generator for the whole process.
_drawing = threading.Lock()


@contextmanager
def seeded(seed: int) -> Iterator[Any]:
    """igraph, whose algorithms draw from `random.Random(seed)` as long as this lasts.

    One thread at a time, so that two results do not depend on who came first.
    """
    with _drawing:
        igraph = _loaded()
        igraph.set_random_number_generator(random.Random(seed))
        try:
            yield igraph
        finally:
            igraph.set_random_number_generator(random)


def _loaded() -> ModuleType:
    if "igraph" not in sys.modules and "matplotlib" not in sys.modules:
        sys.modules[_PLOTTING] = _without_plotting()
    import igraph

    module: ModuleType = igraph
    return module


def _without_plotting() -> ModuleType:
    """What igraph asks for matplotlib, answering as where that is not installed."""
    module = ModuleType(_PLOTTING)

    def find_matplotlib() -> tuple[object, object]:
        from igraph.drawing.utils import FakeModule

        missing = FakeModule("igraph was loaded without matplotlib")
        return missing, missing

    setattr(module, "find_matplotlib", find_matplotlib)  # noqa: B010 - a module knows no such name
    return module
