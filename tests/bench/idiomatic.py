"""Measured process: the worker one writes from Faust's documentation, for the same topic and table.

One event at a time through `async for`, the stream's values deserialised by Faust (its JSON codec
replaced by msgspec, several times faster than the standard library's), windows in a dictionary of
deques, a plain threshold instead of detectors, rows buffered and inserted 10,000 at a time into the
same table of the same engine. It leaves out identities, exact offsets, dead letters and most
features: less work than ours, so the comparison is a lower bound.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import faust
import msgspec
import numpy as np
import pyarrow as pa
from faust.serializers.codecs import Codec, register

from streams.events.columns import EVENT_SCHEMA
from streams.storage import migrations
from streams.storage.chdb_store import ChdbStore
from tests.bench.measure import Spent, order, report, spent_since

_FLUSH = 10_000
_TIME = pa.timestamp("ms", "UTC")
_DEFAULTS = {
    "stream": 0, "bands": [], "moderation": {}, "extra": {}, "status": 200, "quota_used": 0.0
}  # fmt: skip


class FastJson(Codec):  # type: ignore[misc]
    """JSON as Faust takes it, by msgspec."""

    def _loads(self, s: bytes) -> Any:
        return msgspec.json.decode(s)

    def _dumps(self, s: Any) -> bytes:
        return msgspec.json.encode(s)


class Windows:
    """Requests and tokens of one account in the last 1, 5 and 60 minutes, in buckets of 5 s."""

    __slots__ = ("alarmed", "buckets", "sums")
    lengths = (60_000, 300_000, 3_600_000)

    def __init__(self) -> None:
        self.buckets: tuple[deque[list[int]], ...] = (deque(), deque(), deque())
        self.sums = [[0, 0], [0, 0], [0, 0]]
        self.alarmed = False

    def add(self, ts: int, tokens: int) -> bool:
        """Count one event; True when the last minute is ten times the hour's usual one."""
        bucket = ts // 5000 * 5000
        for buckets, total, length in zip(self.buckets, self.sums, self.lengths, strict=True):
            if not buckets or buckets[-1][0] < bucket:
                buckets.append([bucket, 0, 0])
                while buckets[0][0] <= bucket - length:
                    _, requests, old = buckets.popleft()
                    total[0] -= requests
                    total[1] -= old
            buckets[-1][1] += 1
            buckets[-1][2] += tokens
            total[0] += 1
            total[1] += tokens
        minute, hour = self.sums[0][0], self.sums[2][0]
        return minute >= 30 and minute > 10 * hour / 60 and len(self.buckets[2]) > 60


class Worker:
    """State of the agent: what is buffered, what is stored, what is found."""

    def __init__(self, store: ChdbStore) -> None:
        self.store = store
        self.windows: dict[str, Windows] = defaultdict(Windows)
        self.rows: list[dict[str, Any]] = []
        self.stored = 0
        self.alerts: list[tuple[str, int]] = []

    async def take(self, event: dict[str, Any], partition: int, offset: int, line: int) -> None:
        """One event."""
        tokens = event.get("prompt_tokens", 0) + event.get("completion_tokens", 0)
        if self.windows[event["account_id"]].add(event["ts"], tokens):
            self.alerts.append((event["account_id"], event["ts"]))
        event["kafka_partition"], event["kafka_offset"], event["line"] = partition, offset, line
        self.rows.append(event)
        if len(self.rows) >= _FLUSH:
            await self.flush()

    async def flush(self) -> None:
        """Insert what is buffered."""
        if self.rows:
            rows, self.rows = self.rows, []
            await asyncio.to_thread(self.store.insert, "events", _table(rows))
            self.stored += len(rows)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    count = len(rows)
    columns: dict[str, Any] = {}
    for field in EVENT_SCHEMA:
        default: Any = _DEFAULTS.get(field.name, "")
        kind = field.type
        if pa.types.is_timestamp(kind) or pa.types.is_unsigned_integer(kind):
            default = _DEFAULTS.get(field.name, 0)
        values = [row.get(field.name, default) for row in rows]
        if pa.types.is_dictionary(kind):
            columns[field.name] = pa.array(values, pa.string()).dictionary_encode()
        elif pa.types.is_timestamp(kind):
            columns[field.name] = pa.array(values, pa.int64()).cast(kind)
        elif pa.types.is_map(kind):
            columns[field.name] = pa.array([list(value.items()) for value in values], kind)
        else:
            columns[field.name] = pa.array(values, kind)
    ts = columns["ts"].cast(pa.int64()).to_numpy()
    now = np.full(count, time.time_ns() // 1_000_000)
    columns["stream_id"] = pa.array(["idiomatic"] * count).dictionary_encode()
    columns["kafka_partition"] = pa.array([r["kafka_partition"] for r in rows], pa.uint32())
    columns["kafka_offset"] = pa.array([r["kafka_offset"] for r in rows], pa.uint64())
    columns["line"] = pa.array([r["line"] for r in rows], pa.uint32())
    columns["tick"] = pa.array((ts // 5000 + 1) * 5000).cast(_TIME)
    columns["late"] = pa.array(np.zeros(count, np.uint8))
    columns["arrived_at"] = pa.array(now).cast(_TIME)
    return pa.table(columns)


async def _drain(what: dict[str, Any], data: Path) -> dict[str, object]:
    store = ChdbStore(data)
    migrations.migrate(store)
    register("fast_json", FastJson())
    app = faust.App(
        data.name,
        broker=f"kafka://{what['broker']}",
        store="memory://",
        datadir=str(data.parent / "faust"),
        web_enabled=False,
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        worker_redirect_stdouts=False,
    )
    worker, start = Worker(store), asyncio.get_running_loop().create_future()
    _agent(app, worker, what["topic"], lines=bool(what["lines"]))

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
    async def on_assigned(_: Any, assigned: Any, **__: Any) -> None:
        if assigned and not start.done():
            start.set_result(Spent.now())

    app.finalize()
    await app.start()
    while worker.stored + len(worker.rows) < what["events"]:
        await asyncio.sleep(0.02)
    await worker.flush()
    spent = spent_since(start.result())
    stored = store.query("SELECT count() AS n FROM events")["n"][0].as_py()
    assert stored == what["events"], f"stored {stored} of {what['events']} events"
    await app.stop()
    store.close()
    return {"events": stored, "cpu_s": spent.cpu_s, "wall_s": spent.wall_s}


def _agent(app: faust.App, worker: Worker, topic: str, *, lines: bool) -> None:
    if lines:

        @app.agent(app.topic(topic, value_serializer="raw"))  # type: ignore[untyped-decorator]
        async def messages(stream: Any) -> None:
            async for event in stream.events():
                place = event.message.partition, event.message.offset
                for number, line in enumerate(event.value.split(b"\n")):
                    await worker.take(msgspec.json.decode(line), *place, number)
    else:

        @app.agent(app.topic(topic, value_serializer="fast_json"))  # type: ignore[untyped-decorator]
        async def events(stream: Any) -> None:
            async for event in stream.events():
                await worker.take(event.value, event.message.partition, event.message.offset, 0)


def _main() -> None:
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as directory:
        report(asyncio.run(_drain(order(), Path(directory) / f"idiom-{Path(directory).name}")))


if __name__ == "__main__":
    _main()
