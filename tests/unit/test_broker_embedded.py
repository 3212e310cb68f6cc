"""The embedded broker: what the stack relies on, and the limits its documentation names."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.broker import admin
from streams.broker.connection import kafka_arguments
from streams.broker.embedded import PARTITIONS, EmbeddedBroker, EmbeddedProcess
from streams.errors import UsageError
from streams.settings import Settings

SETTINGS = Settings()


@pytest.fixture
def broker() -> Iterator[str]:
    with EmbeddedBroker() as running:
        yield running.bootstrap


def _send(broker: str, values: list[bytes], **options: object) -> None:
    producer = kafka.KafkaProducer(**kafka_arguments(SETTINGS, broker), **options)
    try:
        sent = [producer.send("usage.events", value, partition=0) for value in values]
        producer.flush(10)
        for future in sent:
            future.get(10)
    finally:
        producer.close()


async def _read(broker: str, count: int, commit: bool = True) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        "usage.events",
        bootstrap_servers=broker,
        group_id=SETTINGS.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=2000,  # a successor waits for about that long
        heartbeat_interval_ms=500,
    )
    await consumer.start()
    try:
        values: list[bytes] = []
        deadline = time.monotonic() + 10.0
        while len(values) < count and time.monotonic() < deadline:
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                values += [message.value for message in messages]
        if commit:
            await consumer.commit()
        return values
    finally:
        await consumer.stop()


@pytest.mark.parametrize("codec", [None, "gzip", "lz4"])
def test_messages_arrive_as_sent(broker: str, codec: str | None) -> None:
    values = [b"%d" % number * 100 for number in range(50)]
    _send(broker, values, compression_type=codec)
    assert asyncio.run(_read(broker, 50)) == values


def test_the_first_member_of_a_group_does_not_wait(broker: str) -> None:
    _send(broker, [b"x"])
    before = time.monotonic()
    assert asyncio.run(_read(broker, 1)) == [b"x"]
    assert time.monotonic() - before < 2.0


def test_timestamps_reach_the_consumer(broker: str) -> None:
    async def there_and_back() -> int:
        producer = AIOKafkaProducer(bootstrap_servers=broker)
        await producer.start()
        await producer.send_and_wait("t", b"x", partition=0, timestamp_ms=1_700_000_000_123)
        await producer.stop()
        consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition("t", 0)])
        message = await asyncio.wait_for(consumer.getone(), 10)
        await consumer.stop()
        return int(message.timestamp)

    assert asyncio.run(there_and_back()) == 1_700_000_000_123


def test_a_successor_goes_on_after_the_commit(broker: str) -> None:
    _send(broker, [b"first"])
    assert asyncio.run(_read(broker, 1)) == [b"first"]
    _send(broker, [b"second"])
    assert asyncio.run(_read(broker, 1)) == [b"second"]


def test_lag_and_ping_on_the_embedded_broker(broker: str) -> None:
    _send(broker, [b"x"] * 3)
    assert sum(row.lag for row in admin.lag(SETTINGS, broker)) == 3
    asyncio.run(_read(broker, 3))
    rows = admin.lag(SETTINGS, broker)
    assert [(row.partition, row.lag) for row in rows] == [(n, 0) for n in range(PARTITIONS)]
    assert rows[0].committed == 3
    assert admin.ping(SETTINGS, broker).brokers == (broker,)


def test_what_is_not_read_is_forgotten_beyond_five_mebibytes(broker: str) -> None:
    _send(broker, [b"x" * 100_000 for _ in range(100)], batch_size=1)
    client = kafka.KafkaConsumer(**kafka_arguments(SETTINGS, broker))
    place = kafka.TopicPartition("usage.events", 0)
    kept = client.end_offsets([place])[place] - client.beginning_offsets([place])[place]
    client.close()
    assert 5 * 2**20 - 100_100 <= kept * 100_000 <= 5 * 2**20


def test_topics_are_made_with_the_partitions_asked_for() -> None:
    with EmbeddedBroker({"usage.events": 2}) as running:
        assert [row.partition for row in admin.lag(SETTINGS, running.bootstrap)] == [0, 1]


def test_creating_topics_in_the_embedded_broker_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="makes its topics itself"):
        admin.create_topics(SETTINGS, 4)


def test_the_child_ends_with_the_end_of_its_standard_input() -> None:
    with EmbeddedProcess() as child:
        pid = child.pid
        assert pid is not None
        assert admin.ping(SETTINGS, child.bootstrap).brokers == (child.bootstrap,)
        os.kill(pid, signal.SIGINT)  # Ctrl-C is for the worker; the broker has to outlive it
        time.sleep(0.2)
        assert child.alive
    assert not _exists(pid)


def test_the_child_ends_when_its_parent_is_killed() -> None:
    program = (
        "import time; from streams.broker.embedded import EmbeddedProcess\n"
        "child = EmbeddedProcess(); child.start(); print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5.0
    while _exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _exists(pid)


def test_wrong_arguments_of_the_child_are_told() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "streams.broker.embedded", "usage.events=none"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 2
    assert child.stderr.startswith("expected TOPIC=PARTITIONS, got 'usage.events=none'")


def _exists(pid: int) -> bool:
    """Whether the process runs; one that ended and was not collected yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
