"""What a chaos run needs: a real Kafka, a store behind TCP, workers, and a look at progress."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import kafka

from streams.broker import admin
from streams.errors import PulseError, StoreError
from streams.policy.template import written
from streams.settings import Settings
from streams.storage.server_store import ServerStore
from tests.chaos.proof import Record
from tests.support.clickhouse_server import ServerProcess
from tests.support.folding import policy
from tests.support.kafka import RealKafka
from tests.support.worker import WorkerProcess, wait_until

__all__ = ["PARTITIONS", "Stage", "drained", "records"]

PARTITIONS = 4


class Stage:
    """Kafka, store and two workers, up between `with` and its end; `broker` may be shared."""

    def __init__(
        self, directory: Path, *, broker: RealKafka | None = None, name: str = "chaos"
    ) -> None:
        self.directory = directory
        (directory / "kafka").mkdir(parents=True, exist_ok=True)
        self.broker = broker or RealKafka(partitions=PARTITIONS, directory=directory / "kafka")
        self._own_broker = broker is None
        self.server = ServerProcess(directory / "store")
        self.settings = Settings(
            broker=self.broker.bootstrap,
            topic=f"{name}.events",
            dead_letter_topic=f"{name}.dlq",
            signals_topic=f"{name}.signals",
            group=f"{name}-workers",
        )
        #: A generous one, so that the short history of a run has incidents.
        self.policy = directory / "policy.toml"
        self.policy.write_text(written(policy().detection, comments=False), encoding="utf-8")
        self.workers: dict[str, WorkerProcess] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            if self._own_broker:
                stack.enter_context(self.broker)
            admin.create_topics(self.settings, PARTITIONS)
            stack.enter_context(self.server)
            stack.callback(self._end_workers)
            self._stack = stack.pop_all()
        for name in ("w1", "w2"):
            self.worker(name).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _end_workers(self) -> None:
        for worker in self.workers.values():
            if worker.running:
                worker.kill()

    def worker(self, name: str) -> WorkerProcess:
        """The worker of that name, not yet started when it is new."""
        if name not in self.workers:
            self.workers[name] = WorkerProcess(
                self.directory / "workers",
                worker=name,
                broker=self.broker.bootstrap,
                store=self.server.url,
                topic=self.settings.topic,
                dead_letter_topic=self.settings.dead_letter_topic,
                signals_topic=self.settings.signals_topic,
                group=self.settings.group,
                snapshot_every=3,
                tick=10,
                policy=self.policy,
                log_level="INFO",
            )
        return self.workers[name]

    def reader(self) -> ServerStore:
        """A store object of the caller's own, to look at the tables."""
        return ServerStore(self.server.url, timeout=60.0)

    def stored(self) -> int | None:
        """Events stored so far, None while the store cannot say."""
        with contextlib.closing(self.reader()) as store, contextlib.suppress(StoreError):
            return int(store.query("SELECT count() AS n FROM events")["n"][0].as_py())
        return None

    def lag(self) -> int | None:
        """Messages not yet committed, None while the broker cannot say."""
        with contextlib.suppress(PulseError):
            return sum(row.lag for row in admin.lag(self.settings))
        return None

    def dead_workers(self) -> list[str]:
        """Workers that ended though nobody asked them to, with their last words."""
        ended = [w for w in self.workers.values() if not w.running and w.expected_up]
        return [
            f"{w.name} ended with code {w.process.returncode}: {w.said()[-600:]}" for w in ended
        ]


def drained(settings: Settings, url: str, seconds: float) -> float:
    """Waits until the store's markers stand at the ends of the topic; returns the seconds."""
    started = time.monotonic()
    ends = {row.partition: row.end for row in admin.lag(settings)}

    def done() -> bool:
        with contextlib.closing(ServerStore(url)) as store, contextlib.suppress(StoreError):
            rows = store.query(
                "SELECT kafka_partition AS p, max(next_offset) AS n FROM ingest_log GROUP BY p"
            ).to_pylist()
            markers = {int(row["p"]): int(row["n"]) for row in rows}
            return all(markers.get(number, 0) >= end for number, end in ends.items())
        return False

    wait_until(done, f"everything stored up to {ends}", seconds, every=0.3)
    return time.monotonic() - started


def records(bootstrap: str, topic: str) -> Iterator[Record]:
    """Every record of a topic, partition by partition."""
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        for number in sorted(consumer.partitions_for_topic(topic) or ()):
            place = kafka.TopicPartition(topic, number)
            consumer.assign([place])
            end = consumer.end_offsets([place])[place]
            consumer.seek_to_beginning(place)
            while consumer.position(place) < end:
                for batch in consumer.poll(timeout_ms=1000).values():
                    yield from ((number, record.offset, record.value) for record in batch)
    finally:
        consumer.close()
