"""Charts as SVG drawn on the server: observed against the usual, silent-below line, blind spans.

Stands between series of points and the pages. The drawing scales with the page while its labels
keep their size, needs no script, and carries its numbers as text beside it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from dashboards.live.html import Child, Html, tag
from dashboards.live.series import Point
from dashboards.live.when import clock, clock_text
from dashboards.live.words import compact, count

__all__ = ["Plot", "chart", "spark"]

_SIDE = 1000.0
_SLANT = 180.0
_TABLE_ROWS = 60
_NAMED = 3  # blind spans


@dataclass(frozen=True, slots=True)
class Plot:
    """What one chart shows.

    `band` is the usual range, `threshold` the value below which nothing would have happened,
    `outside` spans beyond the usual, `blind` spans the pipeline did not see.
    `bands` are usual ranges of single spans: start, end, low, high.
    """

    points: Sequence[Point]
    unit: str
    label: str
    band: tuple[float, float] | None = None
    threshold: float | None = None
    threshold_label: str = ""
    outside: Sequence[tuple[int, int]] = ()
    blind: Sequence[tuple[int, int]] = field(default=())
    bands: Sequence[tuple[int, int, float, float]] = field(default=())

    @property
    def span(self) -> tuple[int, int]:
        """First and last moment of the chart."""
        return self.points[0][0], max(self.points[-1][0], self.points[0][0] + 1)

    @property
    def top(self) -> float:
        """Upper end of the value axis: a round number above everything drawn."""
        highest = max(value for _, value in self.points)
        highest = max(highest, self.band[1] if self.band else 0.0, self.threshold or 0.0)
        highest = max(highest, *(high for _, _, _, high in self.bands), 0.0)
        return highest * 1.08 if highest > 1e-9 else 1.0

    @property
    def alternative(self) -> str:
        """The chart in one sentence, for those who do not see it."""
        values = [value for _, value in self.points]
        text = f"{self.label}: between {count(min(values))} and {count(max(values))} {self.unit}"
        if self.bands:
            low, high = self.bands[-1][2:]
            text += f", at this hour usually {count(low)} to {count(high)}"
        if self.band:
            text += f", usually {count(self.band[0])} to {count(self.band[1])}"
        if self.threshold is not None:
            text += f", silent below {count(self.threshold)}"
        for start, end in self.unseen:
            text += f", blind {clock_text(start)} to {clock_text(end)} UTC"
        return text + "."

    @property
    def unseen(self) -> list[tuple[int, int]]:
        """The blind spans that reach into the chart, each once."""
        first, last = self.span
        return sorted({(a, b) for a, b in self.blind if b >= first and a <= last})


def spark(plot: Plot) -> Html:
    """A chart without axes, for a line of a list."""
    if len(plot.points) < 2:
        return tag("div", "no minutes stored yet", class_="spark empty")
    drawing = _drawing(plot, "100%", "100%")
    return tag("svg", drawing, class_="spark", role="img", aria_label=plot.alternative)


def chart(plot: Plot, *, key: str, height: int = 220, seconds: bool = False) -> Html:
    """A chart with axes, a readout for pointer and arrow keys, and its numbers as a table."""
    if len(plot.points) < 2:
        return tag("p", "Nothing is stored for this span yet.", class_="muted")
    floor = height - 22
    svg = tag(
        "svg",
        _grid(plot, floor),
        _drawing(plot, "100%", str(floor)),
        _values(plot, floor),
        _threshold_label(plot, floor),
        _times(plot, height, seconds),
        class_="chart",
        height=height,
        width="100%",
        aria_hidden="true",
        focusable="false",
    )
    data = json.dumps([[at, round(value, 3)] for at, value in plot.points], separators=(",", ":"))
    plotted = tag(
        "div",
        svg,
        tag("div", class_="cursor", hidden=True),
        class_="plot",
        tabindex=0,
        role="img",
        aria_label=plot.alternative + " Arrow keys read single values.",
        data_series=data,
        data_unit=plot.unit,
        data_seconds=seconds,
    )
    readout = tag("p", class_="readout", aria_live="polite")
    return tag(
        "figure", plotted, readout, _blind(plot), _table(plot, key, seconds), id=f"chart-{key}"
    )


def _drawing(plot: Plot, width: str, height: str) -> Html:
    """The plot itself in a box of 1000 by 1000 that stretches to whatever room there is."""
    parts: list[Html] = []
    if plot.band:
        low, high = _y(plot, plot.band[1]), _y(plot, plot.band[0])
        parts.append(_box("band", 0, _SIDE, low, max(high, low + 12)))
    for start, end, least, most in plot.bands:
        top, floor = _y(plot, most), _y(plot, least)
        parts.append(_box("band", _x(plot, start), _x(plot, end), top, max(floor, top + 12)))
    parts += [_box("beyond", _x(plot, a), _x(plot, b), 0, _SIDE) for a, b in plot.outside]
    parts.append(_path("line", plot, plot.points))
    for start, end in plot.outside:
        parts.append(_path("line hot", plot, _between(plot.points, start, end)))
    if plot.threshold is not None:
        y = round(_y(plot, plot.threshold), 1)
        parts.append(tag("line", class_="silent", x1=0, x2=_SIDE, y1=y, y2=y))
    parts += [_hatching(plot, start, end) for start, end in plot.unseen]
    return tag(
        "svg",
        *parts,
        width=width,
        height=height,
        viewBox=f"0 0 {_SIDE:g} {_SIDE:g}",
        preserveAspectRatio="none",
    )


def _grid(plot: Plot, floor: int) -> list[Html]:
    parts = []
    for value in _ticks(plot.top):
        y = round(floor - value / plot.top * floor, 1)
        parts.append(tag("line", class_="grid", x1="0", x2="100%", y1=y, y2=y))
    return parts


def _values(plot: Plot, floor: int) -> list[Html]:
    """Labels of the value axis, inside the plot and above everything, so that no room is lost."""
    return [
        tag(
            "text",
            compact(value),
            class_="axis",
            x=0,
            y=round(floor - value / plot.top * floor - 4),
        )
        for value in _ticks(plot.top)[1:]
    ]


def _times(plot: Plot, height: int, seconds: bool) -> list[Html]:
    start, end = plot.span
    parts = []
    for step, anchor in ((0, "start"), (1, "middle"), (2, "middle"), (3, "middle"), (4, "end")):
        at = start + (end - start) * step // 4
        label = clock_text(at, seconds=seconds)
        kind = "axis wide" if step in (1, 3) else "axis"
        place: dict[str, str | int] = {"x": f"{25 * step}%", "y": height - 5, "text_anchor": anchor}
        parts.append(tag("text", label, class_=kind, data_ms=at, data_seconds=seconds, **place))
    return parts


def _threshold_label(plot: Plot, floor: int) -> Html | None:
    if plot.threshold is None or not plot.threshold_label:
        return None
    y = floor - plot.threshold / plot.top * floor
    y = y - 6 if y > 24 else y + 16
    return tag("text", plot.threshold_label, class_="axis", x="12%", y=round(y, 1))


def _table(plot: Plot, key: str, seconds: bool) -> Html:
    """The same numbers for those who read; of a long series the largest values."""
    step = max(1, math.ceil(len(plot.points) / _TABLE_ROWS))
    chunks = [plot.points[at : at + step] for at in range(0, len(plot.points), step)]
    rows = [max(chunk, key=lambda point: point[1]) for chunk in chunks]
    body = [
        tag("tr", tag("td", clock(at, seconds=seconds)), tag("td", count(value), class_="number"))
        for at, value in reversed(rows)
    ]
    head = tag("tr", tag("th", "Time", scope="col"), tag("th", plot.unit, scope="col"))
    note = f"The highest of each {step} values." if step > 1 else None
    table = tag(
        "table", tag("caption", note) if note else None, tag("thead", head), tag("tbody", body)
    )
    return tag("details", tag("summary", "As a table"), table, id=f"table-{key}")


def _path(kind: str, plot: Plot, points: Sequence[Point]) -> Html:
    moves = " ".join(f"{_x(plot, at):.1f},{_y(plot, value):.1f}" for at, value in points)
    return tag("polyline", class_=kind, points=moves)


def _box(kind: str, left: float, right: float, top: float, bottom: float) -> Html:
    width, height = max(right - left, 2.0), max(bottom - top, 0.0)
    place = {
        "x": f"{left:.1f}",
        "y": f"{top:.1f}",
        "width": f"{width:.1f}",
        "height": f"{height:.1f}",
    }
    return tag("rect", class_=kind, **place)


def _blind(plot: Plot) -> Html | None:
    """What the hatching means, with its times."""
    if not plot.unseen:
        return None
    parts: list[Child] = []
    for place, (start, end) in enumerate(plot.unseen[:_NAMED]):
        parts += ["; " if place else "", clock(start), " to ", clock(end)]
    if len(plot.unseen) > _NAMED:
        parts.append(f"; and {len(plot.unseen) - _NAMED} more")
    mark = tag("i", class_="hatching", aria_hidden="true")
    return tag("p", mark, " blind ", parts, class_="muted blindness")


def _hatching(plot: Plot, start: int, end: int) -> Html:
    """Slanted lines over a span: drawn, not filled with a pattern, so that no ids are needed."""
    left, right = _x(plot, start), max(_x(plot, end), _x(plot, start) + 2)
    lines, foot = [], left - _SLANT
    while foot < right:
        # From the foot at the bottom to `_SLANT` further right at the top, cut at the span's sides.
        x0, x1 = max(foot, left), min(foot + _SLANT, right)
        if x1 > x0:
            y0, y1 = (_SIDE * (1 - (x - foot) / _SLANT) for x in (x0, x1))
            lines.append(f"M{x0:.1f} {y0:.0f}L{x1:.1f} {y1:.0f}")
        foot += _SLANT / 12
    hatch = tag("path", class_="hatch", d="".join(lines))
    return tag("g", _box("blind", left, right, 0, _SIDE), hatch)


def _between(points: Sequence[Point], start: int, end: int) -> list[Point]:
    """Points in the span with the one before it, so that the coloured line joins the calm one."""
    inside = [index for index, (at, _) in enumerate(points) if start <= at <= end]
    return list(points[max(0, inside[0] - 1) : inside[-1] + 1]) if inside else []


def _x(plot: Plot, at: int) -> float:
    start, end = plot.span
    return min(max((at - start) / (end - start), 0.0), 1.0) * _SIDE


def _y(plot: Plot, value: float) -> float:
    return (1 - min(max(value / plot.top, 0.0), 1.0)) * _SIDE


def _ticks(top: float) -> list[float]:
    """Zero and two to four round values below the top."""
    scale = 10.0 ** math.floor(math.log10(top))
    step = next(s * scale for s in (0.2, 0.25, 0.5, 1.0, 2.0, 5.0) if top / (s * scale) < 4.5)
    step = max(step, 1.0) if top > 1 else step
    return [number * step for number in range(int(top / step) + 1)]
