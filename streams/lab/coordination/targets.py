"""What the detection of coordination must reach in the lab, and whether it does."""

from __future__ import annotations

import math
from typing import Final

from streams.lab.coordination.document import ALL, PULSE, Document
from streams.lab.coordination.measures import RECALL
from streams.lab.coordination.shapes import SHAPES
from streams.lab.figures import Target

__all__ = ["targets"]

_PRECISION: Final = 0.95
_PERFECT: Final = 5e-4
_RECALL: Final = RECALL
_BASELINES: Final = ("co-sharing tuned", "similarity tuned")


def targets(document: Document) -> list[Target]:
    """Every target with the figure that answers it; one nothing was measured for is not reached."""
    return [*_areas(document), *_fast(document), *_silent(document)]


def _areas(document: Document) -> list[Target]:
    """PR-AUC above both public methods, tuned in hindsight, on every scenario."""
    found = []
    for row in document.find("pr_auc", method=PULSE, strength=ALL):
        theirs = [
            document.figure("pr_auc", method, row.background, row.scenario).value
            for method in _BASELINES
        ]
        best = max((value for value in theirs if not math.isnan(value)), default=math.nan)
        name = f"PR-AUC: {_title(document, row.background, row.scenario)}"
        # Nothing is above what is perfect already.
        above = row.figure.value > best or row.figure.value >= 1.0 - _PERFECT
        found.append(Target(name, f"> {best:.3f}", row.figure, above))
    return found


def _fast(document: Document) -> list[Target]:
    """Precision where recall is high, on the fast shapes."""
    fast = {shape.name for shape in SHAPES if shape.fast}
    found = []
    for background in document.backgrounds:
        for scenario in document.scenarios:
            if scenario not in fast:
                continue
            precision = document.figure("precision", PULSE, background, scenario)
            recall = document.figure("recall", PULSE, background, scenario)
            if math.isnan(recall.value):
                continue
            ranked = document.figure("ranked", PULSE, background, scenario)
            title = _title(document, background, scenario)
            for name, figure, least in (
                (f"precision of scores at recall {_RECALL}", ranked, _PRECISION),
                ("precision of clusters", precision, _PRECISION),
                ("recall of clusters", recall, _RECALL),
            ):
                reached = figure.value >= least
                found.append(Target(f"{name}: {title}", f">= {least}", figure, reached))
    return found


def _silent(document: Document) -> list[Target]:
    found = []
    for row in document.find("false_clusters", method=PULSE):
        title = _title(document, row.background, row.scenario)
        null = row.scenario.startswith("null_")
        wanted = f"0 in {row.figure.n} seeds" if null else "0"
        name = f"{'null' if null else 'false clusters'}: {title}"
        found.append(Target(name, wanted, row.figure, row.figure.value == 0.0))
    return found


def _title(document: Document, background: str, scenario: str) -> str:
    return f"{document.scenarios[scenario]} ({document.backgrounds[background]})"
