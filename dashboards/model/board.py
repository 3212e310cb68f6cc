"""A board: rows of panels about one question, with the variables and links it needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from dashboards.model.macros import VARIABLES
from dashboards.model.panel import COLUMNS, Panel
from dashboards.model.query import Query

__all__ = ["Board", "Row", "Variable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the head of a board; `query` lists the values (one column), none: a text."""

    name: str
    title: str
    query: Query | None = None

    def __post_init__(self) -> None:
        if self.name not in VARIABLES:
            raise ValueError(f"variable {self.name}: expected one of {', '.join(VARIABLES)}")


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side under a heading; they fill lines of 24 columns from the left."""

    title: str
    panels: tuple[Panel, ...]

    def __post_init__(self) -> None:
        if not self.panels:
            raise ValueError(f"row {self.title}: has no panels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """`uid` is stable: links from alerts and other boards go by it.

    Raises:
        ValueError: panels ask for variables that the board has not, or it has some nobody asks for.
    """

    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    links: tuple[str, ...] = ()  # uids of boards that the range and variables are carried to
    span_s: int = 6 * 3600  # viewed at first
    refresh_s: int = 30
    tags: tuple[str, ...] = field(default=("usage-pulse",))

    def __post_init__(self) -> None:
        named = {one.name for one in self.variables}
        lists = [v.query for v in self.variables if v.query is not None]
        asked = {
            name
            for query in (*(panel.query for panel in self.panels), *lists)
            for name in query.variables
        }
        if asked - named:
            raise ValueError(f"board {self.uid}: panels ask for variables {sorted(asked - named)}")
        if named - asked:
            raise ValueError(f"board {self.uid}: nobody asks for variables {sorted(named - asked)}")

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, in reading order."""
        return tuple(panel for row in self.rows for panel in row.panels)

    def places(self) -> list[tuple[Panel, int, int]]:
        """Each panel with its left edge (columns) and its top edge (lines); headings take one."""
        found: list[tuple[Panel, int, int]] = []
        top = 0
        for row in self.rows:
            top += 1  # the heading
            left = height = 0
            for panel in row.panels:
                if left + panel.width > COLUMNS:
                    top, left, height = top + height, 0, 0
                found.append((panel, left, top))
                left, height = left + panel.width, max(height, panel.height)
            top += height
        return found
