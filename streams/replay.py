"""Replaying stored traffic through a running worker: send, let time pass, wait, sum up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from kafka import KafkaProducer

from streams.broker.connection import kafka_arguments, quiet
from streams.coordination.signals import SLOT_MS
from streams.runtime import Running
from streams.traffic.batch import Batch
from streams.traffic.pace import at_speed
from streams.traffic.pressure import BackPressure, UnreadBytes
from streams.traffic.progress import Progress
from streams.traffic.readers import Trace, open_trace
from streams.traffic.send import Sender

__all__ = ["Plan", "Summary", "checked", "let_time_pass", "replay", "send"]

#: The embedded broker keeps 5 MiB a partition; unread messages must stay well below it.
UNREAD_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay: files in one format, at a factor of real time (None: as fast as it goes)."""

    files: Sequence[Path]
    trace_format: str | None
    accounts: int | None
    seed: int
    factor: float | None


@dataclass(slots=True)
class Summary:
    """What became of a replay."""

    files: int = 0
    sent: int = 0
    stored: int = 0
    duplicates: int = 0
    dead: int = 0
    late: int = 0
    too_late: int = 0
    seconds: float = 0.0
    incidents: int = 0


def send(
    run: Running,
    batches: Iterable[Batch],
    *,
    prompt: bool,
    on_progress: Callable[[Progress], None] | None = None,
    fraction: Callable[[], float | None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> Progress:
    """Send batches to the worker's broker, never further ahead than the embedded one remembers."""
    embedded = "" if run.settings.broker else run.broker
    ledger = UnreadBytes()
    pressure = None
    if embedded:
        pressure = BackPressure(lambda: ledger.largest(run.worker.markers()), UNREAD_BYTES)
    quiet()
    with Sender(
        kafka_arguments(run.settings, embedded),
        run.settings.topic,
        pressure=pressure,
        ledger=ledger,
        on_progress=on_progress,
        fraction=fraction,
        stop=stop,
    ) as sender:
        return sender.send(batches, prompt=prompt)


def let_time_pass(run: Running, until_ms: int) -> dict[int, int]:
    """A heartbeat of `until_ms` to every partition; returns the offset of each."""
    producer = KafkaProducer(
        **kafka_arguments(run.settings, "" if run.settings.broker else run.broker)
    )
    try:
        value = msgspec.json.encode({"heartbeat": until_ms})
        numbers = sorted(producer.partitions_for(run.settings.topic) or ())
        sent = [
            producer.send(run.settings.topic, value=value, partition=number) for number in numbers
        ]
        return {
            number: future.get(timeout=60).offset
            for number, future in zip(numbers, sent, strict=True)
        }
    finally:
        producer.close(timeout=5)


def checked(plan: Plan) -> None:
    """Refuse a wrong name or format before anything is started.

    Raises:
        UsageError: an unknown format or a file that cannot be read.
    """
    for trace in _opened(plan):
        trace.close()


def _opened(plan: Plan) -> list[Trace]:
    return [
        open_trace(f, plan.trace_format, accounts=plan.accounts, seed=plan.seed) for f in plan.files
    ]


async def replay(run: Running, plan: Plan, on_progress: Callable[[Progress], None]) -> Summary:
    """Replay every file in turn; returns when all of it is stored and scored."""
    traces = _opened(plan)
    summary = Summary(files=len(traces))
    gone = threading.Event()
    started = asyncio.get_running_loop().time()

    def work() -> int:
        latest = 0
        for trace in traces:
            batches: Iterable[Batch] = trace
            if plan.factor is not None:
                batches = at_speed(batches, plan.factor, stop=gone.is_set)
            progress = send(
                run,
                batches,
                prompt=plan.factor is not None,
                on_progress=on_progress,
                fraction=lambda trace=trace: trace.fraction,  # type: ignore[misc]
                stop=gone.is_set,
            )
            summary.sent += progress.events
            latest = max(latest, progress.event_ts or 0)
        return latest

    sending = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        latest = await _unless_failed(run, sending)
        ends = await asyncio.to_thread(let_time_pass, run, _end_of(run, latest))
        await _unless_failed(run, asyncio.ensure_future(_stored(run, ends)))
    finally:
        gone.set()
    counts = run.worker.status.counts
    for name in ("stored", "duplicates", "dead", "late", "too_late"):
        setattr(summary, name, getattr(counts, name))
    summary.incidents = counts.alerts
    summary.seconds = asyncio.get_running_loop().time() - started
    return summary


async def _unless_failed(run: Running, work: asyncio.Future[Any]) -> Any:
    """The result of `work`, unless the worker fails or is asked to stop before."""
    stop = asyncio.ensure_future(run.stopping.wait())
    try:
        await asyncio.wait({work, run.worker.failed, stop}, return_when=asyncio.FIRST_COMPLETED)
        if run.worker.failed.done():
            run.worker.failed.result()
        if not work.done():
            raise KeyboardInterrupt
        return work.result()
    finally:
        stop.cancel()


def _end_of(run: Running, latest: int) -> int:
    """The time (epoch ms) that closes the last tick, and the last slot of coordination."""
    end = latest + round(run.settings.tick * 1000)
    if run.worker.coordination is not None:
        end = -(-end // SLOT_MS) * SLOT_MS
    return end + round(run.settings.lateness * 1000)


async def _stored(run: Running, ends: dict[int, int]) -> None:
    """Until everything is stored, and coordination has judged it."""
    while any(run.worker.markers().get(number, -1) <= end for number, end in ends.items()):
        await asyncio.sleep(0.05)
    while run.worker.coordination is not None and not run.worker.coordination.settled(ends):
        await asyncio.sleep(0.05)
