"""Pictures of the coordination lab: each method's area by scenario, and recall by strength."""

from __future__ import annotations

from collections.abc import Callable

from streams.lab.coordination.document import ALL, METHODS, PULSE, Document
from streams.lab.coordination.shapes import STRENGTHS
from streams.lab.svg import Axis, Line, chart

__all__ = ["pictures"]


def pictures(document: Document) -> dict[str, str]:
    """SVG documents by file name, two for each background."""
    drawn = {}
    for name, title in document.backgrounds.items():
        drawn[f"coordination_{name}.svg"] = _areas(document, name, title)
        drawn[f"coordination_recall_{name}.svg"] = _recall(document, name, title)
    return drawn


def _areas(d: Document, background: str, title: str) -> str:
    rows = d.find("pr_auc", method=PULSE, background=background, strength=ALL)
    scenarios = [row.scenario for row in rows]
    lines = []
    for place, (method, label) in enumerate(METHODS.items()):
        figures = [d.figure("pr_auc", method, background, name) for name in scenarios]
        points = [(i + 1.0, f.value, f.low, f.high) for i, f in enumerate(figures)]
        lines.append(Line(label, points, colour=place, main=method == PULSE))
    marks = [i + 1.0 for i in range(len(scenarios))]
    names = [name.replace("_", " ") for name in scenarios]
    return chart(
        f"Members of campaigns ranked above honest accounts: {title}",
        Axis("shape of the campaign", 0.7, len(scenarios) + 0.3, marks, said=_named(names)),
        Axis("area under precision-recall", 0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        lines,
        "Tuned: the best setting in hindsight, by shape. Bars: 95 %, campaigns resampled.",
    )


def _recall(d: Document, background: str, title: str) -> str:
    rows = d.find("recall", method=PULSE, background=background)
    scenarios = list(dict.fromkeys(row.scenario for row in rows))
    names = [strength.name for strength in STRENGTHS]
    lines = []
    for place, scenario in enumerate(scenarios):
        points = []
        for at, name in enumerate(names):
            found = [row.figure for row in rows if (row.scenario, row.strength) == (scenario, name)]
            points += [(at + 1.0, f.value, f.low, f.high) for f in found]
        lines.append(Line(d.scenarios[scenario], points, colour=place % 6, dashed=place >= 6))
    return chart(
        f"Members named in clusters, by strength: {title}",
        Axis("strength of the campaign", 0.8, 3.2, [1.0, 2.0, 3.0], said=_named(names)),
        Axis("share named", 0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0], said="{:.0%}".format),
        lines,
    )


def _named(names: list[str]) -> Callable[[float], str]:
    """Writes a whole number as the name at its place."""
    return lambda value: names[round(value) - 1]
