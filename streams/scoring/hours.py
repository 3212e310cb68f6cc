"""What a clock hour teaches the populations: the evidence of all, but not what an attack showed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import HOUR_MS
from detectors.hours import hour_of
from streams.scoring.activity import CHANNELS, STANDINGS
from streams.scoring.record import DETECTORS

if TYPE_CHECKING:
    from streams.scoring.engine import Scoring

__all__ = ["Hour", "Hours"]

_QUIET_H: Final = 24  # an account that alarmed teaches the populations nothing for so long


@dataclass(frozen=True, slots=True)
class Hour:
    """Account-hours: evidence and stratum (n, detectors; stratum -1 for no verdict)."""

    evidence: NDArray[np.float64]
    stratum: NDArray[np.int64]
    standing: NDArray[np.int64]
    cohorts: list[str]


@dataclass(slots=True)
class Hours:
    """The hour that is being collected; `learned` is the last one (since 1970) that was learned.

    An account's hour that alarmed counts as having just reached the threshold, and the day after it
    not at all: attacks must not become usual, and one honest surprise must not count for many.
    """

    learned: int = 0
    _parts: list[Hour] = field(default_factory=list)

    def collect(self, scoring: Scoring, score: Any, hour: Hour, now_ms: int) -> None:
        """Some of the accounts active in the hour; `score` is their record, changed in place."""
        number = hour_of(now_ms)
        alarmed = score["alarmed"] > 0
        before = score["alarmed_hour"].astype(np.int64)
        recent = (before > 0) & (number - before < _QUIET_H)
        score["alarmed_hour"] = np.where(alarmed & ~recent, number, before)
        evidence, stratum = np.nan_to_num(hour.evidence), hour.stratum.copy()
        for row in np.flatnonzero(alarmed & ~recent).tolist():
            standing = int(hour.standing[row])
            alpha = scoring.decider.thresholds(scoring.activity, standing).medium
            weights = scoring.decider.weight(CHANNELS[standing])
            for place, detector in enumerate(DETECTORS):
                if stratum[row, place] >= 0 and weights[place] > 0:
                    limit = scoring.populations.of(detector.NAME).limit(
                        alpha * weights[place], int(stratum[row, place])
                    )
                    evidence[row, place] = min(evidence[row, place], limit)
        stratum[recent] = -1
        self._parts.append(Hour(evidence, stratum, hour.standing, hour.cohorts))

    def end(self, scoring: Scoring, now_ms: int, known: int) -> None:
        """Learn the hour that ends at `now_ms`; `known`: how many accounts there are in all."""
        number = now_ms // HOUR_MS
        if self.learned:
            scoring.populations.pass_hours(number - self.learned)
        self.learned = number
        active = np.zeros(len(STANDINGS), np.int64)
        for part in self._parts:
            active += np.bincount(part.standing, minlength=len(STANDINGS))
        scoring.activity.learn(known, active)
        large = scoring.cohorts.large(
            Counter(name for part in self._parts for name in part.cohorts)
        )
        for part in self._parts:
            scoring.populations.learn(part.evidence, part.stratum, part.cohorts, large)
        self._parts = []
