"""Macros and variables in the SQL of boards: Grafana expands them in its plugin, the console here.

A small part of what the ClickHouse plugin knows, chosen so that a panel and a rule can use the same
text (nothing that works in a browser only). Times are epoch milliseconds.

    $__timeFilter_ms(column)   column lies in the viewed range (column: DateTime64)
    $__timeFilter(column)      the same for DateTime
    $__timeInterval(column)    start of the step that column lies in
    $__interval_s              length of a step in seconds
    $__fromTime_ms $__toTime_ms $__fromTime $__toTime   the ends of the range
    ${name:sqlstring}          a variable of the board as a quoted string; '' means all
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streams.storage.base import literal

__all__ = ["VARIABLES", "Span", "check", "expand", "variables"]

#: Variables that boards have: what the viewer chose, empty for all.
VARIABLES: Final = ("org", "cohort", "account", "model", "cluster", "incident")

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
_CALL: Final = re.compile(r"\$__(timeFilter_ms|timeFilter|timeInterval)\(([\w.]+)\)")
_WORD: Final = re.compile(r"\$__(interval_s|fromTime_ms|toTime_ms|fromTime|toTime)\b")
_LEFT: Final = re.compile(r"\$\S{0,30}")


@dataclass(frozen=True, slots=True)
class Span:
    """What the viewer looks at: a range (epoch ms), its step, and the variables chosen."""

    start: int
    end: int
    step_s: int = 60
    variables: Mapping[str, str] = field(default_factory=dict)


def variables(sql: str) -> tuple[str, ...]:
    """Names of the variables in `sql`, in order of first use."""
    return tuple(dict.fromkeys(found[1] for found in _VARIABLE.finditer(sql)))


def check(name: str, sql: str) -> None:
    """Refuse what Grafana or the console would not understand.

    Raises:
        ValueError: an unknown macro or variable, or a variable that would enter SQL unquoted.
    """
    for found in _VARIABLE.finditer(sql):
        if found[1] not in VARIABLES:
            raise ValueError(f"query {name}: variable {found[1]!r}, expected one of {VARIABLES}")
        if found[2] != "sqlstring":
            raise ValueError(f"query {name}: write ${{{found[1]}:sqlstring}}, quoted by Grafana")
    left = _LEFT.search(_WORD.sub("", _CALL.sub("", _VARIABLE.sub("", sql))))
    if left is not None:
        raise ValueError(f"query {name}: macro {left[0]!r} is not known")


def expand(sql: str, span: Span) -> str:
    """Plain SQL for one view."""

    def call(found: re.Match[str]) -> str:
        column = found[2]
        if found[1] == "timeInterval":
            return f"toStartOfInterval(toDateTime({column}), INTERVAL {span.step_s} second)"
        low, high = _edges(span, ms=found[1] == "timeFilter_ms")
        return f"{column} >= {low} AND {column} <= {high}"

    def word(found: re.Match[str]) -> str:
        if found[1] == "interval_s":
            return str(span.step_s)
        low, high = _edges(span, ms=found[1].endswith("_ms"))
        return low if found[1].startswith("from") else high

    def variable(found: re.Match[str]) -> str:
        return literal(span.variables.get(found[1], ""))

    # Variables last: what a viewer typed must not be read as a macro.
    return _VARIABLE.sub(variable, _WORD.sub(word, _CALL.sub(call, sql)))


def _edges(span: Span, *, ms: bool) -> tuple[str, str]:
    if ms:
        return (
            f"fromUnixTimestamp64Milli({span.start})",
            f"fromUnixTimestamp64Milli({span.end})",
        )
    return f"toDateTime({span.start // 1000})", f"toDateTime({span.end // 1000})"
