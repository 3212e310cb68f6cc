"""The signals agent around its partitions: sources that stop, a broker that refuses, a keeper."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaTimeoutError

from streams.coordination.agent import Coordination
from streams.coordination.keeping import Groups
from streams.coordination.sender import Sender
from streams.coordination.signals import KINDS, SLOT_MS
from streams.coordination.sources import Sources
from streams.coordination.stored import Heard
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.coordination import START, Flow, traffic
from tests.support.worker import wait_until
from tests.unit.test_signals import rows_of


def test_a_slot_waits_for_every_source() -> None:
    sources = Sources(2, replay=True, now=0.0)
    sources.heard({0: Heard(5, 90_000, 0)}, 1.0)
    assert sources.passed(10_000.0) == 0  # a replay waits, however long
    sources.heard({1: Heard(9, 60_000, 0)}, 2.0)
    assert sources.passed(2.0) == 60_000
    assert sources.next_offsets() == {0: 5, 1: 9}


def test_live_a_source_without_traffic_does_not_hold_the_others_up() -> None:
    sources = Sources(3, replay=False, now=0.0)
    sources.heard({0: Heard(5, 90_000, 0), 1: Heard(5, 60_000, 0)}, 100.0)
    assert sources.passed(109.0) == 0
    assert sources.passed(111.0) == 60_000
    sources.heard({0: Heard(9, 900_000, 0)}, 390.0)
    assert sources.passed(399.0) == 60_000
    assert sources.passed(401.0) == 900_000  # its worker is gone for five minutes
    sources.heard({1: Heard(9, 70_000, 0)}, 402.0)
    assert sources.passed(402.0) == 70_000


def test_the_store_is_asked_when_one_source_holds_the_others_up_or_all_are_silent() -> None:
    sources = Sources(2, replay=True, now=0.0)
    sources.heard({0: Heard(5, 90_000, 0), 1: Heard(5, 20_000, 0)}, 1.0)
    assert [sources.ask(0, now) for now in (1.0, 3.0, 4.5, 5.0, 8.0)] == [
        False,
        False,
        True,
        False,
        True,
    ]
    sources.heard({1: Heard(6, 95_000, 0)}, 8.0)
    assert not sources.ask(90_000, 17.0)
    assert sources.ask(90_000, 19.0)


def test_a_broker_that_takes_no_signals_holds_nothing_up_and_is_told() -> None:
    async def scene() -> None:
        refused = [True]
        taken: list[tuple[int, bytes]] = []

        async def send(number: int, value: bytes) -> asyncio.Future[None]:
            if refused[0]:
                raise KafkaTimeoutError
            taken.append((number, value))
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done

        sender = Sender("s", 2, KINDS, send)
        running = asyncio.ensure_future(sender.run())
        rows = rows_of(traffic(seconds=60))
        sender.publish(0, rows, (0, 100), START, 0)
        while not sender.dropped:
            await asyncio.sleep(0.01)
        assert sender.status()["ok"] is False
        assert "read from the store instead" in sender.status()["sentence"]
        refused[0] = False
        sender.publish(0, rows, (100, 200), START, 0)
        while not sender.sent:
            await asyncio.sleep(0.01)
        assert {number for number, _ in taken} == {0, 1}
        assert "sentence" not in sender.status()
        running.cancel()

    asyncio.run(scene())


def test_what_the_broker_does_not_take_in_time_does_not_pile_up() -> None:
    async def scene() -> None:
        async def send(number: int, value: bytes) -> asyncio.Future[None]:
            await asyncio.Event().wait()
            raise AssertionError

        sender = Sender("s", 2, KINDS, send)
        rows = rows_of(traffic(seconds=600, accounts=200))
        for number in range(3000):
            sender.publish(0, rows, (100 * number, 100 * number + 100), START, 0)
            if sender.dropped:
                break
        assert sender.dropped
        assert number > 10

    asyncio.run(scene())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    made = ChdbStore(tmp_path)
    migrate(made)
    yield made
    made.close()


class Following:
    """A keeper that counts what it is told."""

    def __init__(self) -> None:
        self.followed = 0

    def follow(self) -> None:
        self.followed += 1

    def groups(self) -> Groups:
        return []


def test_the_agent_closes_slots_tells_the_keeper_and_gives_partitions_up(
    store: ChdbStore,
) -> None:
    flow = Flow(store, sources=2, partitions=2)
    keeper = Following()
    agent = Coordination(flow.context, lambda: keeper)
    agent.start()
    try:
        agent.assign([0, 1])
        flow.produce(traffic(seconds=120))
        flow.seal(START + 200_000)
        while any([flow.fetch(source, 20) for source in range(2)]):  # noqa: C419 - fetch all
            pass
        ends = {number: len(log) - 1 for number, log in enumerate(flow.log)}
        for number, messages in enumerate(flow.topic):
            agent.take(number, b"garbage")
            for value in messages[::2]:  # the others are lost
                agent.take(number, value)
        wait_until(lambda: agent.settled(ends), "all slots are closed")
        assert keeper.followed
        closed = {part["closed"] for part in agent.status()["partitions"]}
        assert closed == {(START + 200_000) // SLOT_MS * SLOT_MS}
        assert agent.status()["ok"]
        agent.revoke()
        wait_until(lambda: not agent.status()["partitions"], "nothing is held")
    finally:
        agent.close(snapshot=True)


def test_a_store_that_fails_is_told_and_tried_again(
    store: ChdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streams.errors import StoreUnavailable

    flow = Flow(store, sources=1, partitions=1)
    agent = Coordination(flow.context)
    query = store.query

    def down(*_: object) -> None:
        raise StoreUnavailable("127.0.0.1:9000 does not answer")

    monkeypatch.setattr(store, "query", down)
    agent.start()
    try:
        agent.assign([0])
        wait_until(lambda: not agent.status()["ok"], "the trouble is told")
        assert "does not answer; trying again" in agent.status()["sentence"]
        monkeypatch.setattr(store, "query", query)
        wait_until(lambda: agent.status()["ok"], "it goes on")
        assert [part["partition"] for part in agent.status()["partitions"]] == [0]
    finally:
        agent.close(snapshot=False)


def test_an_agent_stops_at_once(store: ChdbStore) -> None:
    agent = Coordination(Flow(store, sources=1, partitions=1).context)
    agent.start()
    started = time.monotonic()
    agent.close(snapshot=True)
    assert time.monotonic() - started < 2.0


def test_a_keeper_that_takes_its_time_does_not_hold_the_meetings_up(store: ChdbStore) -> None:
    flow = Flow(store, sources=1, partitions=1)
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Following):
        def follow(self) -> None:
            begun.set()
            go_on.wait(30)
            super().follow()

    agent = Coordination(flow.context, Slow)
    agent.start()
    try:
        agent.assign([0])
        wait_until(begun.is_set, "the keeper is at work")
        flow.produce(traffic(seconds=60))
        flow.seal(START + 90_000)
        while flow.fetch(0, 100):
            pass
        for value in flow.topic[0]:
            agent.take(0, value)
        closed = (START + 90_000) // SLOT_MS * SLOT_MS
        wait_until(lambda: agent.status()["partitions"][0]["closed"] == closed, "it goes on")
        assert not agent.settled({0: len(flow.log[0]) - 1})  # a replay waits for the keeper
        go_on.set()
        wait_until(lambda: agent.settled({0: len(flow.log[0]) - 1}), "all is judged")
    finally:
        go_on.set()
        agent.close(snapshot=False)
