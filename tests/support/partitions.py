"""A partition on a real embedded store, without a broker: messages in, tables out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from streams.events.decode import Messages
from streams.features.fold import Policy
from streams.ingest.batch import Context, Counts
from streams.ingest.partition import Partition
from streams.ingest.recovery import register_stream
from streams.ingest.times import TimeRules
from streams.storage.base import Store
from tests.support.folding import policy

__all__ = ["COMPARED", "context", "feed", "tables"]

#: What must be equal after any disturbance; when something was written is left out.
COMPARED = {
    "events": "SELECT account_id, event_id, ts, tick, late, kafka_offset, line FROM events "
    "ORDER BY ALL",
    "account_minute": "SELECT * FROM account_minute ORDER BY ALL",
    "findings": "SELECT * EXCEPT stored_at FROM findings ORDER BY ALL",
    "alerts": "SELECT * EXCEPT stored_at FROM alerts ORDER BY ALL",
    "incidents": "SELECT * EXCEPT stored_at FROM incidents ORDER BY ALL",
    "incident_log": "SELECT * EXCEPT stored_at FROM incident_log ORDER BY ALL",
    "dead_letters": "SELECT letter_id, reason, sentence, bytes FROM dead_letters ORDER BY ALL",
}


def context(
    store: Store, stream_id: str = "stream-1", rules: Policy | None = None, **changed: Any
) -> Context:
    """What a worker in a replay would hand its partitions.

    From here on the store keeps every row of `incident_log`: the engine would merge the versions of
    an incident into one, and when it does is chance.
    """
    store.command("SYSTEM STOP MERGES incident_log")
    values: dict[str, Any] = {
        "store": store,
        "policy": rules or policy(),
        "topic": "usage.events",
        "stream_id": stream_id,
        "stream_registered": register_stream(store, stream_id, "usage.events"),
        "worker": "test",
        "times": TimeRules(replay=True, max_ahead_ms=300_000, retention_ms=90 * 86_400_000),
        "lateness_ms": 2000,
        "late_limit_ms": 3_600_000,
        "dedup_window_ms": 600_000,
        "dedup_capacity": 1_000_000,
        "snapshot_every_s": 3600.0,
        "lease_s": 3600.0,
    }
    return Context(**(values | changed))


def feed(partition: Partition, values: Sequence[bytes], first: int) -> Counts:
    """One fetch of messages with consecutive offsets from `first` on."""
    offsets = range(first, first + len(values))
    batch = partition.prepare(Messages(values, offsets, [0] * len(values)), offsets[-1] + 1)
    return partition.commit(batch)


def tables(store: Store) -> dict[str, bytes]:
    """The compared tables as bytes."""
    return {
        name: msgspec.json.encode(store.query(sql).to_pylist(), enc_hook=str)
        for name, sql in COMPARED.items()
    }
