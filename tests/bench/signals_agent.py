"""Measured process: the signals agent alone, from messages to stored meetings.

    messages -> waiting -> sorted, thinned -> rings -> meetings -> store

Ingest is played in front and not counted; each partition of usage.signals is read by this process.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from streams.coordination.partition import SignalsPartition
from streams.coordination.sender import Outbox
from streams.ingest.partition import Partition
from streams.storage import migrations
from streams.storage.chdb_store import ChdbStore
from tests.bench.measure import Spent, order, report, spent_since
from tests.bench.stages import built_in, fetches
from tests.bench.traffic import Traffic
from tests.support.coordination import Flow
from tests.support.partitions import context


def _main() -> None:
    what = order()
    traffic = Traffic(what["accounts"], rate=what["events"] / 40)  # a slot and more to a fetch
    parts = fetches(traffic, what["fetches"] + 1, what["events"], what["per_message"])
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as directory:
        store = ChdbStore(Path(directory))
        migrations.migrate(store)
        flow = Flow(store, sources=1, partitions=1)
        source = Partition(context(store, rules=built_in(), dedup_capacity=20_000_000), 0)
        outbox = Outbox(flow.stream_id, 0, 1, flow.context.kinds, parts[0].offsets[0])
        reader: SignalsPartition = flow.readers[0]
        spent, signals, meetings = 0.0, 0, 0
        for number, messages in enumerate(parts):
            batch = source.prepare(messages, messages.offsets[-1] + 1)
            source.commit(batch)
            assert batch.rows is not None
            told = outbox.messages(
                batch.rows, batch.next_offset, source.watermark.value, source.since
            )
            start, before = Spent.now(), (reader.signals, reader.meetings)
            for _, value in told:
                reader.take(value, 0.0)
            reader.advance(0.0)
            if number:  # the first one compiles
                spent += spent_since(start).cpu_s
                signals += reader.signals - before[0]
                meetings += reader.meetings - before[1]
        slots = store.query("SELECT count() AS n FROM coordination_log WHERE done")
        store.close()
    report(
        {
            "signals_per_core_second": signals / spent,
            "signals": signals,
            "meetings": meetings,
            "decisions": slots["n"][0].as_py(),
            "cpu_s": spent,
        }
    )


if __name__ == "__main__":
    _main()
