"""A named question to the store, with what its columns mean: the first thing a panel is made of.

The SQL is ClickHouse's, with the macros and variables of `dashboards.model.macros`; the same text
goes to Grafana, to the console and into the runbook.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.model import macros
from dashboards.model.units import unit

__all__ = ["Column", "Query"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an answer; `about` is a few words for a table's head or a legend."""

    name: str
    unit: str
    about: str = ""
    link: str = ""  # uid of the board that a value leads to

    def __post_init__(self) -> None:
        unit(self.unit)

    @property
    def title(self) -> str:
        """For people."""
        return self.about or self.name.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One SELECT; `columns` are all it returns, in order.

    Raises:
        ValueError: a macro or variable that is not known, or no sentence.
    """

    name: str
    sql: str
    columns: tuple[Column, ...]
    sentence: str  # what a person reads from it

    def __post_init__(self) -> None:
        if not self.sentence.strip():
            raise ValueError(f"query {self.name}: say in a sentence what a person reads from it")
        macros.check(self.name, self.sql)

    @property
    def time(self) -> str:
        """Name of the column with the time of a series; empty for a table."""
        first = self.columns[0]
        return first.name if first.unit == "time" and first.name == "time" else ""

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the board's variables that the SQL asks for."""
        return macros.variables(self.sql)

    def column(self, name: str) -> Column:
        """The column called `name`; a KeyError when it has none."""
        for one in self.columns:
            if one.name == name:
                return one
        raise KeyError(f"query {self.name} has no column {name}")
