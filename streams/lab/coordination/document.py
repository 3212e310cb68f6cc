"""The evaluation of coordination as one document that JSON can hold, with every figure of a run.

Made by `run`, kept by `streams.lab.figures`, read by the report, the pictures and the card.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from streams.lab.figures import Target, loaded
from streams.lab.resample import Figure

__all__ = ["ALL", "METHODS", "PULSE", "Document", "Measure", "Row", "read"]

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


def read(path: Path) -> Document:
    """A document from its JSON.

    Raises:
        BadInput: it is none, or of another format.
    """
    return loaded(path, "an evaluation of coordination", Row, lambda facts: Document(**facts))
