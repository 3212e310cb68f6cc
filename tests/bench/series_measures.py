"""How good scores of a single series are: three measures that ask three different questions.

- Early detection after Lavin and Ahmad 2015 ("Evaluating Real-time Anomaly Detection Algorithms -
  the Numenta Anomaly Benchmark", standard profile): ONE threshold for all series; a window around
  each onset pays up to 1 for its first row above it, every row above it outside costs up to 0.11.
- Ranking inside one series: areas under the ROC and the precision-recall curve, by span.
- The top row: does the highest score of the series lie in a window?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.bench.series_kinds import Series

__all__ = ["Quality", "measure"]

Scores = NDArray[np.float64]
PROBATION = 0.15  # of the rows, 750 at most: not judged, as a detector may learn there
WINDOWS = 0.10  # of the rows, shared by the windows of a series
BEFORE = 0.1  # share of a window that lies before the onset
COST = 0.11  # of a row above the threshold outside the windows
THRESHOLDS = 600


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over all series; `early` is 0..100, 0 a detector that stays silent."""

    early: float
    roc: float
    pr: float
    top: float
    false_rows: float  # rows above the threshold outside windows, per 1,000 series rows
    by_kind: Mapping[str, float]  # early detection at the common threshold


def measure(series: Sequence[Series], scores: Sequence[Scores]) -> Quality:
    """Measures of `scores`, one array a series."""
    pooled = np.sort(np.concatenate([s[_probation(len(s)) :] for s in scores]))[::-1]
    places = np.unique(np.geomspace(1, len(pooled), THRESHOLDS).astype(int)) - 1
    levels = np.unique(pooled[places])[::-1]
    gains = np.array([_gains(one, s, levels) for one, s in zip(series, scores, strict=True)])
    count = sum(len(one.spans) for one in series)
    best = int(gains.sum(axis=0).argmax())
    kinds: dict[str, list[int]] = {}
    for place, one in enumerate(series):
        kinds.setdefault(one.kind, []).append(place)
    by_kind = {
        kind: float(gains[rows, best].mean() / max(len(series[rows[0]].spans), 1))
        for kind, rows in kinds.items()
    }
    level = levels[best]
    wrong = sum(
        float((~_inside(one, len(s)) & (s >= level))[_probation(len(s)) :].sum())
        for one, s in zip(series, scores, strict=True)
    )
    labelled = [(one, s) for one, s in zip(series, scores, strict=True) if one.spans]
    areas = np.array([_areas(one, s) for one, s in labelled])
    top = np.mean([_top_is_right(one, s) for one, s in labelled])
    return Quality(
        early=100.0 * float(gains[:, best].sum() + count) / (2.0 * count),
        roc=float(areas[:, 0].mean()),
        pr=float(areas[:, 1].mean()),
        top=float(top),
        false_rows=1000.0 * wrong / sum(len(s) for s in scores),
        by_kind=by_kind,
    )


def _probation(rows: int) -> int:
    return min(int(PROBATION * rows), 750)


def _windows(one: Series, rows: int) -> list[tuple[int, int]]:
    if not one.spans:
        return []
    width = int(WINDOWS * rows / len(one.spans))
    starts = [first - int(BEFORE * width) for first, _ in one.spans]
    return [(start, min(start + width, rows)) for start in starts]


def _inside(one: Series, rows: int) -> NDArray[np.bool_]:
    inside = np.zeros(rows, dtype=np.bool_)
    for first, end in _windows(one, rows):
        inside[first:end] = True
    return inside


def _sigmoid(place: Scores) -> Scores:
    return 2.0 / (1.0 + np.exp(5.0 * np.clip(place, -50.0, 50.0))) - 1.0


def _gains(one: Series, s: Scores, levels: Scores) -> Scores:
    """Gain of one series at each threshold (descending)."""
    rows = len(s)
    gains = np.zeros(len(levels))
    windows = _windows(one, rows)
    weight = np.full(rows, -COST)
    for first, end in windows:
        after = np.arange(end, rows)
        weight[end:] = COST * _sigmoid((after - end + 1) / (end - first))
    weight[: _probation(rows)] = 0.0
    weight[_inside(one, rows)] = 0.0
    order = np.argsort(-s, kind="stable")
    lost = np.concatenate([[0.0], np.cumsum(weight[order])])
    gains += lost[np.searchsorted(-s[order], -levels, side="right")]
    for first, end in windows:
        running = np.maximum.accumulate(s[first:end])
        hit = np.searchsorted(running, levels, side="left")  # first row that reaches the level
        found = hit < end - first
        gains += np.where(found, _sigmoid((hit - (end - first)) / (end - first)), -1.0)
    return gains


def _areas(one: Series, s: Scores) -> tuple[float, float]:
    """Area under ROC and average precision of the rows after the probation."""
    truth = np.zeros(len(s), dtype=np.bool_)
    for first, end in one.spans:
        truth[first:end] = True
    s, truth = s[_probation(len(s)) :], truth[_probation(len(s)) :]
    positive = int(truth.sum())
    values, place = np.unique(s, return_inverse=True)
    hits = np.bincount(place[truth], minlength=len(values))
    misses = np.bincount(place[~truth], minlength=len(values))
    below = np.cumsum(misses) - misses
    roc = float((hits * (below + 0.5 * misses)).sum() / (positive * (~truth).sum()))
    found, wrong = np.cumsum(hits[::-1]), np.cumsum(misses[::-1])
    pr = float((hits[::-1] * found / (found + wrong)).sum() / positive)
    return roc, pr


def _top_is_right(one: Series, s: Scores) -> bool:
    start = _probation(len(s))
    place = start + int(s[start:].argmax())
    return bool(_inside(one, len(s))[place])
