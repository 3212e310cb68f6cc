"""Event time of one partition: the watermark, and the tick from which each row counts.

Between ingest and the fold. The watermark is the largest event time (or heartbeat) less the
allowed lateness; a tick closes when the watermark reaches its end. A row counts at the tick of its
own time or, when that is closed, at the next one to close; very late rows never count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["IN_TIME", "LATE", "NEVER", "TOO_LATE", "Counted", "Watermark"]

#: The tick of rows that came too late for any: 2200-01-01 in epoch ms.
NEVER: Final = 7_258_118_400_000
IN_TIME, LATE, TOO_LATE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Counted:
    """(n,) end of the first tick that counts each row (epoch ms), and how late it came."""

    tick: NDArray[np.int64]
    late: NDArray[np.uint8]


@dataclass(slots=True)
class Watermark:
    """`value` is the watermark in epoch ms; all settings in ms."""

    tick_ms: int
    lateness_ms: int
    late_limit_ms: int
    value: int = 0

    def take(self, ts: NDArray[np.int64], heartbeats: Sequence[tuple[int, int]]) -> Counted:
        """Rows in order of arrival, with heartbeats `(row, ms)` that stand before `row`."""
        before = self._before_each(ts, heartbeats)
        closed = before // self.tick_ms * self.tick_ms
        tick = (np.maximum(ts, closed) // self.tick_ms + 1) * self.tick_ms
        late = (ts < closed).astype(np.uint8)
        too_late = ts < before - self.late_limit_ms
        late[too_late] = TOO_LATE
        tick[too_late] = NEVER
        return Counted(tick, late)

    def _before_each(
        self, ts: NDArray[np.int64], heartbeats: Sequence[tuple[int, int]]
    ) -> NDArray[np.int64]:
        """The watermark as it stood when each row arrived; moves `value` past all of them."""
        places = np.array([row for row, _ in heartbeats], np.int64)
        moments = np.insert(ts, places, np.array([ms for _, ms in heartbeats], np.int64))
        marks = np.maximum.accumulate(np.concatenate(([self.value], moments - self.lateness_ms)))
        self.value = int(marks[-1])
        is_row = np.insert(np.ones(len(ts), bool), places, False)
        before: NDArray[np.int64] = marks[:-1][is_row]
        return before
