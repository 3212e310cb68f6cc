"""Duplicates: found within a batch, across batches and streams; colliding hashes lose no event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from streams.ingest import partition as partitions
from streams.ingest.duplicates import first_of_each
from streams.ingest.partition import Partition
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.partitions import context, feed

TS = 1_700_000_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    directory: Path = tmp_path_factory.mktemp("duplicates")
    opened = ChdbStore(directory)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def empty(store: ChdbStore) -> ChdbStore:
    for table in ("events", "account_minute_parts", "ingest_log", "streams", "dead_letters"):
        store.command(f"TRUNCATE TABLE {table}")
    return store


def line(event: str, account: str = "a", ts: int = TS) -> bytes:
    return json.dumps({"event_id": event, "account_id": account, "ts": ts}).encode()


def stored(store: ChdbStore) -> list[tuple[str, str]]:
    rows = store.query("SELECT account_id, event_id FROM events ORDER BY ALL").to_pylist()
    return [(row["account_id"], row["event_id"]) for row in rows]


def collide(
    event_hashes: NDArray[np.int64], codes: NDArray[np.int64], accounts: list[str]
) -> NDArray[np.uint64]:
    return np.full(len(event_hashes), 42, np.uint64)


def test_the_first_of_a_batch_counts_and_refused_ones_do_not_stand_in_the_way() -> None:
    names = [("a", "1"), ("a", "1"), ("b", "1"), ("a", "1"), ("a", "2")]
    events = pa.table({"account_id": [n for n, _ in names], "event_id": [e for _, e in names]})
    for identities in ([7, 7, 8, 7, 9], [7] * 5):
        hashes = np.array(identities, np.uint64)
        every = np.ones(5, bool)
        assert first_of_each(hashes, events, every).tolist() == [True, False, True, False, True]
        kept = np.array([False, True, True, True, True])
        assert (first_of_each(hashes, events, kept) & kept).tolist() == [
            False,
            True,
            True,
            False,
            True,
        ]


def test_within_a_batch_across_batches_and_across_streams(empty: ChdbStore) -> None:
    first = Partition(context(empty), 0)
    counts = feed(first, [line("1"), line("1") + b"\n" + line("2"), line("1", "b")], 0)
    assert (counts.stored, counts.duplicates) == (3, 1)
    counts = feed(first, [line("2"), line("3")], 3)
    assert (counts.stored, counts.duplicates) == (1, 1)
    second = Partition(context(empty, "stream-2"), 0)
    counts = feed(second, [line("3"), line("1", "b"), line("2", "b")], 0)
    assert (counts.stored, counts.duplicates) == (1, 2)
    assert stored(empty) == [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("b", "2")]


@pytest.mark.parametrize("window_ms", [600_000, 1])
def test_an_event_long_past_the_memory_is_looked_up(empty: ChdbStore, window_ms: int) -> None:
    part = Partition(context(empty, dedup_window_ms=window_ms), 0)
    feed(part, [line("1"), line("2")], 0)
    feed(part, [line("late", ts=TS + 3_000_000)], 2)
    counts = feed(part, [line("1"), line("2"), line("3", ts=TS + 1)], 3)
    assert (counts.stored, counts.duplicates) == (1, 2)


def test_a_restarted_worker_does_not_trust_a_memory_that_was_too_small(empty: ChdbStore) -> None:
    """What the rebuild itself had to let go for want of room is looked up, not taken for new."""
    values = [line(f"e{n}", ts=TS + 500 * n) for n in range(1000)]
    feed(Partition(context(empty), 0), values, 0)
    small = Partition(context(empty, "stream-2", dedup_capacity=100), 0)
    counts = feed(small, values, 0)
    assert (counts.stored, counts.duplicates) == (0, 1000)


def test_colliding_hashes_lose_no_event(empty: ChdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "identity_hashes", collide)
    part = Partition(context(empty), 0)
    wanted = [(account, f"e{n}") for account in ("a", "b") for n in range(40)]
    values = [line(event, account) for account, event in wanted]
    total = 0
    for first in range(0, len(values), 16):
        total += feed(
            part, values[first : first + 16] + values[first : first + 3], 3 * first
        ).stored
    assert total == len(wanted)
    assert stored(empty) == sorted(wanted)


def test_accounts_and_ids_may_hold_any_text(empty: ChdbStore) -> None:
    odd = ["it's", "back\\slash", "new\nline", "nul\0", "{events}", "ü ☃ 𝛑", "<b>&amp;", "a', 'b"]
    values = [line(event, account) for event in odd for account in odd]
    assert feed(Partition(context(empty), 0), values, 0).stored == 64
    again = Partition(context(empty, "stream-2", dedup_capacity=1, dedup_window_ms=1), 0)
    counts = feed(again, values, 0)
    assert (counts.stored, counts.duplicates) == (0, 64)
    assert stored(empty) == sorted(
        ((a, e) for a in odd for e in odd), key=lambda p: (p[0].encode(), p[1].encode())
    )
