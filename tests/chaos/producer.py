"""The steady producer of the chaos run, in a thread; it outlives a broker that goes away."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.broker.connection import quiet
from tests.chaos.traffic import Message

__all__ = ["SteadyProducer"]

_PULSE_S = 0.05
_IN_FLIGHT = 2_000


class SteadyProducer:
    """Sends `stream` at `rate` lines a second until `stop`; counts what the broker acknowledged."""

    def __init__(self, bootstrap: str, topic: str, stream: Iterator[Message], rate: float) -> None:
        quiet()
        self.topic = topic
        self.acknowledged = 0  # lines
        self.latest_ts = 0
        self.error: BaseException | None = None
        self._rate = rate
        self._stream = stream
        self._open: deque[tuple[Any, int]] = deque()
        self._ending = threading.Event()
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            linger_ms=5,
            delivery_timeout_ms=180_000,
            request_timeout_ms=10_000,
            max_block_ms=120_000,
            reconnect_backoff_max_ms=500,
        )
        self._thread = threading.Thread(target=self._work, name="producer", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and return when all of it is acknowledged.

        A last heartbeat closes every tick, and with that every incident, in each partition.
        """
        self._ending.set()
        self._thread.join(200)
        if self.error is not None:
            raise self.error
        value = msgspec.json.encode({"heartbeat": self.latest_ts + 4 * 3_600_000})
        for partition in self._producer.partitions_for(self.topic) or ():
            self._producer.send(self.topic, value=value, partition=partition)
        self._producer.flush(120)
        self._producer.close(timeout=10)

    def close(self) -> None:
        """Give up, whatever is not acknowledged."""
        self._ending.set()
        with contextlib.suppress(KafkaError):
            self._producer.close(timeout=0)

    def _work(self) -> None:
        try:
            started, sent = time.monotonic(), 0
            while not self._ending.wait(_PULSE_S):
                due = (time.monotonic() - started) * self._rate
                # After a stop of the broker: go on at the rate, do not catch up at once.
                if due - sent > self._rate:
                    started, sent = time.monotonic(), 0
                    continue
                while sent < due and not self._ending.is_set():
                    sent += self._send(next(self._stream))
            self._reap(0)
        except KafkaError as error:
            self.error = error

    def _send(self, message: Message) -> int:
        future = self._producer.send(self.topic, value=message.value, partition=message.partition)
        self._open.append((future, message.lines))
        self.latest_ts = message.ts
        self._reap(_IN_FLIGHT)
        return message.lines

    def _reap(self, allowed: int) -> None:
        while self._open and (len(self._open) > allowed or self._open[0][0].is_done):
            future, lines = self._open.popleft()
            future.get(timeout=190)
            self.acknowledged += lines
