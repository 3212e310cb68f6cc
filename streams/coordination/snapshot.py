"""Rings of a signals partition as rows of `coordination_state`, and the way back.

A generation counts when its row stands in `coordination_snapshots`; a crash in the middle leaves
the one before valid. What came after it is made again from stored events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from streams.storage.base import Store
from streams.storage.generations import drop_older

__all__ = ["Snapshot", "latest", "load", "save"]

_CHUNK: Final = 8 << 20  # bytes in one row
_TIME: Final = pa.timestamp("ms", "UTC")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `coordination_snapshots` knows of one; times are epoch ms."""

    generation: int
    since: int
    slot: int
    arrays: Mapping[str, tuple[Any, tuple[int, ...]]]  # type and shape


def latest(store: Store, partition: int, since: int, layout: str) -> Snapshot | None:
    """The newest complete snapshot of a timeline in this layout."""
    rows = store.query(
        "SELECT generation, toInt64(toUnixTimestamp64Milli(s.slot)) AS slot_ms, arrays "
        "FROM coordination_snapshots AS s WHERE signals_partition = {partition} "
        "AND s.since = fromUnixTimestamp64Milli({since}, 'UTC') AND layout = {layout} "
        "ORDER BY generation DESC LIMIT 1",
        {"partition": partition, "since": since, "layout": layout},
    ).to_pylist()
    if not rows:
        return None
    arrays = {
        name: (_type(kind), tuple(shape))
        for name, (kind, shape) in msgspec.json.decode(rows[0]["arrays"]).items()
    }
    return Snapshot(int(rows[0]["generation"]), since, int(rows[0]["slot_ms"]), arrays)


def load(store: Store, partition: int, snapshot: Snapshot) -> dict[str, NDArray[Any]] | None:
    """The arrays; None when rows are missing (a newer generation dropped them meanwhile)."""
    parts: dict[str, list[bytes]] = {name: [] for name in snapshot.arrays}
    batches = store.stream(
        "SELECT name, state FROM coordination_state WHERE signals_partition = {partition} "
        "AND generation = {generation} ORDER BY coordination_state.name, part",
        {"partition": partition, "generation": snapshot.generation},
    )
    for batch in batches:
        values = batch.column("state").cast(pa.binary()).to_pylist()
        for name, value in zip(batch.column("name").to_pylist(), values, strict=True):
            parts[name].append(value)
    arrays = {}
    for name, (kind, shape) in snapshot.arrays.items():
        content = bytearray(b"".join(parts[name]))
        if len(content) != kind.itemsize * int(np.prod(shape)):
            return None
        arrays[name] = np.frombuffer(content, kind).reshape(shape)
    return arrays


def save(
    store: Store,
    partition: int,
    since: int,
    slot: int,
    layout: str,
    arrays: Mapping[str, NDArray[Any]],
    generation: int,
    now_ms: int,
) -> Snapshot:
    """Write a generation (later ones have higher numbers), then drop those before it."""
    size = 0
    for name, array in arrays.items():
        content = array.tobytes()
        size += len(content)
        for part, start in enumerate(range(0, len(content), _CHUNK)):
            row = {
                "signals_partition": pa.array([partition], pa.uint32()),
                "generation": pa.array([generation], pa.uint64()),
                "name": [name],
                "part": pa.array([part], pa.uint32()),
                "state": pa.array([content[start : start + _CHUNK]], pa.binary()),
            }
            token = f"rings:{partition}:{generation}:{name}:{part}"
            store.insert("coordination_state", pa.table(row), token)
    described = {
        name: (npy.dtype_to_descr(array.dtype), array.shape) for name, array in arrays.items()
    }
    summary = {
        "signals_partition": pa.array([partition], pa.uint32()),
        "generation": pa.array([generation], pa.uint64()),
        "since": pa.array([since], pa.int64()).cast(_TIME),
        "slot": pa.array([slot], pa.int64()).cast(_TIME),
        "layout": [layout],
        "arrays": [msgspec.json.encode(described).decode()],
        "bytes": pa.array([size], pa.uint64()),
        "taken_at": pa.array([now_ms], pa.int64()).cast(_TIME),
    }
    store.insert("coordination_snapshots", pa.table(summary))
    drop_older(store, "coordination_state", "signals_partition", partition, generation)
    kinds = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    return Snapshot(generation, since, slot, kinds)


def _type(described: Any) -> np.dtype[Any]:
    """A type as JSON has it: field lists came back as lists."""
    if isinstance(described, list):
        described = [tuple(field) for field in described]
    return npy.descr_to_dtype(described)
