"""The demonstration's traffic: history first, then real time with attacks in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from streams.replay import send
from streams.runtime import Running
from streams.traffic.pace import follow
from streams.traffic.simulate.demo import demo_spec
from streams.traffic.simulate.engine import simulate

__all__ = ["demo_traffic"]

_HISTORY_MS: Final = 3 * 3_600_000
#: Time to send the history before real time begins.
_HEAD_START_MS: Final = 8_000


def demo_traffic(run: Running, seed: int, stop: Callable[[], bool]) -> None:
    """Send until `stop` says so; a store that already saw traffic gets only what it has missed."""
    start_ms = _now_ms() + _HEAD_START_MS
    seen = [part.watermark.value for part in list(run.worker.ingest.partitions.values())]
    missing_ms = min(_HISTORY_MS, max(0, start_ms - max(seen, default=0)))
    spec = demo_spec(start_ms, seed, history_hours=missing_ms / 3_600_000)
    send(run, follow(simulate(spec), _now_ms, stop=stop), prompt=True, stop=stop)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
