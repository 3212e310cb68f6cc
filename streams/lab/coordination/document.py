"""The evaluation of coordination as one document that JSON can hold, with every figure of a run.

Made by `run`, read by the report, the pictures and the detector card.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from streams.errors import BadInput
from streams.lab.resample import Figure

__all__ = ["ALL", "METHODS", "PULSE", "Document", "Measure", "Row", "Target", "dumped", "read"]

FORMAT: Final = 1
PULSE: Final = "pulse"
#: Titles of the methods, ours first; "tuned" settings are the best in hindsight, by scenario.
METHODS: Final = {
    PULSE: "Usage Pulse",
    "co-sharing tuned": "co-sharing, tuned",
    "co-sharing": "co-sharing, 60 s twice",
    "similarity tuned": "TF-IDF, tuned",
    "similarity": "TF-IDF, as published",
}
ALL: Final = "all"

Measure = Literal[
    "pr_auc",  # of the scores of accounts
    "precision",  # of the accounts named
    "recall",
    "ranked",  # precision of the scores where their recall is 0.9
    "ever",  # precision of the accounts named at any tick
    "purity",  # of a cluster with campaign members, the share of one campaign
    "found",  # campaigns with at least half of their members in clusters, share
    "delay_h",  # median hours from the first coordinated action to the tick that names a member
    "false_clusters",  # with accounts of a hard negative, or on null traffic, a run
    "named",  # share of the accounts of a hard negative that are named
]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: of a method, on a background, for a scenario at a strength or all of them."""

    measure: Measure
    method: str
    background: str
    scenario: str
    strength: str
    figure: Figure
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What was to be reached, and whether it was."""

    name: str
    wanted: str
    figure: Figure
    reached: bool


@dataclass(slots=True)
class Document:
    """Facts of the run and its figures. backgrounds, scenarios: name -> title."""

    seed: int
    accounts: int
    actions: int
    campaigns: int
    backgrounds: dict[str, str]
    scenarios: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def find(self, measure: Measure, **fields: str) -> list[Row]:
        """Rows of one measure whose fields are these."""
        return [
            row
            for row in self.rows
            if row.measure == measure and all(getattr(row, k) == v for k, v in fields.items())
        ]

    def row(self, measure: Measure, method: str, background: str, scenario: str) -> Row | None:
        """The row over all strengths."""
        found = self.find(
            measure, method=method, background=background, scenario=scenario, strength=ALL
        )
        return found[0] if found else None

    def figure(self, measure: Measure, method: str, background: str, scenario: str) -> Figure:
        """Its figure; nothing measured when there is no such row."""
        row = self.row(measure, method, background, scenario)
        return row.figure if row else Figure(math.nan, math.nan, math.nan, 0)


def dumped(document: Document, digits: int | None = None) -> str:
    """As JSON, one row a line; figures rounded to so many significant digits, if given."""
    plain = asdict(document)
    rows, targets = plain.pop("rows"), plain.pop("targets")
    head = json.dumps({"format": FORMAT, **plain}, ensure_ascii=False, indent=1)[:-2]
    parts = [head]
    for name, items in (("targets", targets), ("rows", rows)):
        lines = ",\n  ".join(json.dumps(_flat(i, digits), ensure_ascii=False) for i in items)
        parts.append(f' "{name}": [\n  {lines}\n ]')
    return ",\n".join(parts) + "\n}\n"


def read(path: Path) -> Document:
    """A document from its JSON.

    Raises:
        BadInput: it is none, or of another format.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain.pop("format") != FORMAT:
            raise BadInput(str(path), "format", f"expected {FORMAT}")
        rows = [Row(figure=_figure(item), **item) for item in plain.pop("rows")]
        targets = [Target(figure=_figure(item), **item) for item in plain.pop("targets")]
        return Document(**plain, rows=rows, targets=targets)
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(str(path), "", f"not an evaluation of coordination: {error}") from None


def _figure(item: dict[str, Any]) -> Figure:
    """Takes the figure out of a flat item."""
    value, low, high = (
        math.nan if (number := item.pop(name)) is None else float(number)
        for name in ("value", "low", "high")
    )
    return Figure(value, low, high, int(item.pop("n")))


def _flat(item: Mapping[str, Any], digits: int | None) -> dict[str, Any]:
    figure = {name: _rounded(value, digits) for name, value in item["figure"].items()}
    return {**{name: value for name, value in item.items() if name != "figure"}, **figure}


def _rounded(value: float, digits: int | None) -> float | int | None:
    if isinstance(value, int):
        return value
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")
