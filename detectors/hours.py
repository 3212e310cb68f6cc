"""Clock hours, the units in which the stride detectors learn and forget.

The hour from 10 to 11 ends at 11:00:00, which still belongs to it: `observe` learns it then.
"""

from __future__ import annotations

import numpy as np

from detectors.base import HOUR_MS, IntArray, State

__all__ = ["hour_of", "hours_since"]


def hour_of(now_ms: int) -> int:
    """The clock hour that `now_ms` lies in, or ends; counted from 1970.

    >>> hour_of(7_200_000), hour_of(7_200_001)
    (1, 2)
    """
    return (now_ms - 1) // HOUR_MS


def hours_since(learned: State, now_ms: int) -> IntArray:
    """Hours (n,) from those learned last to the running one; 0 where that is learned, or none is.

    >>> hours_since(np.array([0, 5, 7], np.uint32), 7 * 3_600_000)
    array([0, 1, 0])
    """
    passed = hour_of(now_ms) - learned.astype(np.int64)
    hours: IntArray = np.where(learned > 0, np.maximum(passed, 0), 0)
    return hours
