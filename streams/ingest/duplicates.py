"""Which events of a batch are duplicates: of one another, or of what is stored. Exact."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.storage.base import Store

__all__ = ["first_of_each", "stored_before"]

_AT_ONCE = 4000  # identities in one look-up: keeps the statement below ClickHouse's 256 KiB
_TEXT_LIMIT = 200_000


def first_of_each(
    identities: NDArray[np.uint64], events: pa.Table, kept: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(n,) False for an event that stood earlier among the kept ones; equal hashes are compared."""
    first = np.ones(len(identities), bool)
    order = np.argsort(identities, kind="stable")
    ordered = identities[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    if not len(again):
        return first
    suspects = np.sort(order[np.unique(np.concatenate((again - 1, again)))])
    suspects = suspects[kept[suspects]]
    rows = events.select(["account_id", "event_id"]).take(pa.array(suspects)).to_pylist()
    seen: set[tuple[str, str]] = set()
    for place, row in zip(suspects.tolist(), rows, strict=True):
        name = (row["account_id"], row["event_id"])
        first[place] = name not in seen
        seen.add(name)
    return first


def stored_before(
    store: Store,
    events: pa.Table,
    ts: NDArray[np.int64],
    suspects: NDArray[np.int64],
    known_since: int,
    place: tuple[str, int, int],
) -> NDArray[np.bool_]:
    """(k,) True for suspects (row numbers) that the store holds under another place.

    Recent events match by account and event_id; events older than what memory covers also by time.
    Rows of `place` (stream, partition, at or after this offset) are this delivery's own.
    """
    found = np.zeros(len(suspects), bool)
    columns = events.select(["account_id", "event_id"]).take(pa.array(suspects))
    names = list(zip(*(columns.column(i).to_pylist() for i in range(2)), strict=True))
    size = 0
    start = 0
    for end, (account, event) in enumerate(names, 1):
        size += len(account) + len(event) + 12
        if end - start >= _AT_ONCE or size >= _TEXT_LIMIT or end == len(names):
            part = slice(start, end)
            found[part] = _look_up(store, names[part], ts[suspects[part]], known_since, place)
            start, size = end, 0
    return found


def _look_up(
    store: Store,
    names: list[tuple[str, str]],
    ts: NDArray[np.int64],
    known_since: int,
    place: tuple[str, int, int],
) -> NDArray[np.bool_]:
    stream_id, partition, marker = place
    old = ts < known_since
    rows = store.query(
        "SELECT account_id, event_id, toUnixTimestamp64Milli(ts) AS ts_ms FROM events "
        "WHERE account_id IN {accounts} AND event_id IN {events} "
        "AND ts >= fromUnixTimestamp64Milli({low}, 'UTC') "
        "AND ts <= fromUnixTimestamp64Milli({high}, 'UTC') AND NOT (stream_id = {stream_id} "
        "AND kafka_partition = {partition} AND kafka_offset >= {marker})",
        {
            "accounts": sorted({account for account, _ in names}),
            "events": [event for _, event in names],
            "low": int(ts.min()) if old.all() else 0,
            "high": int(ts.max()) if old.all() else 7_258_118_400_000,
            "stream_id": stream_id,
            "partition": partition,
            "marker": marker,
        },
    ).to_pylist()
    held: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        held.setdefault((row["account_id"], row["event_id"]), set()).add(int(row["ts_ms"]))
    hits = [
        name in held and (not is_old or time in held[name])
        for name, is_old, time in zip(names, old.tolist(), ts.tolist(), strict=True)
    ]
    return np.array(hits, bool)
