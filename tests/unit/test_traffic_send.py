"""The sender against the embedded broker: everything arrives, in order, and never too far ahead."""

from __future__ import annotations

import ctypes
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Self

import msgspec
import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.broker.embedded import EmbeddedBroker
from streams.errors import BrokerUnavailable
from streams.traffic.batch import Batch
from streams.traffic.partition import Partitioner
from streams.traffic.pressure import BackPressure, UnreadBytes
from streams.traffic.progress import Progress
from streams.traffic.send import Sender
from streams.traffic.simulate import SimulationSpec, simulate

TOPIC = "usage.events"
START = 1_700_000_000_000


def traffic(minutes: int, rate: float = 100.0) -> list[Batch]:
    end = START + minutes * 60_000
    return list(simulate(SimulationSpec(start_ms=START, end_ms=end, rate_per_s=rate, accounts=50)))


def arguments(broker: EmbeddedBroker) -> dict[str, Any]:
    return {"bootstrap_servers": [broker.bootstrap], "api_version": (2, 3)}


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({TOPIC: 4}) as running:
        yield running


class Reader(threading.Thread):
    """Reads the topic until told to stop; slowly, when asked."""

    def __init__(self, connection: dict[str, Any], pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.connection, self.pause = connection, pause
        self.lines: dict[int, list[bytes]] = defaultdict(list)
        self.consumed = dict.fromkeys(range(4), 0)
        self.finished = threading.Event()

    def run(self) -> None:
        consumer = KafkaConsumer(**self.connection, auto_offset_reset="earliest")
        consumer.assign([TopicPartition(TOPIC, number) for number in range(4)])
        while not self.finished.is_set():
            for place, records in consumer.poll(timeout_ms=50, max_records=20).items():
                for record in records:
                    assert record.offset == self.consumed[place.partition], "the broker forgot"
                    self.lines[place.partition] += record.value.split(b"\n")
                    self.consumed[place.partition] = record.offset + 1
            self.finished.wait(self.pause)
        consumer.close()

    def read_all(self, events: int) -> None:
        for _ in range(400):
            if sum(map(len, self.lines.values())) >= events or not self.is_alive():
                break
            self.finished.wait(0.02)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.finished.set()
        self.join(timeout=10)


@pytest.mark.parametrize("events_per_message", [1, 500])
def test_every_event_arrives_once_in_its_partition_and_order(
    broker: EmbeddedBroker, events_per_message: int
) -> None:
    batches = traffic(1)
    count = sum(map(len, batches))
    reports: list[Progress] = []
    with (
        Reader(arguments(broker)) as reader,
        Sender(
            arguments(broker),
            TOPIC,
            events_per_message=events_per_message,
            on_progress=reports.append,
        ) as sender,
    ):
        total = sender.send(batches)
        reader.read_all(count)
    partition = Partitioner(4)
    expected: dict[int, list[bytes]] = defaultdict(list)
    for batch in batches:
        places = partition.assign(batch.accounts)[batch.account].tolist()
        for place, line in zip(places, batch.lines, strict=True):
            expected[place].append(line)
    assert reader.lines == expected
    assert total.events == count
    assert total.messages == count if events_per_message == 1 else total.messages < count / 50
    assert reports[-1].events == count
    assert reports[-1].event_ts == int(batches[-1].ts[-1])


def test_a_slow_consumer_is_never_outrun(broker: EmbeddedBroker) -> None:
    """12 MB through partitions that forget beyond 5 MB; without waiting the reader misses some."""
    batches = traffic(3, rate=120.0)
    count = sum(map(len, batches))
    reader = Reader(arguments(broker), pause=0.05)
    ledger = UnreadBytes()
    limit, most = 1_000_000, 0

    def backlog() -> int:
        nonlocal most
        unread = ledger.largest(dict(reader.consumed))
        most = max(most, unread)
        return unread

    pressure = BackPressure(backlog, limit)
    with reader, Sender(arguments(broker), TOPIC, ledger=ledger, pressure=pressure) as sender:
        sender.send(batches)
        reader.read_all(count)
    assert sum(map(len, reader.lines.values())) == count
    assert most <= limit + 250_000
    assert ledger.largest(reader.consumed) == 0


def test_refusals_that_pass_are_retried_until_everything_is_sent(broker: EmbeddedBroker) -> None:
    batches = traffic(1)
    count = sum(map(len, batches))
    refusals = (ctypes.c_int * 4)(6, 7, 19, 6)  # not the leader, timed out, too few replicas
    broker._library.rd_kafka_mock_push_request_errors_array(
        ctypes.c_void_p(broker._cluster), ctypes.c_int16(0), ctypes.c_size_t(4), refusals
    )
    with Reader(arguments(broker)) as reader, Sender(arguments(broker), TOPIC) as sender:
        total = sender.send(batches)
        reader.read_all(count)
    found = [msgspec.json.decode(line)["event_id"] for p in reader.lines.values() for line in p]
    assert total.events == count == len(found) == len(set(found))


def test_a_broker_that_stays_away_is_told_with_its_address(broker: EmbeddedBroker) -> None:
    address = broker.bootstrap
    batches = traffic(1)
    with Sender(arguments(broker), TOPIC, delivery_s=1.0) as sender:
        sender.send(batches[:1])
        broker.stop()
        with pytest.raises(BrokerUnavailable) as caught:
            sender.send(batches[1:])
    assert address in str(caught.value)
    assert TOPIC in str(caught.value)
    assert f"after {len(batches[0]):,} acknowledged events" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_broker_at_all_is_told_with_its_address() -> None:
    connection = {"bootstrap_servers": "127.0.0.1:1", "api_version": (2, 3)}
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1: no broker answers"):
        Sender(connection, TOPIC, delivery_s=1.0)


def test_progress_estimates_what_is_left() -> None:
    progress = Progress(1000, 4, 9, 2.0, 0.25, START)
    assert (progress.rate, progress.eta_s) == (500.0, 6.0)
    assert Progress(0, 0, 0, 0.0, None, None).eta_s is None
