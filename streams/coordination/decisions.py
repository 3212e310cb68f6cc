"""Which rows went into which slot: the log of decisions, the marker of the signals agent.

A decision is stored before its meetings and again, as done, after them. So whatever is done again
after a crash, or folded again to rebuild the rings, is cut exactly as it was the first time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.coordination.signals import SLOT_MS, slot_end
from streams.storage.base import Store

__all__ = ["Decision", "Streams", "decided", "effective_slots", "latest_slot", "store_decision"]

_TIME: Final = pa.timestamp("ms", "UTC")
_OFFSET_BITS: Final = 48


@dataclass(frozen=True, slots=True)
class Decision:
    """Slots after `previous` up to `slot` are closed with what stands before `next_offsets`."""

    since: int
    slot: int
    previous: int
    stream_id: str
    next_offsets: Mapping[int, int] = field(default_factory=dict)
    done: bool = False


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of a timeline in order of their registration; the last is the current one."""

    ids: tuple[str, ...]
    registered: tuple[int, ...]

    @property
    def current(self) -> str:
        """The stream being read."""
        return self.ids[-1]

    def rank(self, stream_id: str) -> int:
        """Place in the order; before all others when it is of an older timeline."""
        return self.ids.index(stream_id) if stream_id in self.ids else -1

    @staticmethod
    def load(store: Store, topic: str, since: int, current: str) -> Streams:
        """Those of the timeline that began at `since` (epoch ms)."""
        rows = store.query(
            "SELECT stream_id, toInt64(toUnixTimestamp64Milli(min(s.registered_at))) AS at "
            "FROM streams AS s WHERE topic = {topic} GROUP BY stream_id "
            "HAVING at >= {since} ORDER BY at, stream_id",
            {"topic": topic, "since": since},
        ).to_pylist()
        known = [(int(row["at"]), str(row["stream_id"])) for row in rows]
        rest = [item for item in known if item[1] != current]
        own = [item for item in known if item[1] == current] or [(since, current)]
        ordered = rest + own
        return Streams(
            tuple(stream for _, stream in ordered), tuple(moment for moment, _ in ordered)
        )


_COLUMNS: Final = (
    "toInt64(toUnixTimestamp64Milli(l.since)) AS since_ms, "
    "toInt64(toUnixTimestamp64Milli(l.slot)) AS slot_ms, "
    "toInt64(toUnixTimestamp64Milli(l.previous)) AS previous_ms, "
    "stream_id, sources, next_offsets, max(done) AS is_done"
)


def decided(store: Store, partition: int, since: int, after: int) -> list[Decision]:
    """Decisions of a timeline about slots after `after` (epoch ms), in order."""
    rows = store.query(
        f"SELECT {_COLUMNS} FROM coordination_log AS l WHERE signals_partition = {{partition}} "
        "AND l.since = fromUnixTimestamp64Milli({since}, 'UTC') "
        "AND l.slot > fromUnixTimestamp64Milli({after}, 'UTC') "
        "GROUP BY since_ms, slot_ms, previous_ms, stream_id, sources, next_offsets "
        "ORDER BY slot_ms, previous_ms",
        {"partition": partition, "since": since, "after": after},
    ).to_pylist()
    return [
        Decision(
            since=int(row["since_ms"]),
            slot=int(row["slot_ms"]),
            previous=int(row["previous_ms"]),
            stream_id=str(row["stream_id"]),
            next_offsets=dict(zip(row["sources"], row["next_offsets"], strict=True)),
            done=bool(row["is_done"]),
        )
        for row in rows
    ]


def latest_slot(store: Store, partition: int, since: int) -> int:
    """End of the last slot that anybody decided about; 0: none."""
    rows = store.query(
        "SELECT toInt64(toUnixTimestamp64Milli(max(l.slot))) AS ms FROM coordination_log AS l "
        "WHERE signals_partition = {partition} "
        "AND l.since = fromUnixTimestamp64Milli({since}, 'UTC')",
        {"partition": partition, "since": since},
    )
    return int(rows.column("ms")[0].as_py() or 0)


def store_decision(
    store: Store,
    partition: int,
    decision: Decision,
    *,
    signals: int,
    meetings: int,
    lag_ms: int,
    now_ms: int,
    worker: str,
) -> None:
    """Write a decision, or that it is done."""
    sources = sorted(decision.next_offsets)
    row: dict[str, Any] = {
        "signals_partition": pa.array([partition], pa.uint32()),
        "since": _times([decision.since]),
        "slot": _times([decision.slot]),
        "previous": _times([decision.previous]),
        "done": pa.array([int(decision.done)], pa.uint8()),
        "stream_id": [decision.stream_id],
        "sources": pa.array([sources], pa.list_(pa.uint32())),
        "next_offsets": pa.array(
            [[decision.next_offsets[source] for source in sources]], pa.list_(pa.uint64())
        ),
        "signals": pa.array([signals], pa.uint64()),
        "meetings": pa.array([meetings], pa.uint64()),
        "lag_ms": pa.array([lag_ms], pa.int64()),
        "stored_at": _times([now_ms]),
        "worker": [worker],
    }
    token = f"decision:{partition}:{decision.since}:{decision.previous}:{int(decision.done)}"
    store.insert("coordination_log", pa.table(row), token)


def _times(values: Sequence[int]) -> pa.Array:
    return pa.array(values, pa.int64()).cast(_TIME)


def effective_slots(
    rows: pa.Table, streams: Streams, decisions: Sequence[Decision]
) -> NDArray[np.int64]:
    """(n,) end of the slot in which each row of `events` counts; 0 when no decision took it.

    A row that came when its slot was closed already counts in the first slot closed after that.
    """
    tick = np.asarray(rows.column("tick").cast(pa.int64()).to_numpy(), np.int64)
    source = np.asarray(rows.column("kafka_partition").to_numpy(), np.int64)
    offset = np.asarray(rows.column("kafka_offset").to_numpy(), np.uint64).view(np.int64)
    stream = rows.column("stream_id").cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(stream, pa.ChunkedArray):
        stream = stream.chunk(0)
    ranks = np.array([streams.rank(word) for word in stream.dictionary.to_pylist()], np.int64)
    place = (ranks[stream.indices.to_numpy()] << _OFFSET_BITS) + offset
    slot = slot_end(tick)
    took = np.searchsorted(np.array([d.slot for d in decisions], np.int64), slot)
    for number in np.unique(source).tolist():
        mine = np.flatnonzero(source == number)
        through = np.array(
            [
                (streams.rank(d.stream_id) << _OFFSET_BITS) + d.next_offsets.get(number, 0)
                for d in decisions
            ],
            np.int64,
        )
        took[mine] = np.maximum(took[mine], np.searchsorted(through, place[mine], side="right"))
    earliest = np.array([d.previous + SLOT_MS if d.previous else 0 for d in decisions] + [0])
    return np.where(took < len(decisions), np.maximum(slot, earliest[took]), 0)
