"""The demonstration's traffic: history first, then real time with attacks in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from streams.replay import send
from streams.runtime import Running
from streams.traffic.batch import Batch
from streams.traffic.pace import follow
from streams.traffic.simulate.demo import demo_spec
from streams.traffic.simulate.engine import simulate

__all__ = ["demo_traffic"]

_HISTORY_MS: Final = 100 * 60_000  # warm-up of the detector is an hour
_RATE_PER_S: Final = 45.0
#: Time to send the history before real time begins.
_HEAD_START_MS: Final = 8_000


def demo_traffic(run: Running, seed: int, stop: Callable[[], bool]) -> None:
    """Send until `stop` says so; a store that already saw traffic gets only what it has missed."""
    seen = [part.watermark.value for part in list(run.worker.ingest.partitions.values())]
    start_ms = _now_ms() + _HEAD_START_MS
    missing_ms = min(_HISTORY_MS, max(0, start_ms - max(seen, default=0)))
    hours = missing_ms / 3_600_000
    spec = replace(demo_spec(start_ms, seed, history_hours=hours, rate_per_s=_RATE_PER_S), load=())

    def traffic() -> Iterator[Batch]:
        for batch in follow(simulate(spec), _now_ms, stop=stop):
            run.worker.heartbeats = int(batch.ts[-1]) >= start_ms
            yield batch

    send(run, traffic(), prompt=True, stop=stop)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
