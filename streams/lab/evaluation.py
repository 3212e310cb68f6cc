"""The evaluation: every figure of a run of the lab, as one document that JSON can hold.

Made by `measure`, kept by `figures`, read by the report, the pictures and the detector cards.
Figures carry their 95 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from streams.lab.figures import Target, loaded
from streams.lab.resample import Figure

__all__ = ["ALL", "Evaluation", "Method", "Row", "read"]

#: Strength of a row over all strengths and lengths of a scenario; scenario of one over all attacks.
ALL: Final = "all"

Family = Literal["system", "detector", "baseline"]
Measure = Literal[
    "recall",  # of attacks, at the carried threshold
    "recall_at_par",  # at the threshold that keeps the budget on the half itself
    "second_recall",  # of identical second attacks
    "delay_min",  # median minutes from the start of an attack to its alarm
    "false_alarms",  # account-hours per 1,000 account-days
    "false_episodes",  # episodes per 1,000 account-days
    "precision",
    "p_observed",  # share of honest account-hours at or below the nominal p-value `budget`
    "negative_share",  # of the accounts with a hard negative, those that alarm in its time
    "negative_alarms",  # account-hours per 1,000 account-days of a hard negative
    "negative_episodes",
    "silent_after_h",  # median hours until a level shift alarms no more
    "pages",  # alerts of the fold per 1,000 account-days
]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to judge: the system, one of its detectors alone, or a baseline."""

    name: str
    title: str
    family: Family


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `budget` in false alarms per 1,000 account-days, or a nominal p-value."""

    measure: Measure
    method: str
    scenario: str
    strength: str
    length: int  # minutes, 0 for all
    budget: float
    figure: Figure


@dataclass(slots=True)
class Evaluation:
    """Facts of the run and its figures."""

    source: str
    seed: int
    days: int
    accounts: int
    clients: int
    attacks: int
    negatives: int
    account_days: float
    policy_version: str
    methods: list[Method]
    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def find(self, measure: Measure, **fields: Any) -> Iterator[Row]:
        """Rows of one measure whose fields are these."""
        for row in self.rows:
            if row.measure == measure and all(getattr(row, k) == v for k, v in fields.items()):
                yield row

    def figure(
        self,
        measure: Measure,
        method: str,
        budget: float,
        scenario: str = ALL,
        strength: str = ALL,
        length: int = 0,
    ) -> Figure:
        """One figure; nothing measured when there is no such row."""
        wanted = {"method": method, "budget": budget, "scenario": scenario}
        rows = self.find(measure, **wanted, strength=strength, length=length)
        row = next(rows, None)
        return row.figure if row else Figure(math.nan, math.nan, math.nan, 0)

    def title(self, method: str) -> str:
        """For people."""
        return next((m.title for m in self.methods if m.name == method), method)

    def family(self, family: Family) -> list[Method]:
        """Methods of one family, in order."""
        return [method for method in self.methods if method.family == family]


def read(path: Path) -> Evaluation:
    """An evaluation from its JSON.

    Raises:
        BadInput: it is none, or of another format.
    """
    return loaded(path, "an evaluation of the lab", Row, _whole)


def _whole(document: dict[str, Any]) -> Evaluation:
    methods = [Method(**item) for item in document.pop("methods")]
    return Evaluation(**document, methods=methods)
