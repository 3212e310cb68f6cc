"""A worker dies at any write, another one goes on: the tables must not tell.

The store is real; only the moment of death is chosen. Each death is followed by a new partition
object, which knows nothing but what is stored, and by fetches cut differently.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from streams.ingest.partition import Partition, Superseded
from streams.storage.base import Parameters, Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.property.test_fold import START, busy_stream
from tests.support.partitions import context, feed, tables
from tests.support.stores import fresh_store

MESSAGE_LINES = 20


class Death(BaseException):
    """The process is gone."""


class Mortal:
    """A store whose owner dies before or after its n-th write."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.left = -1
        self.before = False

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        self.left -= 1
        if self.left == 0 and self.before:
            raise Death
        self.store.insert(table, rows, token)
        if self.left == 0:
            raise Death

    def query(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        return self.store.query(sql, parameters)

    def stream(self, sql: str, parameters: Parameters | None = None) -> Iterator[pa.RecordBatch]:
        return self.store.stream(sql, parameters)

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        self.store.command(sql, parameters)

    def close(self) -> None:
        self.store.close()


def messages() -> list[bytes]:
    """The busy stream as NDJSON messages, with duplicates and garbage in it."""
    lines, _, _ = busy_stream()
    values = [b"\n".join(lines[i : i + MESSAGE_LINES]) for i in range(0, len(lines), MESSAGE_LINES)]
    for place in range(40, len(values), 97):
        values[place] += b"\n" + lines[place * 3] + b"\n{garbage"
    return [*values, b'{"heartbeat": %d}' % (START + 5 * 3_600_000)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    store = ChdbStore(tmp_path_factory.mktemp("undisturbed"))
    try:
        migrate(store)
        partition = Partition(context(store), 0)
        values = messages()
        for first in range(0, len(values), 200):
            feed(partition, values[first : first + 200], first)
        assert store.query("SELECT count() AS n FROM alerts").to_pylist() == [{"n": 2}]
        return tables(store)
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(3))
def test_deaths_leave_no_trace(seed: int, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    rng = random.Random(seed)
    store = Mortal(ChdbStore(tmp_path))
    try:
        migrate(store.store)
        values = messages()
        deaths = 0
        partition = Partition(context(store), 0)
        while (first := partition.marker) < len(values):
            if deaths < 12:
                store.left, store.before = rng.randint(1, 6), rng.random() < 0.5
            try:
                feed(partition, values[first : first + rng.randint(10, 90)], first)
                if rng.random() < 0.4:
                    partition.maybe_snapshot(at_once=True)
            except Death:
                deaths += 1
                store.left = -1
                partition = revived(store)
        assert deaths >= 5
        assert_equal(tables(store.store), undisturbed)
    finally:
        store.close()


def revived(store: Mortal) -> Partition:
    return Partition(context(store), 0)


def assert_equal(found: dict[str, bytes], wanted: dict[str, bytes]) -> None:
    assert {name for name, rows in wanted.items() if found[name] != rows} == set()


def test_a_roll_up_that_missed_a_block_is_mended(tmp_path: Path) -> None:
    """A process may die between the part of `events` and the part of its view."""
    store = ChdbStore(tmp_path)
    try:
        migrate(store)
        values = messages()
        partition = Partition(context(store), 0)
        feed(partition, values[:100], 0)
        before = store.query("SELECT sum(requests) AS n FROM account_minute").to_pylist()
        store.command("DETACH TABLE account_minute_feed")
        with pytest.raises(Death):
            _die_after_events(store, values[100:150])
        store.command("ATTACH TABLE account_minute_feed")
        assert store.query("SELECT sum(requests) AS n FROM account_minute").to_pylist() == before
        feed(Partition(context(store), 0), values[100:150], 100)
        sums = store.query(
            "SELECT (SELECT sum(requests) FROM account_minute) AS a, count() AS b FROM events"
        )
        assert sums.to_pylist()[0]["a"] == sums.to_pylist()[0]["b"] > 2000
    finally:
        store.close()


@pytest.mark.parametrize("late", [False, True])
def test_rows_that_a_frozen_owner_stored_as_well_count_once_in_the_roll_up(
    tmp_path: Path, late: bool
) -> None:
    """Its insert was under way when it was frozen, and went through when it woke up: before the one
    who took over looks again, or only then."""
    with fresh_store(tmp_path) as store:
        values = messages()
        frozen = Partition(context(store), 0)
        feed(frozen, values[:100], 0)
        owner = Partition(context(store), 0)
        if not late:
            _wake(frozen, values[100:150])
        feed(owner, values[100:160], 100)  # the batch is cut in another way: no token is the same
        if late:
            _wake(frozen, values[100:150])
        assert _sums(store)[0] > _sums(store)[1], "the roll-up counts what both have stored"
        if late:
            owner.maybe_snapshot(at_once=True)
        else:
            Partition(context(store), 0)
        rolled_up, stored = _sums(store)
        assert rolled_up == stored > 2000


def _wake(frozen: Partition, values: list[bytes]) -> None:
    """Its rows go in; it meets its end, or notices, before it can store the marker."""
    mortal = Mortal(frozen.context.store)
    mortal.left = 1
    frozen.context = replace(frozen.context, store=mortal)
    with pytest.raises(Death):
        feed(frozen, values, 100)


def _sums(store: Store) -> tuple[int, int]:
    """Requests in the roll-up, and events."""
    sums = store.query(
        "SELECT (SELECT sum(requests) FROM account_minute) AS a, count() AS b FROM events FINAL"
    )
    return int(sums["a"][0].as_py()), int(sums["b"][0].as_py())


def _die_after_events(store: Store, values: list[bytes]) -> None:
    mortal = Mortal(store)
    partition = Partition(context(mortal), 0)
    mortal.left = 1
    feed(partition, values, 100)


def test_a_second_stream_of_the_same_events_changes_nothing(tmp_path: Path) -> None:
    """The embedded broker forgets its topics: a replay sends everything again at new offsets."""
    store = ChdbStore(tmp_path)
    try:
        migrate(store)
        values = messages()
        feed(Partition(context(store, "stream-1"), 0), values, 0)
        first = tables(store)
        second = Partition(context(store, "stream-2"), 0)
        counts = feed(second, [b"", *values], 0)
        assert counts.stored == 0
        assert counts.duplicates > 10_000
        again = tables(store)
        for name in first:
            if name != "dead_letters":
                assert again[name] == first[name]
    finally:
        store.close()


def test_a_worker_that_slept_through_its_loss_writes_nothing(tmp_path: Path) -> None:
    store = ChdbStore(tmp_path)
    try:
        migrate(store)
        values = messages()
        sleeper = Partition(context(store, lease_s=0.0), 0)
        feed(sleeper, values[:50], 0)
        successor = Partition(context(store), 0)
        feed(successor, values[50:120], 50)
        before = tables(store)
        with pytest.raises(Superseded, match=r"stored up to offset 120, this one was at 50"):
            feed(sleeper, values[50:90], 50)
        assert tables(store) == before
    finally:
        store.close()
