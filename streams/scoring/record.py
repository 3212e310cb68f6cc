"""What scoring keeps of an account within the running clock hour: part of the account's record."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from detectors.base import Detector, all_detectors
from detectors.hours import hour_of

__all__ = ["DETECTORS", "SCORE", "STRIDE_DETECTORS", "TICK_DETECTORS", "begin_hour"]

#: Every detector, by name; the place of one in this tuple is its column.
DETECTORS: Final[tuple[Detector, ...]] = tuple(all_detectors())
TICK_DETECTORS: Final = tuple(d for d in DETECTORS if d.CADENCE == "tick")
STRIDE_DETECTORS: Final = tuple(d for d in DETECTORS if d.CADENCE == "stride")

SCORE: Final = np.dtype(
    [
        ("evidence", "<f4", (len(DETECTORS),)),  # largest of the hour; NaN: no verdict yet
        ("hour", "<u4"),  # the clock hour (since 1970) it belongs to
        ("alarmed_hour", "<u4"),  # the first hour that alarmed within a day
        ("stratum", "u1", (len(DETECTORS),)),
        ("kind", "u1", (len(DETECTORS),)),
        ("alarmed", "u1"),  # 1: this hour alarmed
        ("held", "u1"),  # 1: a finding of this hour was held back and stored
    ],
    align=True,
)


def begin_hour(score: Any, now_ms: int) -> None:
    """Empty the rows of `score`, in place, that belong to an earlier hour."""
    hour = hour_of(now_ms)
    old = np.flatnonzero(score["hour"] != hour)
    if len(old):
        score["hour"][old] = hour
        score["evidence"][old] = np.nan
        for name in ("stratum", "kind", "alarmed", "held"):
            score[name][old] = 0
