"""A small writer of line charts as SVG: axes, lines with intervals, a legend; no script, no fonts.

Draws the lab's pictures. Colours follow the reader's light or dark scheme; every chart says in
words what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

__all__ = ["Axis", "Line", "chart", "tag"]

WIDTH: Final = 720
_LEFT, _RIGHT, _TOP, _FLOOR = 64, 200, 40, 48
_HEIGHT: Final = 380
_STYLE: Final = """
svg { background: #fff; font: 13px system-ui, sans-serif; --text: #1b1c1e; --muted: #63676e;
  --grid: #e3e3de; --c0: #b23a0c; --c1: #2f4b8c; --c2: #1c7440; --c3: #96600b; --c4: #7a3e9d;
  --c5: #63676e; }
@media (prefers-color-scheme: dark) { svg { background: #1c1e21; --text: #ececea; --muted: #a2a7af;
  --grid: #303338; --c0: #ff9466; --c1: #93b3f0; --c2: #6cc793; --c3: #e0a748; --c4: #c79be6;
  --c5: #a2a7af; } }
text { fill: var(--text); } .axis, .note { fill: var(--muted); font-size: 12px; }
.title { font-size: 15px; font-weight: 650; } .grid { stroke: var(--grid); }
.line { fill: none; stroke-width: 2; } .main { stroke-width: 3.5; } .dash { stroke-dasharray: 5 4; }
.range { stroke-width: 1.5; opacity: .55; }
"""


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`; the values marked, and how a value is written."""

    label: str
    low: float
    high: float
    marks: Sequence[float]
    log: bool = False
    said: Callable[[float], str] = "{:g}".format

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high end; values beyond stay at the end."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y, low, high) in order of x; points with y NaN are left out."""

    label: str
    points: Sequence[tuple[float, float, float, float]]
    colour: int = 5
    main: bool = False
    dashed: bool = False


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Line], note: str = "") -> str:
    """The picture as one SVG document."""
    drawn = [_drawn(line, x, y) for line in reversed(lines)]  # the first one on top
    return tag(
        "svg",
        tag("title", escape(title)),
        tag("desc", escape(_words(lines, x, y))),
        tag("style", _STYLE),
        tag("text", escape(title), class_="title", x=_LEFT - 48, y=22),
        *_grid(x, y),
        *drawn,
        *_legend(lines),
        tag("text", escape(note), class_="note", x=_LEFT - 48, y=_HEIGHT - 4) if note else "",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {_HEIGHT}",
        width=WIDTH,
        height=_HEIGHT,
        role="img",
    )


def tag(name: str, *inside: str, **attributes: object) -> str:
    """One element; `class_` is class, and underscores in names are dashes."""
    told = "".join(
        f" {_attribute(key)}={quoteattr(str(value))}" for key, value in attributes.items()
    )
    return f"<{name}{told}>{''.join(inside)}</{name}>" if inside else f"<{name}{told}/>"


def _attribute(name: str) -> str:
    return name if name == "viewBox" else name.rstrip("_").replace("_", "-")


def _x(axis: Axis, value: float) -> float:
    return round(_LEFT + axis.place(value) * (WIDTH - _LEFT - _RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(_HEIGHT - _FLOOR - axis.place(value) * (_HEIGHT - _FLOOR - _TOP), 1)


def _grid(x: Axis, y: Axis) -> list[str]:
    right, floor = WIDTH - _RIGHT, _HEIGHT - _FLOOR
    parts = []
    for mark in y.marks:
        at = _y(y, mark)
        parts.append(tag("line", class_="grid", x1=_LEFT, x2=right, y1=at, y2=at))
        parts.append(
            tag("text", y.said(mark), class_="axis", x=_LEFT - 8, y=at + 4, text_anchor="end")
        )
    for mark in x.marks:
        at = _x(x, mark)
        parts.append(tag("line", class_="grid", x1=at, x2=at, y1=_TOP, y2=floor))
        parts.append(
            tag("text", x.said(mark), class_="axis", x=at, y=floor + 16, text_anchor="middle")
        )
    middle = (_LEFT + right) / 2
    parts.append(
        tag("text", escape(x.label), class_="axis", x=middle, y=floor + 32, text_anchor="middle")
    )
    parts.append(
        tag("text", escape(y.label), class_="axis", x=right, y=_TOP - 6, text_anchor="end")
    )
    return parts


def _drawn(line: Line, x: Axis, y: Axis) -> str:
    told = [point for point in line.points if not math.isnan(point[1])]
    if not told:
        return ""
    stroke = f"var(--c{line.colour})"
    path = " ".join(f"{_x(x, at)},{_y(y, value)}" for at, value, _, _ in told)
    kind = "line" + " main" * line.main + " dash" * line.dashed
    parts = [tag("polyline", class_=kind, stroke=stroke, points=path)]
    for at, value, low, high in told:
        if not line.dashed:
            parts.append(tag("circle", cx=_x(x, at), cy=_y(y, value), r=3, fill=stroke))
        if high > low:
            ends = {"y1": _y(y, low), "y2": _y(y, high)}
            parts.append(
                tag("line", class_="range", stroke=stroke, x1=_x(x, at), x2=_x(x, at), **ends)
            )
    return tag("g", *parts)


def _legend(lines: Sequence[Line]) -> list[str]:
    parts = []
    for place, line in enumerate(lines):
        at, left = _TOP + 12 + 20 * place, WIDTH - _RIGHT + 16
        kind = "line" + " main" * line.main + " dash" * line.dashed
        stroke = f"var(--c{line.colour})"
        parts.append(
            tag("line", class_=kind, stroke=stroke, x1=left, x2=left + 20, y1=at - 4, y2=at - 4)
        )
        parts.append(tag("text", escape(line.label), x=left + 28, y=at))
    return parts


def _words(lines: Sequence[Line], x: Axis, y: Axis) -> str:
    """The numbers of the picture for those who do not see it."""
    told = []
    for line in lines:
        points = [
            f"{y.said(value)} at {x.said(at)}"
            for at, value, _, _ in line.points
            if not math.isnan(value)
        ]
        told.append(f"{line.label}: {', '.join(points) or 'nothing measured'}")
    return f"{y.label} by {x.label}. " + ". ".join(told) + "."
