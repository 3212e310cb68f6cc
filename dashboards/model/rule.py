"""An alert rule: a query that returns one row for each thing to alert about, and a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dashboards.model.query import Query

__all__ = ["Rule", "Severity"]

Severity = Literal["high", "medium", "low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Fires for every row whose `value` is at least (or, `below`, under) the threshold.

    The query has a column `value`, all others are labels; it uses no variables of boards. Texts may
    name labels as {{ $labels.name }}.

    Raises:
        ValueError: the query asks for variables or has no `value`; texts are missing.
    """

    uid: str
    title: str
    query: Query
    threshold: float
    below: bool = False
    for_s: int = 0
    span_s: int = 600  # the range the query looks at
    severity: Severity
    summary: str
    description: str
    runbook: str  # section of the runbook
    board: str  # uid of the board that shows it
    no_data: Literal["ok", "alerting"] = "ok"

    def __post_init__(self) -> None:
        if self.query.variables:
            raise ValueError(f"rule {self.uid}: a rule has no variables, {self.query.variables}")
        self.query.column("value")
        for name in ("title", "summary", "description", "runbook"):
            if not getattr(self, name).strip():
                raise ValueError(f"rule {self.uid}: needs a {name}")

    def fires(self, value: float) -> bool:
        """What Grafana decides on one row."""
        return value < self.threshold if self.below else value >= self.threshold

    @property
    def labels(self) -> tuple[str, ...]:
        """Columns that become labels."""
        return tuple(one.name for one in self.query.columns if one.name not in ("value", "time"))
