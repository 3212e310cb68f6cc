"""Snapshots of the fold as rows of `account_state` and `fold_snapshots`, and the way back.

Written after a batch is stored; a full snapshot opens a generation, later ones add the accounts
that changed. A snapshot counts when its row stands in `fold_snapshots`, so a crash in the middle
leaves the one before valid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.features import windows
from streams.features.fold import Fold
from streams.storage.base import Store
from streams.storage.generations import drop_older

__all__ = ["Snapshot", "latest", "load", "save"]

_BLOCK: Final = 1 << 15
_STEPS: Final = 8  # snapshots of changes on top of a full one, before the next full one
_TIME = pa.timestamp("ms", "UTC")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `fold_snapshots` knows of one: `tick` is the last tick in it, both in epoch ms."""

    generation: int
    step: int
    tick: int
    since: int  # streams registered before this moment (epoch ms) belong to an older timeline


def latest(store: Store, partition: int, layout: str) -> tuple[Snapshot, dict[str, Any]] | None:
    """The newest complete snapshot of a partition in this layout, with the fold's own state."""
    rows = store.query(
        "SELECT generation, toUnixTimestamp64Milli(tick) AS tick, fold FROM fold_snapshots "
        "WHERE kafka_partition = {partition} AND layout = {layout} "
        "ORDER BY generation DESC, fold_snapshots.tick DESC, taken_at DESC LIMIT 1",
        {"partition": partition, "layout": layout},
    ).to_pylist()
    if not rows:
        return None
    fold = msgspec.json.decode(rows[0]["fold"])
    return Snapshot(rows[0]["generation"], fold["step"], rows[0]["tick"], fold["since"]), fold


def load(
    store: Store, partition: int, fold: Fold, snapshot: Snapshot, state: dict[str, Any]
) -> None:
    """Fill an empty fold with a snapshot."""
    accounts, size = fold.accounts, fold.layout.dtype.itemsize
    batches = store.stream(
        "SELECT account_id, org_id, toUnixTimestamp64Milli(last_seen) AS stamp, state "
        "FROM account_state "
        "WHERE kafka_partition = {partition} AND generation = {generation} "
        # Of an account's rows the last counts; a full snapshot has one each, and sorting is dear.
        "AND tick <= fromUnixTimestamp64Milli({tick}, 'UTC')"
        + (" ORDER BY tick" if snapshot.step else ""),
        {"partition": partition, "generation": snapshot.generation, "tick": snapshot.tick},
    )
    for batch in batches:
        names = batch.column("account_id").to_pylist()
        rows = accounts.rows(names, batch.column("org_id").to_pylist())
        accounts.words()[rows] = _words(batch.column("state"), size)
        accounts.stamp[rows] = batch.column("stamp").to_numpy()
    gone = np.flatnonzero(accounts.stamp[: len(accounts.names)] < state["evicted_before"])
    if len(gone):
        accounts.evict(state["evicted_before"], np.zeros(0, np.int64))
    fold.load(state)
    fold.closed = snapshot.tick


def _words(column: pa.Array, size: int) -> NDArray[np.uint64]:
    """(n, words) of a column of records of `size` bytes each, where they lie: nothing is copied."""
    column = column.cast(pa.large_binary())
    offsets = np.frombuffer(column.buffers()[1], np.int64)[column.offset :][: len(column) + 1]
    content = np.frombuffer(column.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    assert (np.diff(offsets) == size).all()
    return content.view(np.uint64).reshape(len(column), -1)


def save(
    store: Store, partition: int, fold: Fold, before: Snapshot | None, since: int, now_ms: int
) -> Snapshot:
    """Write what changed since `before` (everything when there is none, or after some steps)."""
    accounts = fold.accounts
    used = len(accounts.names)
    full = before is None or before.step >= _STEPS or before.since != since
    if before is not None and not full:
        rows = np.flatnonzero(accounts.dirty[:used])
        snapshot = replace(before, step=before.step + 1, tick=fold.closed)
        full = len(rows) * 2 > len(accounts)
    if full or before is None:
        rows = np.flatnonzero(accounts.stamp[:used] > 0)
        generation = max(now_ms, 0 if before is None else before.generation + 1)
        snapshot = Snapshot(generation, 0, fold.closed, since)
    for number, block in enumerate(_blocks(fold, rows, partition, snapshot)):
        token = f"state:{partition}:{snapshot.generation}:{snapshot.step}:{snapshot.tick}:{number}"
        store.insert("account_state", block, token)
    store.insert("fold_snapshots", _summary(fold, partition, snapshot, now_ms))
    accounts.dirty[:used] = False
    if full:
        drop_older(store, "account_state", "kafka_partition", partition, snapshot.generation)
    return snapshot


def _summary(fold: Fold, partition: int, snapshot: Snapshot, now_ms: int) -> pa.Table:
    state = {"step": snapshot.step, "since": snapshot.since, **fold.dump()}
    return pa.table(
        {
            "kafka_partition": pa.array([partition], pa.uint32()),
            "generation": pa.array([snapshot.generation], pa.uint64()),
            "tick": _times([snapshot.tick]),
            "layout": [fold.layout.identity],
            "accounts": pa.array([len(fold.accounts)], pa.uint64()),
            "fold": [msgspec.json.encode(state).decode()],
            "taken_at": _times([now_ms]),
        }
    )


def _times(values: Any) -> pa.Array:
    return pa.array(values, pa.int64()).cast(_TIME)


def _blocks(
    fold: Fold, rows: NDArray[np.int64], partition: int, snapshot: Snapshot
) -> Iterator[pa.Table]:
    accounts = fold.accounts
    size = fold.layout.dtype.itemsize
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        count = len(block)
        records = accounts.state[block]
        offsets = np.arange(count + 1, dtype=np.int32) * size
        content = pa.py_buffer(np.ascontiguousarray(records).view(np.uint8))
        binary = pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), content])
        standing = windows.standing_at(
            accounts.state, fold.layout, accounts.stamp, block, fold.closed
        )
        counts = windows.totals(standing, fold.layout)
        yield pa.table(
            {
                "kafka_partition": pa.array(np.full(count, partition, np.uint32)),
                "generation": pa.array(np.full(count, snapshot.generation, np.uint64)),
                "tick": _times(np.full(count, snapshot.tick, np.int64)),
                "account_id": pa.array([accounts.names[row] for row in block.tolist()]),
                "org_id": pa.array([accounts.orgs[row] for row in block.tolist()]),
                "last_seen": _times(accounts.stamp[block]),
                **{name: pa.array(column) for name, column in counts.items()},
                "state": binary,
            }
        )
