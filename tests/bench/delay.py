"""How long until a row can be read: a live worker at 20,000 events a second with bursts in them.

The measured process is the worker; it notes when an insert into `events` or `alerts` returned. This
process sends: first a week of history of the accounts that will burst (a record is as firm as the
account is old), then, in real time, the traffic of a thousand other accounts with the bursts in it.
Those appear out of nothing, so the detector of new accounts is off. An alert's delay counts from
the sending of the event that closes its tick.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.app import Worker
from streams.broker import admin
from streams.storage import migrations
from streams.storage.chdb_store import ChdbStore
from streams.traffic.batch import Batch
from streams.traffic.partition import Partitioner
from streams.traffic.send import Sender
from tests.bench.end_to_end import worker_settings
from tests.bench.measure import ROOT, order, report
from tests.bench.topics import ends
from tests.bench.traffic import Traffic
from tests.support.kafka import RealKafka

__all__ = ["measure"]

_TOPIC = "bench.delay"
_ACCOUNTS, _BURSTING = 1000, 40
_RATE = 20_000
_SLICE_S = 0.05
_HISTORY_MS, _HISTORY_PER_MINUTE = 7 * 24 * 3_600_000, 30
_BURST_PER_S, _BURST_S = 100, 6.0
_POLICY = "detectors.cold_start.enabled = false\n"
_LATENESS_MS = 2000


class _Noting(ChdbStore):
    """The embedded store; remembers when rows of two tables could be read."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.events: list[tuple[int, NDArray[np.int64]]] = []
        self.alerts: list[tuple[int, int, int]] = []  # readable at, tick, partition
        self.live_from = sys.maxsize

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        super().insert(table, rows, token)
        now = time.time_ns() // 1_000_000
        if now < self.live_from:
            return
        if table == "events":
            ts = np.asarray(rows.column("ts").cast(pa.int64()).to_numpy(), np.int64)
            self.events.append((now, ts))
        elif table == "alerts":
            ticks = rows.column("detected_at").cast(pa.int64()).to_pylist()
            numbers = rows.column("kafka_partition").to_pylist()
            self.alerts += [(now, *pair) for pair in zip(ticks, numbers, strict=True)]


async def _work(what: dict[str, Any], data: Path) -> dict[str, object]:
    """Two lines come in on standard input: where history ends, and that sending is over."""
    policy = data.with_suffix(".toml")
    policy.write_text(_POLICY, encoding="utf-8")
    settings = worker_settings(
        what, data, time_mode="live", snapshot_every=60.0, policy=str(policy)
    )
    store = _Noting(data)
    migrations.migrate(store)
    worker = Worker(settings, store, admin.stream_id(settings, settings.topic))
    await worker.start()
    expected = json.loads(await asyncio.to_thread(sys.stdin.readline))
    while any(worker.markers().get(int(n), 0) < end for n, end in expected.items()):
        await asyncio.sleep(0.05)
    store.live_from = time.time_ns() // 1_000_000
    print("live", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    if worker.failed.done():
        worker.failed.result()
    await worker.stop(snapshot=False)
    store.close()
    waits = np.concatenate([now - ts for now, ts in store.events])
    return {"events": len(waits), "stored": _percentiles(waits), "alerts": store.alerts}


def measure(kafka: RealKafka, seconds: float) -> dict[str, object]:
    """Delays in seconds, p50 and p99: of rows of `events`, and of rows of `alerts`."""
    kafka.create_topic(_TOPIC)
    what = json.dumps({"broker": kafka.bootstrap, "topic": _TOPIC})
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.delay", what],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            connection = {"bootstrap_servers": kafka.bootstrap}
            with Sender(connection, _TOPIC, events_per_message=200) as sender:
                bursting = Traffic(_BURSTING, word="burst")
                sender.send(_history(bursting))
                print(json.dumps(ends(kafka, _TOPIC)), file=process.stdin, flush=True)
                assert process.stdout.readline() == "live\n", "the worker could not take history"
                sent = _live(sender, bursting, seconds)
            time.sleep(3.0)
            print(file=process.stdin, flush=True)
            result = json.loads(process.stdout.readlines()[-1])
        finally:
            process.kill()
    waits = [at - _closed_at(sent, tick, number) for at, tick, number in result.pop("alerts")]
    assert waits, "no burst was found"
    return {**result, "alerts": len(waits), "alert": _percentiles(np.array(waits))}


def _history(bursting: Traffic) -> Iterator[Batch]:
    now = time.time_ns() // 1_000_000
    random = np.random.default_rng(1)
    for start in range(now - _HISTORY_MS, now, 60_000):
        ts = np.sort(random.integers(start, min(start + 60_000, now), _HISTORY_PER_MINUTE))
        yield bursting.batch(random.integers(0, _BURSTING, len(ts)).astype(np.int32), ts)


def _live(sender: Sender, bursting: Traffic, seconds: float) -> dict[int, list[tuple[int, int]]]:
    """Send for `seconds`; by partition, times (ms) of slices: their newest event, their sending."""
    others = Traffic(_ACCOUNTS, rate=_RATE)
    partitioner = Partitioner(sender.partitions)
    where = partitioner.assign(others.names)
    starts = np.linspace(2.0, seconds - _BURST_S - 8.0, _BURSTING)
    random = np.random.default_rng(2)
    sent: dict[int, list[tuple[int, int]]] = {number: [] for number in range(sender.partitions)}
    began = time.time()
    for number in range(round(seconds / _SLICE_S)):
        due = began + (number + 1) * _SLICE_S
        others.clock_ms = 1000 * (due - _SLICE_S)
        slices = list(others.batches(round(_RATE * _SLICE_S)))
        age = due - began - starts
        hot = np.flatnonzero((age >= 0) & (age < _BURST_S))
        count = random.poisson(_BURST_PER_S * _SLICE_S, len(hot))
        account = np.repeat(hot, count).astype(np.int32)
        slices.append(bursting.batch(account, np.full(len(account), round(1000 * due))))
        time.sleep(max(0.0, due - time.time()))
        now = time.time_ns() // 1_000_000
        sender.send(slices, prompt=False)
        for place, ts in zip(where[slices[0].account].tolist(), slices[0].ts.tolist(), strict=True):
            if not sent[place] or sent[place][-1][1] != now:
                sent[place].append((ts, now))
            sent[place][-1] = (ts, now)
    return sent


def _closed_at(sent: dict[int, list[tuple[int, int]]], tick: int, partition: int) -> int:
    """When the first event was sent that moves the partition's watermark to the end of the tick."""
    return next(at for newest, at in sent[partition] if newest >= tick + _LATENESS_MS)


def _percentiles(waits: NDArray[np.int64]) -> dict[str, float]:
    return {f"p{q}_s": float(np.percentile(waits, q)) / 1000 for q in (50, 99)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as made:
        report(asyncio.run(_work(order(), Path(made) / f"delay-{Path(made).name}")))
