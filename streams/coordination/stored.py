"""What the signals agent reads back: rows of `events`, and how far each source has come.

Everything a message of usage.signals carries stands in the store as well. These reads make good a
message that was lost, a worker that died, and rebuild the rings on a new worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from streams.coordination.decisions import Decision, Streams
from streams.coordination.signals import columns_of
from streams.features.watermark import NEVER
from streams.storage.base import Store, expand

__all__ = ["Heard", "Span", "heard", "latest_since", "rows_after", "rows_between", "span"]

_CLOCKS_MS: Final = 60_000  # by which the clocks of two workers may differ
_PLACES: Final = ("kafka_partition", "stream_id")


@dataclass(slots=True)
class Heard:
    """How far a source has come: next offset, watermark and timeline (epoch ms)."""

    next_offset: int
    watermark: int
    since: int


def heard(store: Store, stream_id: str, known: Mapping[int, int]) -> dict[int, Heard]:
    """The sources of a stream that were processed at all, or beyond the offset `known` of them."""
    newer = " OR ".join(
        [f"(kafka_partition = {source} AND first_offset >= {n})" for source, n in known.items()]
        + [f"kafka_partition NOT IN ({', '.join(map(str, known))})"]
        if known
        else ["1"]
    )
    rows = store.query(
        "SELECT kafka_partition, max(next_offset) AS next, "
        "toInt64(toUnixTimestamp64Milli(argMax(l.watermark, l.next_offset))) AS watermark_ms, "
        "toInt64(toUnixTimestamp64Milli(max(l.since))) AS since_ms "
        f"FROM ingest_log AS l WHERE stream_id = {{stream_id}} AND ({newer}) "
        "GROUP BY kafka_partition",
        {"stream_id": stream_id},
    ).to_pylist()
    return {
        int(row["kafka_partition"]): Heard(
            int(row["next"]), int(row["watermark_ms"]), int(row["since_ms"])
        )
        for row in rows
    }


def latest_since(store: Store) -> int:
    """When the latest timeline began (epoch ms); 0 for the first."""
    rows = store.query(
        "SELECT toInt64(toUnixTimestamp64Milli(max(l.since))) AS ms FROM ingest_log AS l"
    )
    return int(rows.column("ms")[0].as_py() or 0)


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets `first` to before `until` of a source: how many rows, and when they arrived (ms)."""

    stream_id: str
    source: int
    first: int
    until: int
    rows: int
    earliest: int
    latest: int


def span(store: Store, stream_id: str, source: int, first: int, until: int) -> Span:
    """What was stored there; only what lies below the source's marker may be asked for."""
    logged = store.query(
        "SELECT toInt64(toUnixTimestamp64Milli(maxIf(l.stored_at, next_offset <= {first}))) "
        "AS before, toInt64(toUnixTimestamp64Milli(maxIf(l.stored_at, first_offset < {until}))) "
        "AS latest, toInt64(sumIf(l.stored, next_offset > {first} AND first_offset < {until})) "
        "AS n FROM ingest_log AS l "
        "WHERE stream_id = {stream_id} AND kafka_partition = {source}",
        {"stream_id": stream_id, "source": source, "first": first, "until": until},
    ).to_pylist()[0]
    earliest = max(0, int(logged["before"]) - _CLOCKS_MS)
    latest = int(logged["latest"]) + _CLOCKS_MS
    return Span(stream_id, source, first, until, int(logged["n"]), earliest, latest)


def rows_between(store: Store, place: Span, kinds: Mapping[str, str]) -> pa.Table:
    """The rows of a span."""
    columns = ", ".join(columns_of(kinds))
    return store.query(
        f"SELECT {columns} FROM events WHERE stream_id = {{stream_id}} "
        "AND kafka_partition = {source} AND kafka_offset >= {first} AND kafka_offset < {until} "
        "AND arrived_at >= fromUnixTimestamp64Milli({earliest}, 'UTC') "
        "AND arrived_at <= fromUnixTimestamp64Milli({latest}, 'UTC')",
        asdict(place),
    )


