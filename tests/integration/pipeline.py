"""One test's own topic, store and workers on a shared Kafka, with exact sums to compare against."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import kafka

from streams.broker import admin
from streams.broker.connection import quiet
from streams.errors import StoreError
from streams.settings import Settings
from streams.storage.server_store import ServerStore
from tests.support.clickhouse_server import ServerProcess
from tests.support.kafka import RealKafka
from tests.support.worker import WorkerProcess, wait_until

__all__ = ["START_MS", "Pipeline", "event", "pipeline"]

START_MS = 1_700_000_000_000
_PARTITIONS = 2


def event(number: int, **changed: Any) -> bytes:
    """A small event; `number` makes its id, time and account."""
    fields = {
        "event_id": f"e{number}",
        "ts": START_MS + 20 * number,
        "account_id": f"acct-{number % 17}",
        "prompt_tokens": number,
        "completion_tokens": 7,
    }
    return json.dumps(fields | changed).encode()


@dataclass(slots=True)
class Pipeline:
    """`sent` counts what was produced: the events, and the sum of their prompt tokens."""

    broker: RealKafka
    server: ServerProcess
    settings: Settings
    directory: Path
    sent: Counter[str] = field(default_factory=Counter)

    def worker(self, name: str = "w1", **settings: object) -> WorkerProcess:
        """A worker of this pipeline, not started.

        Groups are looked for on request only: what that loads takes seconds of every start.
        """
        given: dict[str, object] = {
            "worker": name,
            "broker": self.settings.broker,
            "store": self.server.url,
            "topic": self.settings.topic,
            "dead_letter_topic": self.settings.dead_letter_topic,
            "signals_topic": self.settings.signals_topic,
            "group": self.settings.group,
            "coordination": False,
        }
        return WorkerProcess(self.directory / "workers", **(given | settings))

    def produce(self, count: int, *, lines: int = 20, padding: int = 0, **producer: Any) -> None:
        """`count` new events, longer by `padding`, in messages of `lines`; all acknowledged."""
        quiet()
        first = self.sent["events"]
        rng = random.Random(first)
        client = kafka.KafkaProducer(bootstrap_servers=self.broker.bootstrap, **producer)
        try:
            for start in range(first, first + count, lines):
                numbers = range(start, min(start + lines, first + count))
                more = {"user_agent": "x" * padding} if padding else {}
                value = b"\n".join(event(number, **more) for number in numbers)
                client.send(self.settings.topic, value=value, partition=rng.randrange(_PARTITIONS))
                self.sent["prompt_tokens"] += sum(numbers)
            client.flush(60)
        finally:
            client.close(timeout=5)
        self.sent["events"] += count

    def send(self, values: Iterable[bytes | None], partition: int = 0) -> None:
        """These messages as they are, to one partition."""
        quiet()
        client = kafka.KafkaProducer(
            bootstrap_servers=self.broker.bootstrap, max_request_size=1 << 22
        )
        try:
            for value in values:
                key = b"k" if value is None else None
                client.send(self.settings.topic, key=key, value=value, partition=partition)
            client.flush(60)
        finally:
            client.close(timeout=5)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the store; none while it cannot answer."""
        with (
            contextlib.closing(ServerStore(self.server.url)) as store,
            contextlib.suppress(StoreError),
        ):
            rows: list[dict[str, Any]] = store.query(sql).to_pylist()
            return rows
        return []

    def stored(self) -> int:
        """Events stored so far."""
        rows = self.rows("SELECT count() AS n FROM events")
        return int(rows[0]["n"]) if rows else 0

    def lag(self) -> int:
        """Messages not committed."""
        return sum(row.lag for row in admin.lag(self.settings))

    def await_all(self, seconds: float = 60.0) -> None:
        """Until everything is stored and committed; then the sums must be exact."""
        wait_until(lambda: self.stored() >= self.sent["events"], "all events stored", seconds)
        wait_until(lambda: self.lag() == 0, "all offsets committed")
        self.check()

    def check(self) -> None:
        """Raw rows and roll-up hold exactly what was sent, each event once."""
        (raw,) = self.rows(
            "SELECT count() AS n, uniqExact(event_id) AS ids, sum(prompt_tokens) AS tokens "
            "FROM events"
        )
        (sums,) = self.rows(
            "SELECT sum(requests) AS n, sum(prompt_tokens) AS tokens FROM account_minute"
        )
        wanted = (self.sent["events"], self.sent["prompt_tokens"])
        assert (raw["n"], raw["tokens"]) == wanted
        assert raw["ids"] == raw["n"]
        assert (sums["n"], sums["tokens"]) == wanted

    def dead_letter_records(self) -> list[Any]:
        """What stands in the topic of dead letters."""
        consumer = kafka.KafkaConsumer(
            self.settings.dead_letter_topic,
            bootstrap_servers=self.broker.bootstrap,
            auto_offset_reset="earliest",
            consumer_timeout_ms=1500,
        )
        try:
            return list(consumer)
        finally:
            consumer.close()


@contextlib.contextmanager
def pipeline(broker: RealKafka, directory: Path) -> Iterator[Pipeline]:
    """Topics of two partitions and an empty store, for one test."""
    name = uuid4().hex[:8]
    settings = Settings(
        broker=broker.bootstrap,
        topic=f"events-{name}",
        dead_letter_topic=f"dlq-{name}",
        signals_topic=f"signals-{name}",
        group=f"group-{name}",
    )
    admin.create_topics(settings, partitions=_PARTITIONS)
    with ServerProcess(directory / "store") as server:
        yield Pipeline(broker, server, settings, directory)
