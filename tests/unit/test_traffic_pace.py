"""Event time passes as fast as it is told to, against a clock that the test moves."""

from __future__ import annotations

import numpy as np
import pytest

from streams.traffic.batch import Batch
from streams.traffic.pace import at_speed, follow


class Clock:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now
        self.longest = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.longest = max(self.longest, seconds)
        self.now += seconds

    def ms(self) -> int:
        return round(self.now * 1000)


def batches(*times: list[int]) -> list[Batch]:
    return [
        Batch(["a"], np.zeros(len(ts), np.int32), np.array(ts, np.int64), [b"%d" % t for t in ts])
        for ts in times
    ]


@pytest.mark.parametrize("factor", [0.5, 1.0, 10.0, 1000.0])
def test_each_event_comes_when_it_is_due_within_a_step(factor: float) -> None:
    clock = Clock()
    ts = np.cumsum(np.random.default_rng(0).exponential(40, 500)).astype(int).tolist()
    seen: list[bytes] = []
    for batch in at_speed(batches(ts[:200], ts[200:]), factor, clock=clock, sleep=clock.sleep):
        seen += batch.lines
        due = 100 + (batch.ts - ts[0]) / 1000 / factor
        assert due.max() <= clock.now + 1e-6
        assert due.min() >= clock.now - 0.1 - 1e-3 / factor - 1e-6
    assert seen == [b"%d" % t for t in ts]
    assert clock.longest <= 0.1
    assert clock.now == pytest.approx(100 + (ts[-1] - ts[0]) / 1000 / factor, abs=0.01)


def test_the_past_passes_at_once_and_the_future_waits_for_its_time() -> None:
    clock = Clock(50.0)
    source = batches([1_000, 2_000, 49_999], [50_500, 52_000])
    moments = [
        (clock.ms(), batch.ts.tolist()) for batch in follow(source, clock.ms, sleep=clock.sleep)
    ]
    assert moments == [
        (50_000, [1_000, 2_000, 49_999]),
        (50_500, [50_500]),
        (52_000, [52_000]),
    ]


def test_events_out_of_order_neither_block_nor_vanish() -> None:
    clock = Clock()
    source = batches([1_000, 900, 1_200], [500, 1_300])
    seen = [t for batch in at_speed(source, 1, clock=clock, sleep=clock.sleep) for t in batch.ts]
    assert seen == [1_000, 900, 1_200, 500, 1_300]
    assert clock.now == pytest.approx(100.3, abs=0.001)


def test_stop_ends_a_wait() -> None:
    clock = Clock()
    source = batches([0], [3_600_000])
    stop = lambda: clock.now > 101  # noqa: E731
    seen = list(at_speed(source, 1, clock=clock, sleep=clock.sleep, stop=stop))
    assert len(seen) == 1
    assert clock.now < 101.3
