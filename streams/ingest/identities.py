"""Which events were seen before: exact for a stretch of event time, without asking the store.

Ingest asks this first. Identities (account and event_id, hashed to 64 bits) of recent events are
kept as sorted runs of 8-byte words. "Not here, and recent" is certain; "here" or "too old to know"
is a question for the store, so a collision costs a look-up and never an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["RecentIdentities"]

_RUNS = 4  # runs of a slice are merged when there are more: look-ups search each run


@dataclass(slots=True)
class _Slice:
    """Identities of one slice of event time, as sorted runs."""

    runs: list[NDArray[np.uint64]] = field(default_factory=list)
    count: int = 0

    def add(self, identities: NDArray[np.uint64]) -> None:
        self.runs.append(np.sort(identities))
        self.count += len(identities)
        if len(self.runs) > _RUNS:
            self.runs = [np.sort(np.concatenate(self.runs))]


class RecentIdentities:
    """Identities of events whose time lies after `known_since` (epoch ms)."""

    def __init__(self, window_ms: int, capacity: int) -> None:
        self.window_ms = window_ms
        self.capacity = capacity
        #: Every stored event with a time from here on is in memory.
        self.known_since = 0
        self._slice_ms = max(1, window_ms // 4)
        self._slices: dict[int, _Slice] = {}

    def __len__(self) -> int:
        return sum(part.count for part in self._slices.values())

    def certainly_new(
        self, identities: NDArray[np.uint64], ts: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """(n,) True where an event was certainly not stored before, apart from the others given."""
        new = ts >= self.known_since
        order = np.argsort(identities)
        wanted = identities[order]
        seen = np.zeros(len(wanted), bool)
        for part in self._slices.values():
            for run in part.runs:
                place = np.minimum(np.searchsorted(run, wanted), len(run) - 1)
                seen |= run[place] == wanted
        new[order[seen]] = False
        return new

    def add(self, identities: NDArray[np.uint64], ts: NDArray[np.int64], watermark: int) -> None:
        """Remember stored events; forget what lies before `watermark - window`."""
        slices = ts // self._slice_ms
        for number in np.unique(slices).tolist():
            self._slices.setdefault(number, _Slice()).add(identities[slices == number])
        self.forget_before(watermark - self.window_ms)
        while len(self) > self.capacity and len(self._slices) > 1:
            self.forget_before((min(self._slices) + 1) * self._slice_ms)

    def forget_before(self, ts: int) -> None:
        """Drop whole slices of event time that end by `ts`."""
        for number in [n for n in self._slices if (n + 1) * self._slice_ms <= ts]:
            del self._slices[number]
            self.known_since = max(self.known_since, (number + 1) * self._slice_ms)
