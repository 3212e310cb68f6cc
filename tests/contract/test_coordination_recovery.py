"""From ingest to meetings whatever happens between: the stored meetings must not tell.

The store is real. Fetches are cut anywhere, messages of usage.signals are lost, doubled and late,
workers of either side die at any write and others go on from what is stored.
"""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from streams.coordination.sender import Outbox
from streams.storage.base import Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from streams.storage.server_store import ServerStore
from tests.contract.test_recovery import Death, Mortal
from tests.support.clickhouse_server import ServerProcess
from tests.support.coordination import START, Flow, meetings, traffic

_TRAFFIC = traffic(seconds=240, accounts=20)
_END = START + 500_000


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    store = ChdbStore(tmp_path_factory.mktemp("undisturbed"))
    try:
        migrate(store)
        flow = Flow(store)
        flow.produce(_TRAFFIC, lines=3)
        flow.seal(_END)
        flow.run()
        assert store.query("SELECT count() AS n FROM events WHERE late = 1")["n"][0].as_py() > 10
        found = meetings(store)
        assert found.count(b'"kind":"template"') > 100
        return found
    finally:
        store.close()


class Trouble:
    """Runs a flow to its end while everything goes wrong, as a seed has it."""

    def __init__(self, store: Mortal, seed: int, **changed: Any) -> None:
        self.rng = random.Random(seed)
        self.store = store
        self.flow = Flow(store, **changed)
        self.deaths = 0
        self.most_deaths = 25

    def run(self) -> None:
        flow, idle = self.flow, 0
        while idle < 3:
            flow.now += 4.0
            fetched = [self._fetch(source) for source in range(flow.counts[0])]
            calm = not any(fetched)
            for number in range(flow.counts[1]):
                calm &= not self._read(number)
            idle = idle + 1 if calm else 0

    def _mortally(self, act: Any, revive: Any) -> Any:
        """Do something; its owner may die of it, and another one takes over."""
        if self.deaths < self.most_deaths and self.rng.random() < 0.5:
            self.store.left, self.store.before = self.rng.randint(1, 5), self.rng.random() < 0.5
        try:
            return act()
        except Death:
            self.deaths += 1
            self.store.left = -1
            revive()
            return True
        finally:
            self.store.left = -1

    def _fetch(self, source: int) -> bool:
        flow = self.flow

        def revive() -> None:
            flow.sources[source] = flow.source(source)
            flow.outboxes[source] = None

        if self.rng.random() < 0.1:
            revive()
        return bool(self._mortally(lambda: flow.fetch(source, self.rng.randint(1, 6)), revive))

    def _read(self, number: int) -> bool:
        flow, rng = self.flow, self.rng

        def revive() -> None:
            flow.readers[number] = flow.reader(number)

        def act() -> bool:
            topic, reader = flow.topic[number], flow.readers[number]
            taken, topic[:] = topic[:], []
            kept = [value for value in taken if rng.random() > 0.2]
            kept += [value for value in kept if rng.random() < 0.2]
            if rng.random() < 0.3:
                rng.shuffle(kept)
            for value in kept:
                reader.take(value, flow.now)
            closed = reader.advance(flow.now)
            if rng.random() < 0.2:
                reader.maybe_snapshot(flow.now, at_once=True)
            return bool(kept) or closed

        if rng.random() < 0.05:
            revive()
        if rng.random() < 0.3:
            return True  # late
        return bool(self._mortally(act, revive))


@pytest.mark.parametrize("seed", range(4))
def test_deaths_and_lost_messages_leave_no_trace(
    seed: int, undisturbed: bytes, tmp_path: Path
) -> None:
    store = Mortal(ChdbStore(tmp_path))
    try:
        migrate(store.store)
        limit = 200 if seed % 2 else 2_000_000  # few signals fit into memory: read slots back
        trouble = Trouble(store, seed, waiting_limit=limit)
        trouble.flow.produce(_TRAFFIC, lines=3)
        trouble.flow.seal(_END)
        trouble.run()
        assert trouble.deaths > 5
        assert meetings(store.store) == undisturbed
        _assert_the_log_is_whole(store.store)
    finally:
        store.close()


def test_a_reader_may_die_at_each_of_its_writes(undisturbed: bytes, tmp_path: Path) -> None:
    store = Mortal(ChdbStore(tmp_path))
    try:
        migrate(store.store)
        # Nobody remembers the names of blocks: a server that restarted in between, or a week.
        for table in ("coordination_meetings", "coordination_log"):
            store.command(
                f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 0"
            )
        flow = Flow(store)
        flow.produce(_TRAFFIC, lines=3)
        flow.seal(_END)
        ways = itertools.cycle([(write, before) for write in (1, 2, 3) for before in (True, False)])
        deaths = 0
        for turn in range(60):
            for source in range(3):
                flow.fetch(source, 3)
            for number in range(2):
                flow.deliver(number)
                (store.left, store.before), done = next(ways), False
                while not done:
                    try:
                        flow.readers[number].advance(flow.now)
                        done = True
                    except Death:
                        deaths += 1
                        store.left = -1 if turn % 2 else store.left
                        revived = False
                        while not revived:  # it may die again while it makes good
                            try:
                                flow.readers[number] = flow.reader(number)
                                revived = True
                            except Death:
                                deaths += 1
                    store.left = -1
        assert deaths > 10
        assert meetings(store.store) == undisturbed
        _assert_the_log_is_whole(store.store)
    finally:
        store.close()


