"""Five-minute totals of the whole fleet from the store: the input of `streams.platform.watch`.

An event counts when its tick is not after the end of its window, as in the windows of an account:
what came later changes nothing, so a total read again next week is the total judged today. That is
why `events` is read and not the roll-up, which also holds what came late; each window once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.base import FloatArray
from streams.events.schema import MODERATION_CATEGORIES
from streams.storage.base import Store, expand

__all__ = ["STEP_MS", "TOTALS", "Metric", "Totals", "busiest_models", "read_totals"]

STEP_MS: Final = 300_000
_STEP: Final = "toUnixTimestamp(toStartOfInterval(ts, INTERVAL 300 SECOND, 'UTC'))"
_WINDOWS: Final = (
    "FROM events WHERE ts >= fromUnixTimestamp64Milli({start}, 'UTC') "
    "AND ts < fromUnixTimestamp64Milli({end}, 'UTC') "
    f"AND toUnixTimestamp64Milli(tick) <= ({_STEP} + 300) * 1000"
)
_ONE_WINDOW: Final = (
    "FROM events WHERE ts >= fromUnixTimestamp64Milli({start}, 'UTC') "
    "AND ts < fromUnixTimestamp64Milli({end}, 'UTC') "
    "AND tick <= fromUnixTimestamp64Milli({end}, 'UTC')"
)
#: Name of a total -> ClickHouse's aggregate over `events` that returns it.
TOTALS: Final = {
    "requests": "toFloat64(count())",
    "tokens": "toFloat64(sum(toUInt64(prompt_tokens) + completion_tokens))",
    "errors": "toFloat64(countIf(status >= 400 AND status != 429))",
    "throttled": "toFloat64(countIf(status = 429))",
}
_MODEL: Final = "requests by model"
_CATEGORY: Final = "mean moderation score"
_SCORES: Final = "sum(toFloat64(moderation[{of}]))"


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """What is counted: one of TOTALS, or the requests of one model, or one moderation category."""

    name: str
    of: str = ""

    @property
    def label(self) -> str:
        """As in the column `metric` of a finding."""
        return f"{self.name}: {self.of}" if self.of else self.name

    @property
    def is_share(self) -> bool:
        """A mean of scores in 0..1, not a count."""
        return self.name == _CATEGORY

    def sql(self, start: int, end: int) -> str:
        """Returns the number of the window [start, end) (epoch ms) as `observed`."""
        query = expand(_ONE_WINDOW, {"start": start, "end": end})
        if self.is_share:
            scores = expand(_SCORES, {"of": self.of})
            total = f"if(count() = 0, 0., {scores} / count())"
        else:
            total = TOTALS.get(self.name, TOTALS["requests"])
        if self.name == _MODEL:
            query += expand(" AND model = {of}", {"of": self.of})
        return f"SELECT {total} AS observed {query}"


@dataclass(frozen=True, slots=True)
class Totals:
    """Consecutive windows of [start, end) (epoch ms); each metric has one number a window."""

    start: int
    end: int
    numbers: dict[Metric, FloatArray]


def busiest_models(store: Store, start: int, end: int, most: int) -> list[str]:
    """The models with the most requests in [start, end), at most `most`."""
    query = (
        f"SELECT toString(model) AS of {_WINDOWS} AND model != '' "
        "GROUP BY of ORDER BY count() DESC, of LIMIT {most}"
    )
    found = store.query(query, {"start": start, "end": end, "most": most})
    return [str(name) for name in found["of"].to_pylist()]


def read_totals(store: Store, start: int, end: int, models: Sequence[str]) -> Totals:
    """All windows of [start, end), both multiples of STEP_MS; a window without events is 0."""
    count = (end - start) // STEP_MS
    limits = {"start": start, "end": end}
    totals = {Metric(name): total for name, total in TOTALS.items()}
    for category in MODERATION_CATEGORIES:
        totals[Metric(_CATEGORY, category)] = expand(_SCORES, {"of": category})
    watched = [*totals, *(Metric(_MODEL, model) for model in models)]
    numbers = {metric: np.zeros(count) for metric in watched}

    columns = ", ".join(f"{total} AS n{place}" for place, total in enumerate(totals.values()))
    rows = store.query(f"SELECT {_STEP} AS at, {columns} {_WINDOWS} GROUP BY at", limits)
    places = (rows["at"].to_numpy().astype(np.int64) * 1000 - start) // STEP_MS
    for place, metric in enumerate(totals):
        numbers[metric][places] = rows[f"n{place}"].to_numpy()
    requests = np.maximum(numbers[Metric("requests")], 1.0)
    for metric in watched:
        if metric.is_share:
            numbers[metric] /= requests
    if models:
        query = (
            f"SELECT {_STEP} AS at, toString(model) AS of, toFloat64(count()) AS number {_WINDOWS} "
            "AND model IN {models} GROUP BY at, of"
        )
        for row in store.query(query, limits | {"models": list(models)}).to_pylist():
            numbers[Metric(_MODEL, row["of"])][(row["at"] * 1000 - start) // STEP_MS] = row[
                "number"
            ]
    return Totals(start, end, numbers)
