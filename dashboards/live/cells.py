"""Rows of an answer as a table for people: units, times in the viewer's zone, links to boards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Row
from dashboards.live.parts import account_path, incident_path, severity
from dashboards.live.when import clock, milliseconds
from dashboards.live.words import chance, count, duration
from dashboards.model.query import Column, Query
from dashboards.model.units import unit

__all__ = ["cell", "rows_table"]

#: Characters that stay on one line.
_SHORT: Final = 24
_MILLISECONDS: Final = {"ms": 1.0, "s": 1e3, "min": 6e4}


def rows_table(query: Query, rows: Sequence[Row]) -> Html:
    """One line a row; what a column means stands in its head."""
    head = [
        tag(
            "th",
            column.title + (f" ({unit(column.unit).suffix})" if column.unit == "share" else ""),
            class_=_class(column),
            scope="col",
        )
        for column in query.columns
    ]
    widths = {column.name: _width(column, rows) for column in query.columns}
    body = [
        tag(
            "tr",
            [
                tag("td", cell(column, row[column.name]), class_=widths[column.name])
                for column in query.columns
            ],
        )
        for row in rows
    ]
    whole = tag("table", tag("thead", tag("tr", head)), tag("tbody", body))
    return tag("div", whole, class_="scroll", tabindex=0, role="group", aria_label="Table")


def _class(column: Column) -> str | None:
    return None if column.unit in ("text", "time") else "number"


def _width(column: Column, rows: Sequence[Row]) -> str | None:
    """Names and times stay on one line, sentences get room for some words on each."""
    if column.unit != "text":
        return "short" if column.unit == "time" else _class(column)
    longest = max((len(str(row[column.name] or "")) for row in rows), default=0)
    return "short" if longest <= _SHORT else "long"


def cell(column: Column, value: Any) -> Child:
    """One value, as a person reads it."""
    if value is None or value == "":
        return "–" if column.unit != "text" else ""
    if column.unit == "text":
        return _text(column, str(value))
    if column.unit == "time":
        at = milliseconds(value)
        return clock(at if at else None, seconds=True)
    number = float(value)
    if number != number:
        return "–"
    if column.unit == "probability":
        return chance(number)
    if column.unit == "share":
        return f"{number * 100:.1f}"
    if column.unit in _MILLISECONDS:
        return duration(number * _MILLISECONDS[column.unit])
    digits = unit(column.unit).digits
    return f"{number:,.{digits}f}" if digits else count(number)


def _text(column: Column, value: str) -> Child:
    inside = tag("bdi", value)
    if column.name == "severity":
        return severity(value)
    if column.name == "incident":
        return tag("a", inside, href=incident_path(value))
    if column.link == "pulse-account":
        return tag("a", inside, href=account_path(value))
    if column.link == "pulse-clusters":
        return tag("a", inside, href="/cluster/" + quote(value, safe=""))
    return inside