def test_a_message_that_overlaps_what_is_known_counts_once(
    undisturbed: bytes, tmp_path: Path
) -> None:
    store = ChdbStore(tmp_path)
    try:
        migrate(store)
        flow = Flow(store)
        flow.produce(_TRAFFIC, lines=3)
        flow.seal(_END)
        for turn in range(40):
            for source in range(3):
                part = flow.sources[source]
                first = part.marker
                flow.fetch(source, 3)
                if turn % 2:  # told again together with what came before
                    rows = stored_rows(store, source, max(0, first - 3), part.marker)
                    again = Outbox("stream-1", source, 2, flow.context.kinds, max(0, first - 3))
                    told = again.messages(rows, part.marker, part.watermark.value, 0)
                    for number, value in told:
                        flow.topic[number].insert(-1, value)
            for number in range(2):
                flow.deliver(number)
                flow.readers[number].advance(flow.now)
        assert meetings(store) == undisturbed
    finally:
        store.close()


def stored_rows(store: Store, source: int, first: int, until: int) -> pa.Table:
    return store.query(
        "SELECT * FROM events WHERE kafka_partition = {source} AND kafka_offset >= {first} "
        "AND kafka_offset < {until}",
        {"source": source, "first": first, "until": until},
    )


def test_another_stream_of_the_same_events_goes_on_where_the_first_ended(
    undisturbed: bytes, tmp_path: Path
) -> None:
    """The embedded broker forgets its topics: everything is sent again at new offsets."""
    store = ChdbStore(tmp_path)
    try:
        migrate(store)
        first = Flow(store)
        first.produce(_TRAFFIC, lines=3)
        for _ in range(9):
            for source in range(3):
                first.fetch(source, 2)
            first.deliver(0, 4)  # the rest is forgotten with the broker
            for reader in first.readers:
                reader.advance(first.now)
        closed = max(reader.last.slot for reader in first.readers)
        assert START < closed < START + 200_000
        again = Flow(store, stream_id="stream-2")
        again.produce(_TRAFFIC, lines=4)
        again.seal(_END)
        again.run()
        assert meetings(store) == undisturbed
        _assert_the_log_is_whole(store)
    finally:
        store.close()


def test_a_replay_of_older_events_meets_nobody_of_the_newer_ones(
    undisturbed: bytes, tmp_path: Path
) -> None:
    store = ChdbStore(tmp_path)
    try:
        migrate(store)
        later = [
            event | {"ts": event["ts"] + 86_400_000, "event_id": f"later-{event['event_id']}"}
            for event in _TRAFFIC
        ]
        newer = Flow(store)
        newer.produce(later)
        newer.run()
        older = Flow(store, stream_id="stream-2")
        older.produce(_TRAFFIC, lines=3)
        older.seal(_END)
        older.run()
        (since,) = {reader.since for reader in older.readers}
        assert since > 0
        told = "WHERE since = fromUnixTimestamp64Milli({since}, 'UTC')"
        found = meetings(store, told.replace("{since}", str(since)))
        moment = b'"since":"1970-01-01T00:00:00Z"'
        assert re.sub(rb'"since":"[^"]*"', moment, found) == undisturbed
        assert all(flow.last.slot == 0 or flow.since == since for flow in older.readers)
        revived = [older.reader(number).last.slot for number in range(2)]
        assert revived == [reader.last.slot for reader in older.readers]
    finally:
        store.close()


def test_a_server_stores_the_same_meetings(undisturbed: bytes, server: ServerProcess) -> None:
    store = ServerStore(server.url)
    try:
        migrate(store)
        flow = Flow(store, waiting_limit=400)
        flow.produce(_TRAFFIC, lines=3)
        flow.seal(_END)
        for _ in range(6):
            for source in range(3):
                flow.fetch(source, 9)
            for number in range(2):
                flow.deliver(number, 5)
                flow.readers[number].advance(flow.now)
                flow.readers[number].maybe_snapshot(flow.now, at_once=True)
                flow.readers[number] = flow.reader(number)
        flow.run()
        assert meetings(store) == undisturbed
        _assert_the_log_is_whole(store)
    finally:
        store.close()


def _assert_the_log_is_whole(store: Store) -> None:
    """Every run of slots begins where the one before ended, and is done."""
    rows = store.query(
        "SELECT signals_partition AS s, slot, previous, max(done) AS done FROM coordination_log "
        "GROUP BY s, slot, previous ORDER BY s, slot"
    ).to_pylist()
    for before, after in itertools.pairwise(rows):
        if before["s"] == after["s"]:
            assert after["previous"] == before["slot"]
    assert {row["done"] for row in rows} == {1}
