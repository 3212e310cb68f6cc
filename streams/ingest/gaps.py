"""Gaps: spans of a partition that Kafka deleted before any worker had read them.

Written when a partition is taken over; a page that shows "all clear" must know where it was blind.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pyarrow as pa

from streams.alerting.findings import identity
from streams.storage.base import Store

__all__ = ["Gap", "load_gaps", "store_gap"]

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets first_offset to next_offset of a partition; times are epoch ms of event time."""

    kafka_partition: int
    first_offset: int
    next_offset: int
    started_at: int
    ended_at: int
    sentence: str


def store_gap(
    store: Store, stream_id: str, partition: int, first: int, until: int, times: tuple[int, int]
) -> Gap:
    """Write that offsets from `first` to before `until` were lost; the same gap is one row."""
    sentence = (
        f"partition {partition}: Kafka no longer had {until - first} messages from offset {first} "
        "on when the worker came to read them; lengthen the topic's retention"
    )
    gap = Gap(partition, first, until, times[0], max(times), sentence)
    row = {name: [value] for name, value in asdict(gap).items()} | {
        "gap_id": [identity("gap", stream_id, partition, first)],
        "stream_id": [stream_id],
        "reason": ["deleted_by_kafka"],
    }
    kinds = {
        "kafka_partition": pa.uint32(),
        "first_offset": pa.uint64(),
        "next_offset": pa.uint64(),
    }
    columns = {name: pa.array(value, kinds.get(name)) for name, value in row.items()}
    for name in ("started_at", "ended_at"):
        columns[name] = columns[name].cast(pa.timestamp("ms", "UTC"))
    store.insert("pipeline_gaps", pa.table(columns))
    return gap


def load_gaps(store: Store) -> list[Gap]:
    """The latest gaps, newest first."""
    rows = store.query(
        "SELECT kafka_partition, first_offset, next_offset, "
        "toUnixTimestamp64Milli(p.started_at) AS started_at, "
        "toUnixTimestamp64Milli(p.ended_at) AS ended_at, sentence "
        f"FROM pipeline_gaps AS p FINAL ORDER BY p.ended_at DESC LIMIT {_SHOWN}"
    ).to_pylist()
    return [Gap(**row) for row in rows]
