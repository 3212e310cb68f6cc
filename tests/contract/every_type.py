"""A table with every column type of the schema, and rows with the extremes of each."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pyarrow as pa

from streams.storage.base import Store

__all__ = [
    "EVERY_TYPE",
    "MILLIS",
    "NASTY",
    "SECONDS",
    "create_every_type",
    "every_type",
    "read_every_type",
]

EVERY_TYPE = {
    "n": "UInt64",
    "text": "String",
    "bytes": "String",
    "word": "LowCardinality(String)",
    "u8": "UInt8",
    "u16": "UInt16",
    "u32": "UInt32",
    "f32": "Float32",
    "f64": "Float64",
    "second": "DateTime('UTC')",
    "milli": "DateTime64(3, 'UTC')",
    "maybe": "Nullable(DateTime64(3, 'UTC'))",
    "texts": "Array(String)",
    "signed": "Int64",
    "places": "Array(UInt32)",
    "hashes": "Array(UInt64)",
    "counts": "Map(LowCardinality(String), UInt32)",
    "scores": "Map(LowCardinality(String), Float32)",
    "drivers": "Map(LowCardinality(String), Float64)",
    "extra": "Map(LowCardinality(String), String)",
}
MAX_TIME = datetime(2200, 1, 1, tzinfo=UTC)
NASTY = ["", "\0a\0", "é😀 \u202e", "<script>alert('1')</script>", "a'b\\c\n\t\"`{x}", "x" * 70_000]
SECONDS, MILLIS = pa.timestamp("s", "UTC"), pa.timestamp("ms", "UTC")


def every_type() -> pa.Table:
    """Six rows with the extremes of every column."""
    count = len(NASTY)
    zero = datetime(1970, 1, 1, tzinfo=UTC)
    now = datetime(2026, 5, 4, 3, 2, 1, 987_000, tzinfo=UTC)
    last_second = datetime.fromtimestamp(2**32 - 1, UTC)
    raw = [b"", b"\xff\xfe\0\x80", bytes(range(256)), b"plain", b"\0", b"\xc3" * 300]
    return pa.table(
        {
            "n": pa.array([0, 1, 2, 3, 4, 2**64 - 1], pa.uint64()),
            "text": pa.array(NASTY),
            "bytes": pa.array(raw, pa.binary()),
            "word": pa.array(NASTY).dictionary_encode(),
            "u8": pa.array([0, 255] * 3, pa.uint8()),
            "u16": pa.array([0, 2**16 - 1] * 3, pa.uint16()),
            "u32": pa.array([0, 2**32 - 1] * 3, pa.uint32()),
            "f32": pa.array([0.0, -0.5, 3.0e38, math.inf, -math.inf, 1.25], pa.float32()),
            "f64": pa.array([0.0, 5e-324, 1.7e308, math.inf, -math.inf, 0.1], pa.float64()),
            "second": pa.array([zero, last_second] * 3, SECONDS),
            "milli": pa.array([zero, now, MAX_TIME] * 2, MILLIS),
            "maybe": pa.array([None, now, MAX_TIME] * 2, MILLIS),
            "texts": pa.array([[], NASTY, [""], ["a", "b"], [], ["z"]], pa.list_(pa.string())),
            "signed": pa.array([0, -1, 2**63 - 1, -(2**63), 5, -5], pa.int64()),
            "places": pa.array([[], [0, 2**32 - 1], [1], [], [2], [3]], pa.list_(pa.uint32())),
            "hashes": pa.array([[], [0, 2**64 - 1], [1], [], [2], [3]], pa.list_(pa.uint64())),
            "counts": pa.array(
                [[], [("a", 2**32 - 1)], [], [("", 0)], [], []],
                pa.map_(pa.string(), pa.uint32()),
            ),
            "scores": pa.array(
                [[], [("hate", 0.5), ("", 0.25)], [], [("é", 1.0)], [("a\0", 0.0)], []],
                pa.map_(pa.string(), pa.float32()),
            ),
            "drivers": pa.array([[("m", 1e-300)]] * count, pa.map_(pa.string(), pa.float64())),
            "extra": pa.array([[("k", text)] for text in NASTY], pa.map_(pa.string(), pa.string())),
        }
    )


def create_every_type(store: Store) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in EVERY_TYPE.items())
    store.command(f"CREATE TABLE every_type ({columns}) ENGINE = MergeTree ORDER BY n")


def read_every_type(store: Store) -> pa.Table:
    return store.query(f"SELECT {', '.join(EVERY_TYPE)} FROM every_type ORDER BY n")
