"""The vectorised watermark against a loop over single events, in pieces of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.features.watermark import IN_TIME, LATE, NEVER, TOO_LATE, Watermark


@dataclass
class Naive:
    """One event at a time, straight from the definition."""

    tick: int
    lateness: int
    limit: int
    value: int = 0

    def hear(self, ms: int) -> None:
        self.value = max(self.value, ms - self.lateness)

    def take(self, ts: int) -> tuple[int, int]:
        watermark = self.value
        self.hear(ts)
        if ts < watermark - self.limit:
            return NEVER, TOO_LATE
        closed = watermark - watermark % self.tick
        if ts < closed:
            return closed + self.tick, LATE
        return ts - ts % self.tick + self.tick, IN_TIME


moments = st.tuples(
    st.booleans() | st.just(False),
    st.integers(0, 30_000) | st.integers(0, 8_000_000) | st.integers(0, 12).map(lambda n: 2500 * n),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.lists(moments, max_size=12), max_size=8),
    st.sampled_from((1000, 2000, 5000, 10_000)),
    st.sampled_from((0, 1, 2000, 60_000)),
    st.sampled_from((0, 5000, 3_600_000)),
)
def test_equal_to_one_event_at_a_time(
    fetches: list[list[tuple[bool, int]]], tick: int, lateness: int, limit: int
) -> None:
    real, naive = Watermark(tick, lateness, limit), Naive(tick, lateness, limit)
    for fetch in fetches:
        wanted: list[tuple[int, int]] = []
        heartbeats = []
        for is_heartbeat, ms in fetch:
            if is_heartbeat:
                heartbeats.append((len(wanted), ms))
                naive.hear(ms)
            else:
                wanted.append(naive.take(ms))
        ts = np.array([ms for is_heartbeat, ms in fetch if not is_heartbeat], np.int64)
        counted = real.take(ts, heartbeats)
        assert list(zip(counted.tick.tolist(), counted.late.tolist(), strict=True)) == wanted
        assert real.value == naive.value
