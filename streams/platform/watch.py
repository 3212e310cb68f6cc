"""The fleet as one series a metric: finds what no single account shows, an outage or a flood.

Called when every partition is scored up to a boundary B, a multiple of five minutes:

    watch = PlatformWatch(store, Parameters(), policy_version)
    findings = watch.at(boundary_ms)            # of the window that ends at B

What it finds is a function of the stored rows and of B alone: a series begins at the midnight
`history_days` before the day of B, or with the first request after it, whatever the watch saw
before, and a detector fed window by window scores as one fed all at once. So a new watch finds the
same, under the same identities; the state kept between calls only saves reading and scoring the
same windows again.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.base import FloatArray
from detectors.series import SeriesDetector
from streams.alerting.findings import Finding
from streams.platform.parameters import Parameters
from streams.platform.rate import rarity
from streams.platform.telling import Verdict, finding, usual
from streams.platform.totals import STEP_MS, Metric, Totals, busiest_models, read_totals
from streams.storage.base import Store

__all__ = ["PlatformWatch"]

_DAY_MS: Final = 86_400_000
_HALVINGS: Final = 30  # of the interval in which the threshold lies


@dataclass(slots=True)
class _Line:
    """One metric: its numbers since `start` (epoch s), their scores, the detector after them."""

    start: float

    numbers: FloatArray = field(default_factory=lambda: np.empty(0))
    scores: FloatArray = field(default_factory=lambda: np.empty(0))
    detector: SeriesDetector = field(default_factory=SeriesDetector)

    def times(self, count: int) -> FloatArray:
        """Of the first `count` windows."""
        return np.asarray(self.start + np.arange(count) * (STEP_MS / 1000), dtype=np.float64)


class PlatformWatch:
    """Judges the fleet at each boundary; not for several threads at once."""

    def __init__(self, store: Store, parameters: Parameters, policy_version: str) -> None:
        self._store = store
        self._parameters = parameters
        self._version = policy_version
        self._start = 0
        self._end = 0
        self._lines: dict[Metric, _Line] = {}
        self._models: list[str] = []

    def at(self, boundary_ms: int) -> list[Finding]:
        """What stands out in the five minutes before `boundary_ms` (epoch ms).

        The first call of a day reads all of the history, the others what is new.

        Raises:
            ValueError: the boundary is no multiple of five minutes.
            StoreError: the store could not be read; the call may be repeated.
        """
        if boundary_ms % STEP_MS:
            raise ValueError(f"platform: expected a multiple of {STEP_MS} ms, got {boundary_ms}")
        today = (boundary_ms - 1) // _DAY_MS * _DAY_MS
        start = today - self._parameters.history_days * _DAY_MS
        if start != self._start or boundary_ms <= self._end:
            models = busiest_models(self._store, start, today, self._parameters.models)
            self._models = models
            self._start, self._end, self._lines = start, start, {}
        totals = read_totals(self._store, self._end, boundary_ms, self._models)
        self._learn(totals)
        verdicts = [self._judge(metric, boundary_ms) for metric in self._lines]
        return [finding(verdict, self._version) for verdict in verdicts if verdict]

    def _learn(self, totals: Totals) -> None:
        self._end = totals.end
        skip = 0
        if not self._lines:  # nothing was sent so far, which is no series of zeros
            active = np.flatnonzero(totals.numbers[Metric("requests")])
            if not active.size:
                return
            skip = int(active[0])
        for metric, read in totals.numbers.items():
            begun = totals.start / 1000 + skip * STEP_MS / 1000
            line = self._lines.setdefault(metric, _Line(begun))
            numbers = np.concatenate([line.numbers, read[skip:]])
            fresh = slice(len(line.numbers), len(numbers))
            scores = line.detector.update(line.times(len(numbers))[fresh], numbers[fresh])
            line.numbers, line.scores = numbers, np.concatenate([line.scores, scores])

    def _judge(self, metric: Metric, end: int) -> Verdict | None:
        """None while it warms up, and when the last number is nothing to wake a person for."""
        p, line = self._parameters, self._lines[metric]
        if len(line.scores) <= p.verdict_windows:
            return None
        past = line.scores[p.settle_windows : -1]
        score = float(line.scores[-1])
        p_value = rarity(past, score)
        observed = float(line.numbers[-1])
        low, middle, high = usual(line.numbers)
        least = p.least_share if metric.is_share else p.least
        small = max(observed, middle) < least or abs(observed - middle) < p.far * middle
        if p_value > p.p_value or small or low <= observed <= high:
            return None
        threshold = self._threshold(line, past, middle)
        return Verdict(metric, end, observed, low, middle, high, threshold, p_value, score)

    def _threshold(self, line: _Line, past: FloatArray, middle: float) -> float:
        """The number nearest to the usual, on the side of the observed one, that alarms.

        By bisection on the detector itself, as it was before the window.
        """
        *_, time = times = line.times(len(line.numbers))
        before = SeriesDetector()
        before.update(times[:-1], line.numbers[:-1])
        silent, loud = middle, float(line.numbers[-1])
        for _ in range(_HALVINGS):
            tried = (silent + loud) / 2.0
            score = float(copy.deepcopy(before).update([time], [tried])[0])
            if rarity(past, score) <= self._parameters.p_value:
                loud = tried
            else:
                silent = tried
        return loud
