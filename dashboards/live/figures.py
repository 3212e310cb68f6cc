"""Pictures of boards: what the browser draws with plotly, as data without colours or code.

The server says what is there (lines, band, bars, lanes, members and ties); `static/figures.js`
draws it in the colours of the page. Every picture has its words and its numbers beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dashboards.live.cells import rows_table
from dashboards.live.html import Html, tag
from dashboards.live.model import Row
from dashboards.live.when import milliseconds
from dashboards.live.words import count
from dashboards.model.panel import Panel
from dashboards.model.query import Column
from dashboards.model.units import unit

__all__ = ["figure", "panel_figure"]

_MOST_SERIES: Final = 12
_TABLE_ROWS: Final = 50


def figure(content: Mapping[str, Any], words: str, *, key: str, height: int) -> Html:
    """The place of a picture; `words` say what it shows to those who do not see it."""
    data = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return tag(
        "div",
        class_=f"figure-plot h{height}",
        id=f"figure-{key}",
        role="img",
        tabindex=0,
        aria_label=words,
        data_figure=data,
    )


def panel_figure(
    panel: Panel,
    rows: Sequence[Row],
    *,
    key: str,
    blind: Sequence[Sequence[int]] = (),
    unseen: str = "",
) -> Html:
    """A panel of kind time, bars or strip, with its numbers folded away below.

    `blind` are spans (epoch ms) to be hatched in what has a time axis, `unseen` says them.
    """
    draw = {"time": _time, "strip": _strip, "bars": _bars, "stat": _time}[panel.kind]
    content, words = draw(panel, rows), _words(panel, rows)
    if blind and panel.kind != "bars":
        content["blind"] = [list(span) for span in blind]
        words = f"{words} {unseen}"
    picture = figure(content, words, key=key, height=panel.height)
    return tag("figure", picture, _numbers(panel, rows))


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if number == number and abs(number) != float("inf") else None


def _values(panel: Panel) -> list[Column]:
    return [c for c in panel.query.columns if c.unit not in ("time", "text")]


def _scale(column: Column) -> float:
    return 100.0 if column.unit == "share" else 1.0


def _time(panel: Panel, rows: Sequence[Row]) -> dict[str, Any]:
    columns = _values(panel)
    band = panel.band or ()
    drawn = [column for column in columns if column.name not in band]
    lines: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        for column in drawn:
            name = str(row[panel.series]) if panel.series else column.title
            line = lines.setdefault(name, {"x": [], "y": []})
            value = _number(row[column.name])
            line["x"].append(milliseconds(row[panel.query.time]))
            line["y"].append(None if value is None else value * _scale(column))
    largest = sorted(lines, key=lambda name: -sum(y or 0.0 for y in lines[name]["y"]))
    content: dict[str, Any] = {
        "kind": "time",
        "unit": unit(columns[0].unit).suffix,
        "stacked": panel.stacked,
        "lines": [{"name": name or "(none)", **lines[name]} for name in largest[:_MOST_SERIES]],
    }
    if panel.band and rows:
        low, high = (panel.query.column(name) for name in panel.band)
        # Where the days before had nothing, there is no usual.
        known = [row for row in rows if _number(row[high.name])]
        content["band"] = {
            "x": [milliseconds(row[panel.query.time]) for row in known],
            "low": [(_number(row[low.name]) or 0.0) * _scale(low) for row in known],
            "high": [(_number(row[high.name]) or 0.0) * _scale(high) for row in known],
        }
    if panel.steps is not None:
        content["steps"] = [panel.steps.warning, panel.steps.alarm]
    return content


def _strip(panel: Panel, rows: Sequence[Row]) -> dict[str, Any]:
    lanes: dict[str, dict[str, list[Any]]] = {}
    value = _values(panel)[0].name
    for row in rows:
        lane = lanes.setdefault(str(row[panel.series]), {"x": [], "state": []})
        lane["x"].append(milliseconds(row[panel.query.time]))
        lane["state"].append(int(row[value]))
    return {
        "kind": "strip",
        "states": list(panel.states),
        "lanes": [{"name": name, **lanes[name]} for name in sorted(lanes)],
    }


def _bars(panel: Panel, rows: Sequence[Row]) -> dict[str, Any]:
    name = panel.query.columns[0].name
    return {
        "kind": "bars",
        "names": [str(row[name]) for row in rows],
        "bars": [
            {"name": column.title, "x": [_number(row[column.name]) for row in rows]}
            for column in _values(panel)
        ],
    }


def _words(panel: Panel, rows: Sequence[Row]) -> str:
    if not rows:
        return f"{panel.title}: {panel.empty}"
    parts = []
    for column in _values(panel):
        if panel.band and column.name in panel.band:
            continue
        values = [
            v * _scale(column) for row in rows if (v := _number(row[column.name])) is not None
        ]
        if values:
            suffix = unit(column.unit).suffix
            parts.append(
                f"{column.title} between {count(min(values))}{suffix} and "
                f"{count(max(values))}{suffix}"
            )
    return f"{panel.title}: {'; '.join(parts) or 'no number'}. {panel.about}"


def _numbers(panel: Panel, rows: Sequence[Row]) -> Html | None:
    if not rows:
        return None
    last = rows[-_TABLE_ROWS:]
    text = "The numbers" if len(rows) <= _TABLE_ROWS else f"The last {_TABLE_ROWS} numbers"
    return tag("details", tag("summary", text), rows_table(panel.query, last))
