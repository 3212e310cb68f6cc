"""Measured process: the stages of one fetch alone, microseconds of CPU an event.

    decode -> dedup -> assemble -> insert -> fold -> marker, as `Partition` runs them, then signals

The stages are cut by wrapping the functions that `Partition` calls, so nothing is measured that
does not happen in production; background merges run beside and are counted where they fall.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.app import policy_of
from streams.coordination import sender as sender_module
from streams.coordination.sender import Outbox
from streams.coordination.signals import KINDS
from streams.events.decode import Messages
from streams.features.fold import Fold, Policy
from streams.ingest import partition as partition_module
from streams.ingest import tables
from streams.ingest.partition import Partition
from streams.settings import Settings
from streams.storage import migrations
from streams.storage.chdb_store import ChdbStore
from streams.traffic.packing import Packer
from tests.bench.measure import Spent, order, report, spent_since
from tests.bench.traffic import Traffic
from tests.support.partitions import context

__all__ = ["built_in", "fetches"]

_SIGNALS_PARTITIONS = 4


def built_in() -> Policy:
    """What a worker follows when nothing is set."""
    return policy_of(Settings())


def fetches(
    traffic: Traffic, count: int, events: int, per_message: int, offset: int = 0
) -> list[Messages]:
    """`count` fetches of one partition, `events` events each."""
    result = []
    for _ in range(count):
        packer = Packer(1, events=per_message)
        values = [m.value for batch in traffic.batches(events) for m in packer.add(batch)]
        values += [m.value for m in packer.flush()]
        offsets = list(range(offset, offset + len(values)))
        result.append(Messages(values, offsets, [round(traffic.clock_ms)] * len(values)))
        offset += len(values)
    return result


class _Clock:
    """CPU time of the whole process by stage; nested stages are counted once, inside."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._open: list[float] = []

    def wrap(self, owner: Any, name: str, stage: str) -> None:
        call: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **more: Any) -> Any:
            start = time.process_time()
            self._open.append(0.0)
            try:
                return call(*args, **more)
            finally:
                took = time.process_time() - start
                self.spent[stage] += took - self._open.pop()
                if self._open:
                    self._open[-1] += took

        setattr(owner, name, timed)


def _main() -> None:
    what = order()
    parts = fetches(
        Traffic(what["accounts"]), what["fetches"] + 1, what["events"], what["per_message"]
    )
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as directory:
        store = ChdbStore(Path(directory))
        migrations.migrate(store)
        part = Partition(context(store, rules=built_in(), dedup_capacity=20_000_000), 0)
        outbox = Outbox("bench", 0, _SIGNALS_PARTITIONS, KINDS, parts[0].offsets[0])
        _take(part, outbox, parts[0])
        clock = _Clock()
        for owner, name, stage in (
            (partition_module, "decode", "decode"),
            (Partition, "prepare", "identities and times"),
            (Partition, "commit", "rest"),
            (tables, "event_table", "table"),
            (Partition, "_store_events", "insert events"),
            (partition_module, "push_table", "rows for the fold"),
            (Fold, "advance", "fold and score"),
            (Partition, "_store_marker", "marker"),
            (sender_module, "signals", "signals"),
            (Outbox, "messages", "messages of signals"),
        ):
            clock.wrap(owner, name, stage)
        start = Spent.now()
        for messages in parts[1:]:
            _take(part, outbox, messages)
        whole = spent_since(start)
        store.close()
    events = what["fetches"] * what["events"]
    stages = {name: 1e6 * cpu / events for name, cpu in clock.spent.items()}
    report({"stages": stages, "whole": 1e6 * whole.cpu_s / events})


def _take(part: Partition, outbox: Outbox, messages: Messages) -> None:
    batch = part.prepare(messages, messages.offsets[-1] + 1)
    part.commit(batch)
    assert batch.rows is not None
    outbox.messages(batch.rows, batch.next_offset, part.watermark.value, part.since)


if __name__ == "__main__":
    _main()
