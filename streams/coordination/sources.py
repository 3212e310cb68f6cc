"""How far each partition of usage.events has come, and whether a slot may be closed without one.

Asked by a signals partition. Without clock: `now` is seconds of a monotonic clock, an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from streams.coordination.signals import SLOT_MS
from streams.coordination.stored import Heard

__all__ = ["Sources"]

#: A partition that nothing was ever heard of is waited for this long: perhaps it has no traffic.
_ABSENT_S: Final = 10.0
#: One that stopped (its worker is gone, or no heartbeats are sent) is waited for this long.
_STOPPED_S: Final = 300.0
_HELD_S: Final = 3.0
_SILENT_S: Final = 10.0


class Sources:
    """Next offset and watermark of every source.

    Live, a source that does not move is left behind in the end; what it brings later counts in
    later slots. In a replay every source is waited for: results must not depend on the clock.
    """

    def __init__(self, expected: int, replay: bool, now: float) -> None:
        self._expected = expected
        self._replay = replay
        self._known: dict[int, Heard] = {}
        self._moved_at: dict[int, float] = {}
        self._began = self._news_at = self._asked_at = now
        self._held_since: float | None = None

    def heard(self, news: Mapping[int, Heard], now: float) -> None:
        """Take in what is newer."""
        if news and not self._known:
            self._began = now
        for source, came in news.items():
            known = self._known.get(source, Heard(0, 0, 0))
            if came.watermark > known.watermark or source not in self._known:
                self._moved_at[source] = now
            if came.next_offset >= known.next_offset:
                mark = max(came.watermark, known.watermark)
                self._known[source] = replace(came, watermark=mark)
        self._news_at = now

    def next_offset(self, source: int) -> int:
        """First offset of a source that is not in yet."""
        return self._known[source].next_offset if source in self._known else 0

    def next_offsets(self) -> dict[int, int]:
        """The same for all that were heard of."""
        return {source: known.next_offset for source, known in sorted(self._known.items())}

    def foremost(self) -> int:
        """The largest watermark (epoch ms)."""
        return max((known.watermark for known in self._known.values()), default=0)

    def passed(self, now: float) -> int:
        """The watermark that every source has reached (epoch ms); 0: one is still waited for."""
        marks = []
        for source in range(max([self._expected, *(number + 1 for number in self._known)])):
            known = self._known.get(source)
            if known is None:
                if self._replay or now - self._began < _ABSENT_S:
                    return 0
            elif self._replay or now - self._moved_at[source] < _STOPPED_S:
                marks.append(known.watermark)
        return min(marks, default=0)

    def ask(self, closed: int, now: float) -> bool:
        """Whether the store should be asked now: one source holds the others up, or all are silent.

        `closed` is the end of the last closed slot (epoch ms).
        """
        due = closed + SLOT_MS
        if self.foremost() < due or self.passed(now) >= due:
            self._held_since = None
            wanted = now - max(self._news_at, self._asked_at) > _SILENT_S
        else:
            self._held_since = now if self._held_since is None else self._held_since
            wanted = now - max(self._held_since, self._asked_at) > _HELD_S
        if wanted:
            self._asked_at = now
        return wanted