def rows_after(
    store: Store,
    streams: Streams,
    taken: Decision,
    until: Decision,
    kinds: Mapping[str, str],
    slack_ms: int,
) -> Iterator[pa.Table]:
    """Rows that decision `until` covers and `taken` did not, in order of their ticks.

    `slack_ms` is by how much a row's tick can be ahead of the watermark of its batch. Later streams
    than that of `until` are left out.
    """
    condition = _fresh(streams, taken, until)
    bound = _arrival(store, streams, taken, until, slack_ms)
    if bound is None:
        return
    columns = ", ".join([*columns_of(kinds), *_PLACES])
    batches = store.stream(
        f"SELECT {columns} FROM events WHERE {condition} "
        "AND tick <= fromUnixTimestamp64Milli({slot}, 'UTC') "
        "AND tick < fromUnixTimestamp64Milli({never}, 'UTC') "
        "AND arrived_at >= fromUnixTimestamp64Milli({bound}, 'UTC') ORDER BY events.tick",
        {"slot": until.slot, "never": NEVER, "bound": bound},
    )
    for batch in batches:
        yield pa.Table.from_batches([batch])


def _fresh(streams: Streams, taken: Decision, until: Decision) -> str:
    """SQL that holds for rows not taken by the one decision, and covered by the other."""
    rank, last = streams.rank(taken.stream_id), streams.rank(until.stream_id)
    later = list(streams.ids[rank + 1 :])
    late = ["stream_id IN {later}"] if later else []
    if rank >= 0:
        late.append(
            "(stream_id = {taken} AND " + _beyond(taken.next_offsets, "kafka_offset >=") + ")"
        )
    before = list(streams.ids[:last])
    covered = ["stream_id IN {before}"] if before else []
    covered.append(
        "(stream_id = {until} AND NOT " + _beyond(until.next_offsets, "kafka_offset >=") + ")"
    )
    sql = (
        "(tick > fromUnixTimestamp64Milli({closed}, 'UTC') OR "
        + " OR ".join(late)
        + ") AND ("
        + " OR ".join(covered)
        + ")"
    )
    return expand(
        sql,
        {
            "later": later,
            "taken": taken.stream_id,
            "before": before,
            "until": until.stream_id,
            "closed": taken.slot,
        },
    )


def _beyond(next_offsets: Mapping[int, int], compared: str) -> str:
    """SQL: what is compared (`column >=`) with the offset of its source; it is beyond that of an
    unknown one."""
    if not next_offsets:
        return "1"
    pairs = sorted(next_offsets.items())
    sources = ", ".join(str(source) for source, _ in pairs)
    offsets = ", ".join(f"toUInt64({offset})" for _, offset in pairs)
    return f"{compared} transform(kafka_partition, [{sources}], [{offsets}], toUInt64(0))"


def _arrival(
    store: Store, streams: Streams, taken: Decision, until: Decision, slack_ms: int
) -> int | None:
    """Nothing that arrived before this (epoch ms) was left by `taken`; None: nothing was left.

    Rows of a batch arrived after the batch before it was stored. A batch brings nothing new when
    its offsets were taken and its ticks, not far beyond its watermark, were closed.
    """
    rank = streams.rank(taken.stream_id)
    old = "l.watermark < fromUnixTimestamp64Milli({passed}, 'UTC')"
    if rank >= 0:
        earlier = list(streams.ids[:rank])
        below = f"(stream_id = {{taken}} AND NOT {_beyond(taken.next_offsets, 'next_offset >')})"
        old += f" AND ({below}" + (" OR stream_id IN {earlier})" if earlier else ")")
    else:
        earlier, old = [], "0"
    rows = store.query(
        "SELECT stream_id, kafka_partition, toInt64(countIf(NOT is_old)) AS fresh, "
        "toInt64(toUnixTimestamp64Milli(maxIf(at, is_old))) AS bound FROM ("
        f"SELECT stream_id, kafka_partition, l.stored_at AS at, ({old}) AS is_old "
        "FROM ingest_log AS l WHERE stream_id IN {streams}) GROUP BY stream_id, kafka_partition",
        {
            "passed": max(0, taken.slot - slack_ms),
            "taken": taken.stream_id,
            "earlier": earlier,
            "streams": list(streams.ids),
        },
    ).to_pylist()
    bounds = [
        max(int(row["bound"]), streams.registered[streams.rank(row["stream_id"])])
        for row in rows
        if row["fresh"] or row["stream_id"] != until.stream_id
    ]
    return max(0, min(bounds) - _CLOCKS_MS) if bounds else None
