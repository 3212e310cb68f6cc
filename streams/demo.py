"""The demonstration's traffic: history first, then real time, with attacks in both.

Behind `pulse demo`, beside a running worker. The history goes out in bulk, as a replay would; from
there on events go out as their time comes. What was planted is told to the scoreboard.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Final

from streams.replay import send
from streams.runtime import Running
from streams.scoreboard import Scoreboard
from streams.settings import Settings
from streams.traffic.batch import Batch
from streams.traffic.pace import follow
from streams.traffic.simulate.demo import HISTORY_HOURS, STEADY_S, demo_spec
from streams.traffic.simulate.engine import Simulation

__all__ = ["demo_settings", "demo_traffic"]

_HISTORY_MS: Final = round(HISTORY_HOURS * 3_600_000)
#: Real time begins so long after the first event is sent, so that most of the history is in.
_HEAD_START_MS: Final = 20_000


def demo_settings(settings: Settings) -> Settings:
    """What the demonstration is run under, unless a policy is named."""
    if not settings.policy:  # the built-in budget would wait for days before it trusted itself
        policy = files("streams.policy").joinpath("demo.toml")
        settings = replace(settings, policy=str(policy))
    # The simulated past arrives in moments of five minutes: everybody would act together there.
    return replace(settings, coordination_from=time.time() - STEADY_S + 60)


def demo_traffic(run: Running, scoreboard: Scoreboard, seed: int, stop: Callable[[], bool]) -> None:
    """Send until `stop` says so; a store that already saw traffic gets only what it has missed."""
    seen = [part.watermark.value for part in list(run.worker.ingest.partitions.values())]
    now_ms = _now_ms()
    start_ms = now_ms + _HEAD_START_MS
    missing_ms = min(_HISTORY_MS, max(0, start_ms - max(seen, default=0)))
    simulation = Simulation(demo_spec(start_ms, seed, history_hours=missing_ms / 3_600_000))
    scoreboard.plant(simulation.truth, start_ms)
    past, coming = _parted(iter(simulation), now_ms)
    send(run, past, prompt=False, stop=stop)

    def traffic() -> Iterator[Batch]:
        for batch in follow(coming, _now_ms, stop=stop):
            run.worker.heartbeats = int(batch.ts[-1]) >= start_ms
            yield batch

    if not stop():
        send(run, traffic(), prompt=True, stop=stop)


def _parted(batches: Iterator[Batch], moment_ms: int) -> tuple[Iterator[Batch], Iterator[Batch]]:
    """What lies before `moment_ms`, and the rest; the second may be read after the first only."""
    rest: list[Batch] = []

    def before() -> Iterator[Batch]:
        for batch in batches:
            end = int(batch.ts.searchsorted(moment_ms))
            if end:
                yield batch.slice(0, end)
            if end < len(batch):
                rest.append(batch.slice(end, len(batch)))
                return

    def after() -> Iterator[Batch]:
        yield from rest
        yield from batches

    return before(), after()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
