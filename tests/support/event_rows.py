"""Rows of the table `events`, as the ingest stage hands them to a store."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["event_rows"]

_MILLISECONDS = pa.timestamp("ms", "UTC")


def event_rows(
    count: int, *, seed: int = 0, accounts: int = 100, start: int | None = None
) -> pa.Table:
    """`count` events with every column filled; event ids differ between seeds.

    Args:
        start: event time of the first row, epoch ms; three ms from row to row.
    """
    random = np.random.default_rng(seed)
    now = int(time.time() * 1000)
    times = pa.array((now if start is None else start) + 3 * np.arange(count), _MILLISECONDS)

    def words(name: str, different: int) -> pa.Array:
        keys = pa.array(random.integers(0, different, count).astype(np.int32))
        return pa.DictionaryArray.from_arrays(keys, [f"{name}-{n}" for n in range(different)])

    def numbers(below: int, kind: Any = np.uint32) -> pa.Array:
        return pa.array(random.integers(0, below, count).astype(kind))

    def offsets(each: int) -> pa.Array:
        return pa.array((each * np.arange(count + 1)).astype(np.int32))

    bands = pa.array([f"{n:08x}" for n in random.integers(0, 2**32, 4 * count)], pa.string())
    categories = pa.array(["hate", "sexual", "medical_spam"] * count, pa.string())
    scores = pa.array(random.random(3 * count).astype(np.float32))
    nothing = pa.array([], pa.string())
    return pa.table(
        {
            "event_id": pa.array([f"{seed:08x}{n:016x}" for n in range(count)], pa.string()),
            "ts": times,
            "account_id": words("acct", accounts),
            "org_id": words("org", 1 + accounts // 4),
            "key_id": words("key", 2 * accounts),
            "end_user": words("user", 5 * accounts),
            "endpoint": words("chat", 3),
            "model": words("model", 6),
            "status": pa.array(random.choice([200, 200, 200, 429, 500], count).astype(np.uint16)),
            "error": words("error", 3),
            "prompt_tokens": numbers(3000),
            "completion_tokens": numbers(900),
            "max_tokens": numbers(4096),
            "latency_ms": numbers(5000),
            "stream": numbers(2, np.uint8),
            "ip_hash": words("ip", 2 * accounts),
            "network": words("net", 300),
            "country": words("C", 50),
            "user_agent": words("Mozilla/5.0 (X11; Linux x86_64) like Gecko", 40),
            "payment": words("card", accounts),
            "account_created_at": times,
            "use_case": words("case", 8),
            "quota_used": pa.array(random.random(count).astype(np.float32)),
            "template": words("t", 3000),
            "bands": pa.ListArray.from_arrays(offsets(4), bands),
            "moderation": pa.MapArray.from_arrays(offsets(3), categories, scores),
            "extra": pa.MapArray.from_arrays(offsets(0), nothing, nothing),
            "stream_id": words("stream", 1),
            "kafka_partition": numbers(1),
            "kafka_offset": pa.array(np.arange(count).astype(np.uint64)),
            "line": numbers(1),
            "tick": times,
            "late": numbers(1, np.uint8),
            "arrived_at": pa.array(np.full(count, now), _MILLISECONDS),
        }
    )
