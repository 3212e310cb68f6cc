"""One picture or table on a board: a query, how it is drawn, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dashboards.model.query import Query
from dashboards.model.thresholds import Steps

__all__ = ["COLUMNS", "Kind", "Panel"]

#: time: lines over time; stat: one number with its trend; table: rows; bars: one bar a row;
#: strip: states over time, a lane for each.
Kind = Literal["time", "stat", "table", "bars", "strip"]
COLUMNS = 24  # of a board's grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. `about` is the text behind its question mark and begins its text alternative.

    It is the query's sentence unless a panel says something else about the same query.
    `band` names two columns of the query, low and high: the usual range. `series` names the column
    that tells the lines apart, when the answer has one.

    Raises:
        ValueError: no title or text, a width that does not fit, columns the query does not have.
    """

    title: str
    kind: Kind
    query: Query
    about: str = ""
    width: int = 12
    height: int = 8
    series: str = ""
    band: tuple[str, str] | None = None
    steps: Steps | None = None
    stacked: bool = False
    states: tuple[str, ...] = ("fine", "slow", "behind")  # of a strip: what 0, 1, 2 mean
    empty: str = "Nothing in this range."  # what would appear

    def __post_init__(self) -> None:
        object.__setattr__(self, "about", self.about or self.query.sentence)
        if not self.title.strip() or not self.about.strip():
            raise ValueError(f"panel {self.title!r} of {self.query.name}: needs title and about")
        if not 1 <= self.width <= COLUMNS:
            raise ValueError(f"panel {self.title}: width {self.width}, expected 1 to {COLUMNS}")
        if self.kind in ("time", "strip") and not self.query.time:
            raise ValueError(f"panel {self.title}: its query needs a first column `time`")
        for name in (*(self.band or ()), *([self.series] if self.series else ())):
            self.query.column(name)
