"""Taking over a partition: everything a worker knows of it, read back from the store.

Called when a partition is assigned. The rows below the marker (`ingest_log`) are folded again on
top of the latest snapshot; rows stored beyond it, by a worker that died in the middle of a batch,
are remembered by their place and skipped when Kafka delivers them again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.features import snapshot as snapshots
from streams.features.fold import Findings, Fold, Policy
from streams.features.rows import ROW_COLUMNS, rows_from_table, use_cases, word_codes
from streams.features.snapshot import Snapshot
from streams.features.watermark import NEVER
from streams.ingest.identities import RecentIdentities
from streams.ingest.roll_up import LEFT_BEHIND, UNFINISHED, mend
from streams.policy import log as policy_log
from streams.storage.base import Store

__all__ = ["Recovered", "identity_hashes", "push_table", "recover", "register_stream"]


@dataclass(slots=True)
class Recovered:
    """What is known of a partition; `marker` is None when this stream was never processed."""

    fold: Fold
    watermark: int
    marker: int | None
    snapshot: Snapshot | None
    since: int
    identities: RecentIdentities
    found: Findings
    after: int  # findings about ticks after this one are made again by `found` and what follows
    ruled: bool = False  # the policy log says what held
    places: set[tuple[int, int]] = field(default_factory=set)
    letters: set[tuple[int, int]] = field(default_factory=set)


def register_stream(store: Store, stream_id: str, topic: str) -> int:
    """Note a stream at its first sight; returns when that was (epoch ms)."""
    sql = (
        "SELECT toUnixTimestamp64Milli(min(registered_at)) AS at FROM streams "
        "WHERE stream_id = {stream_id} HAVING count() > 0"
    )
    rows = store.query(sql, {"stream_id": stream_id}).to_pylist()
    if rows:
        return int(rows[0]["at"])
    now_ms = time.time_ns() // 1_000_000
    moment = pa.array([now_ms], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    row = pa.table({"stream_id": [stream_id], "topic": [topic], "registered_at": moment})
    store.insert("streams", row)
    return now_ms


def recover(
    store: Store,
    policy: Policy,
    stream_id: str,
    partition: int,
    dedup_window_ms: int,
    dedup_capacity: int,
) -> Recovered:
    """Rebuild one partition from stored rows; costs what came after the last snapshot."""
    fold = Fold(policy)
    ruled = False
    known = snapshots.latest(store, partition, fold.layout.identity)
    since = 0
    if known is not None:
        snapshots.load(store, partition, fold, *known)
        since = fold.since = known[0].since
    after = fold.closed
    for rule in policy_log.history(store, partition, after=after, since=since):
        ruled = True
        then = replace(policy, detection=rule.policy, partitions=rule.partitions)
        fold.schedule(rule.tick, then)
    marker, watermark = _marker(store, stream_id, partition, since)
    watermark = max(watermark, fold.closed)  # of a timeline that was opened and has no marker yet
    found = _fold_rows(store, fold, stream_id, partition, marker or 0, since, watermark)
    state = Recovered(
        fold=fold,
        watermark=watermark,
        marker=marker,
        snapshot=None if known is None else known[0],
        since=since,
        identities=RecentIdentities(dedup_window_ms, dedup_capacity),
        found=found,
        after=after,
        ruled=ruled,
    )
    unfinished: dict[str, str | int] = {
        "stream_id": stream_id,
        "partition": partition,
        "marker": marker or 0,
    }
    state.places = _places(store, "events", unfinished)
    state.letters = _places(store, "dead_letters", unfinished)
    if state.places:
        mend(store, UNFINISHED, unfinished)
    if marker is None:
        mend(store, LEFT_BEHIND, unfinished)
    _remember_identities(store, state, unfinished)
    return state


def _marker(store: Store, stream_id: str, partition: int, since: int) -> tuple[int | None, int]:
    """Next offset of this stream, and the watermark of the timeline."""
    rows = store.query(
        "SELECT stream_id, max(next_offset) AS next, "
        "toUnixTimestamp64Milli(max(watermark)) AS watermark "
        "FROM ingest_log WHERE kafka_partition = {partition} AND stream_id IN "
        "(SELECT stream_id FROM streams "
        "WHERE registered_at >= fromUnixTimestamp64Milli({since}, 'UTC')) GROUP BY stream_id",
        {"partition": partition, "since": since},
    ).to_pylist()
    marker = next((int(row["next"]) for row in rows if row["stream_id"] == stream_id), None)
    return marker, max((int(row["watermark"]) for row in rows), default=0)


_FINISHED = (
    "kafka_partition = {partition} AND (stream_id != {stream_id} OR kafka_offset < {marker}) "
    "AND stream_id IN (SELECT stream_id FROM streams WHERE registered_at >= "
    "fromUnixTimestamp64Milli({since}, 'UTC'))"
)


def _fold_rows(
    store: Store,
    fold: Fold,
    stream_id: str,
    partition: int,
    marker: int,
    since: int,
    watermark: int,
) -> Findings:
    """Fold the finished rows that no snapshot holds; rows of earlier streams are all finished."""
    found = Findings()
    columns = ", ".join(ROW_COLUMNS)
    batches = store.stream(
        f"SELECT {columns} FROM events WHERE {_FINISHED} "
        "AND tick > fromUnixTimestamp64Milli({after}, 'UTC') "
        "AND tick < fromUnixTimestamp64Milli({never}, 'UTC') "
        "ORDER BY events.tick, kafka_offset, line",
        {
            "partition": partition,
            "stream_id": stream_id,
            "marker": marker,
            "since": since,
            "after": fold.closed,
            "never": NEVER,
        },
    )
    for batch in batches:
        table = pa.Table.from_batches([batch])
        tick = np.asarray(table.column("tick").cast(pa.int64()).to_numpy(), np.int64)
        push_table(fold, table, tick)
        found += fold.advance(min(watermark, int(tick[-1]) - fold.policy.tick_ms))
    found += fold.advance(watermark)
    return found


def push_table(fold: Fold, table: pa.Table, tick: NDArray[np.int64]) -> None:
    """Hand the fold the rows of a table of events that count at some tick."""
    codes, names = word_codes(table, "account_id")
    org_codes, orgs = word_codes(table, "org_id")
    first = np.full(len(names), -1, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    present = np.flatnonzero(first >= 0)  # a filtered table still lists the words it has lost
    rows = np.full(len(names), -1, np.int64)
    rows[present] = fold.accounts.rows(
        [names[place] for place in present.tolist()],
        [orgs[code] for code in org_codes[first[present]].tolist()],
    )
    fold.cohorts.name(use_cases(table))
    fold.push(rows_from_table(table, rows[codes], tick))


def _places(store: Store, table: str, parameters: dict[str, str | int]) -> set[tuple[int, int]]:
    rows = store.query(
        f"SELECT kafka_offset, line FROM {table} WHERE stream_id = {{stream_id}} "
        "AND kafka_partition = {partition} AND kafka_offset >= {marker}",
        parameters,
    )
    return set(
        zip(rows.column("kafka_offset").to_pylist(), rows.column("line").to_pylist(), strict=True)
    )


def _remember_identities(store: Store, state: Recovered, parameters: dict[str, str | int]) -> None:
    """Identities of recent finished events; older ones are looked up when asked for."""
    start = max(0, state.watermark - state.identities.window_ms)
    batches = store.stream(
        "SELECT account_id, event_id, toUnixTimestamp64Milli(ts) AS ts_ms FROM events "
        f"WHERE {_FINISHED} "
        "AND ts >= fromUnixTimestamp64Milli({start}, 'UTC')",
        {**parameters, "since": 0, "start": start},
    )
    for batch in batches:
        table = pa.Table.from_batches([batch])
        hashes = np.fromiter(
            map(hash, table.column("event_id").to_pylist()), np.int64, table.num_rows
        )
        codes, names = word_codes(table, "account_id")
        ts = np.asarray(table.column("ts_ms").to_numpy(), np.int64)
        state.identities.add(identity_hashes(hashes, codes, names), ts, 0)
    state.identities.known_since = max(start, state.identities.known_since)  # not what it dropped


def identity_hashes(
    event_hashes: NDArray[np.int64], codes: NDArray[np.int64], accounts: list[str]
) -> NDArray[np.uint64]:
    """(n,) identity of each event within its account, as 64 bits good in this process only."""
    account = np.fromiter(map(hash, accounts), np.int64, len(accounts)).view(np.uint64)
    mixed = account * np.uint64(0x9E37_79B9_7F4A_7C15)
    return event_hashes.view(np.uint64) ^ mixed[codes]
