"""The checker of the chaos run sees what it must see: each fault is put in by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.ingest.partition import Partition
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.chaos.proof import Expected, Record, compared, contents, expected_of, judged
from tests.chaos.traffic import DEFECT, Message, messages
from tests.support.partitions import context, feed

PARTITIONS = 2


@pytest.fixture(scope="module")
def sent() -> list[Message]:
    return list(itertools.islice(messages(3, PARTITIONS), 400))


def _records(sent: list[Message]) -> list[Record]:
    offsets = [itertools.count() for _ in range(PARTITIONS)]
    return [(m.partition, next(offsets[m.partition]), m.value) for m in sent]


@pytest.fixture
def store(sent: list[Message], tmp_path: Path) -> Iterator[ChdbStore]:
    """All of it stored by real partitions."""
    made = ChdbStore(tmp_path)
    migrate(made)
    where = context(made)
    for number in range(PARTITIONS):
        values = [m.value for m in sent if m.partition == number]
        feed(Partition(where, number), values, 0)
    yield made
    made.close()


@pytest.fixture
def expected(sent: list[Message]) -> Expected:
    return expected_of(_records(sent))


def test_the_traffic_is_the_same_again_and_has_all_of_it_in_it(sent: list[Message]) -> None:
    assert list(itertools.islice(messages(3, PARTITIONS), 400)) == sent
    lines = [line for m in sent for line in m.value.split(b"\n")]
    defects = [line for line in lines if DEFECT in line]
    assert defects
    assert len(set(lines)) < len(lines)
    expected = expected_of(_records(sent))
    assert len(expected.events) + len(defects) < expected.lines == len(lines)


def test_a_whole_store_passes(store: ChdbStore, expected: Expected) -> None:
    verdict = judged(store, expected)
    assert verdict, verdict.details()
    assert verdict.line() == (
        "lost 0, doubled 0, strange 0, roll-up equal, markers equal, incidents equal"
    )
    assert compared(contents(store), contents(store)) == []


def test_a_deleted_row_is_lost_and_leaves_the_roll_up(store: ChdbStore, expected: Expected) -> None:
    (account, event), place = next(iter(expected.events.items()))
    store.command("DELETE FROM events WHERE event_id = {event}", {"event": event})
    verdict = judged(store, expected)
    assert not verdict
    assert verdict.lost == [f"event {(account, event)} of {place}"]
    assert len(verdict.roll_up) == 1
    assert account in verdict.roll_up[0]


def test_a_doubled_row_is_doubled_and_after_a_merge_still_seen_in_the_roll_up(
    store: ChdbStore, expected: Expected
) -> None:
    account, event = next(iter(expected.events))
    store.command("SYSTEM STOP MERGES events")
    store.command(
        "INSERT INTO events SELECT * FROM events WHERE event_id = {event}", {"event": event}
    )
    verdict = judged(store, expected)
    assert verdict.doubled == [f"event {(account, event)} stored 2 times"]
    store.command("SYSTEM START MERGES events")
    store.command("OPTIMIZE TABLE events FINAL")
    verdict = judged(store, expected)
    assert verdict.doubled == []
    assert len(verdict.roll_up) == 1
    assert "too many by 1 requests" in verdict.roll_up[0]


def test_a_lost_and_a_doubled_dead_letter(store: ChdbStore, expected: Expected) -> None:
    first, second = sorted(expected.letters)[:2]
    row = "kafka_partition = {p} AND kafka_offset = {o} AND line = {l}"
    store.command(f"DELETE FROM dead_letters WHERE {row}", dict(zip("pol", second, strict=True)))
    store.command("SYSTEM STOP MERGES dead_letters")
    store.command(
        f"INSERT INTO dead_letters SELECT * FROM dead_letters WHERE {row}",
        dict(zip("pol", first, strict=True)),
    )
    verdict = judged(store, expected)
    assert verdict.lost == [f"dead letter of {second}"]
    assert verdict.doubled == [f"dead letter of {first} stored 2 times"]


def test_a_missing_batch_leaves_a_gap(store: ChdbStore, expected: Expected) -> None:
    store.command(
        "INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, next_offset, stored, "
        "stored_at) VALUES ('stream-1', 1, 5000, 5010, 3, now64(3))"
    )
    verdict = judged(store, expected)
    assert "partition 1: a batch ends at" in verdict.markers[0]
    assert "batches say they stored" in verdict.markers[1]


def test_a_difference_between_two_runs_names_row_and_column(store: ChdbStore) -> None:
    before = contents(store)
    store.command(
        "INSERT INTO alerts (alert_id, account_id, observed) "
        "VALUES ('a1', 'acct', 7), ('a2', 'b', 1)"
    )
    store.command("DELETE FROM events WHERE kafka_offset = 0 AND line = 0")
    after = contents(store)
    found = compared(after, before)
    assert found[0].startswith("events: ")
    assert "only in the undisturbed run" in found[1]
    store.command("ALTER TABLE alerts UPDATE observed = 8 WHERE alert_id = 'a1'")
    (changed,) = compared(contents(store), after)
    assert changed.startswith("alerts ('a1',): differs in {'observed': (8.0, 7.0)}")
