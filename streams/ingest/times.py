"""Which event times are believed: live by the broker's clock, in a replay by the data's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.events.decode import Messages
from streams.events.letters import DeadLetter
from streams.events.lines import lines_of
from streams.features.watermark import NEVER

__all__ = ["TimeRules", "millis"]

#: Epoch seconds up to the year 2100, taken for milliseconds, end here: on 1970-02-17.
_SECONDS_AS_MILLIS: Final = 4_102_444_800


@dataclass(frozen=True, slots=True)
class TimeRules:
    """Limits in ms; a replay keeps only those that every time must meet."""

    replay: bool
    max_ahead_ms: int
    retention_ms: int

    def refuse(
        self,
        events: pa.Table,
        offsets: NDArray[np.uint64],
        lines: NDArray[np.uint32],
        broker: NDArray[np.int64],
        messages: Messages,
    ) -> tuple[NDArray[np.bool_], list[DeadLetter]]:
        """(n,) which events have an impossible time, and a dead letter for each."""
        ts = millis(events)
        if self.replay:
            early, ahead = ts < _SECONDS_AS_MILLIS, ts >= NEVER
        else:
            early, ahead = ts < broker - self.retention_ms, ts > broker + self.max_ahead_ms
        created = np.asarray(
            events.column("account_created_at").cast(pa.int64()).to_numpy(), np.int64
        )
        unborn = (created < 0) | (created >= NEVER)
        refused = early | ahead | unborn
        letters = []
        by_offset = (
            {offset: place for place, offset in enumerate(messages.offsets)}
            if refused.any()
            else {}
        )
        for row in np.flatnonzero(refused).tolist():
            place = by_offset[int(offsets[row])]
            content = dict(lines_of(messages.values[place] or b""))[int(lines[row])]
            if unborn[row]:
                reason = "out_of_range"
                sentence = "field `account_created_at`: expected a time from 1970 to 2199"
                sentence += f", got {created[row]}"
            else:
                reason = "ts_too_old" if early[row] else "ts_ahead"
                sentence = self._sentence(int(ts[row]), int(broker[row]), early=bool(early[row]))
            letters.append(
                DeadLetter(
                    int(offsets[row]), int(lines[row]), reason, sentence, content, int(broker[row])
                )
            )
        return refused, letters

    def believed(self, heartbeat: int, broker: int) -> int:
        """A heartbeat's time (epoch ms); live, no further ahead of the broker's than an event."""
        return heartbeat if self.replay else min(heartbeat, broker + self.max_ahead_ms)

    def _sentence(self, ts: int, broker: int, *, early: bool) -> str:
        if early and 0 < ts < _SECONDS_AS_MILLIS:
            return f"field `ts`: expected epoch milliseconds, got {ts} (seconds?)"
        if self.replay:
            return f"field `ts`: expected a time from 1970-02-17 to 2199, got {ts}"
        if early:
            days = self.retention_ms // 86_400_000
            return (
                f"field `ts`: expected at most {days} days before {_text(broker)}, got {_text(ts)}"
            )
        ahead = self.max_ahead_ms // 1000
        return f"field `ts`: expected at most {ahead} s after {_text(broker)}, got {_text(ts)}"


def _text(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(ms)


def millis(events: pa.Table) -> NDArray[np.int64]:
    """(n,) event time in epoch ms."""
    return np.asarray(events.column("ts").cast(pa.int64()).to_numpy(), np.int64)
