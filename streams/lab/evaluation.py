"""The evaluation: every figure of a run of the lab, as one document that JSON can hold.

Made by `measure`, read by the report, the pictures and the detector cards. Figures carry their 95 %
interval; NaN (nothing measured) is null in JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from streams.errors import BadInput
from streams.lab.resample import Figure

__all__ = ["ALL", "Evaluation", "Method", "Row", "Target", "dumped", "read"]

FORMAT: Final = 1
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


@dataclass(frozen=True, slots=True)
class Target:
    """What was to be reached, and whether it was."""

    name: str
    wanted: str
    figure: Figure
    reached: bool


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


def dumped(evaluation: Evaluation, digits: int | None = None) -> str:
    """As JSON, one row a line; figures rounded to so many significant digits, if given."""
    document = asdict(evaluation)
    rows, targets = document.pop("rows"), document.pop("targets")
    head = json.dumps({"format": FORMAT, **document}, ensure_ascii=False, indent=1)[:-2]
    parts = [head]
    for name, items in (("targets", targets), ("rows", rows)):
        lines = ",\n  ".join(json.dumps(_flat(i, digits), ensure_ascii=False) for i in items)
        parts.append(f' "{name}": [\n  {lines}\n ]')
    return ",\n".join(parts) + "\n}\n"


def read(path: Path) -> Evaluation:
    """An evaluation from its JSON.

    Raises:
        BadInput: it is none, or of another format.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("format") != FORMAT:
            raise BadInput(str(path), "format", f"expected {FORMAT}")
        rows = [_row(item) for item in document.pop("rows")]
        targets = [_target(item) for item in document.pop("targets")]
        methods = [Method(**item) for item in document.pop("methods")]
        return Evaluation(**document, methods=methods, rows=rows, targets=targets)
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(str(path), "", f"not an evaluation of the lab: {error}") from None


def _row(item: dict[str, Any]) -> Row:
    figure = _figure(item)
    return Row(**item, figure=figure)


def _target(item: dict[str, Any]) -> Target:
    figure = _figure(item)
    return Target(**item, figure=figure)


def _figure(item: dict[str, Any]) -> Figure:
    """Takes the figure out of a flat item."""
    value, low, high = (_number(item.pop(name)) for name in ("value", "low", "high"))
    return Figure(value, low, high, int(item.pop("n")))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _flat(item: Mapping[str, Any], digits: int | None) -> dict[str, Any]:
    figure = {name: _rounded(value, digits) for name, value in item["figure"].items()}
    rest = {name: value for name, value in item.items() if name != "figure"}
    return {**rest, **figure}


def _rounded(value: float, digits: int | None) -> float | int | None:
    if isinstance(value, int):
        return value
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")
