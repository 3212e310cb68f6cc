"""Sends batches to the topic of usage events: the last step of a replay or a simulation.

    batches -> (pace) -> Packer -> NDJSON messages -> KafkaProducer, acks=all -> acknowledgements

Partitions are chosen as Kafka's own clients choose them for the key `account_id`. Messages carry
no key, since several accounts of a partition share one. A send is retried until the broker has it
or `delivery_s` have passed; what is not acknowledged is never counted.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    SaslAuthenticationFailedError,
)

from streams.errors import BrokerUnavailable, PulseError
from streams.traffic.batch import Batch
from streams.traffic.packing import Message, Packer
from streams.traffic.pressure import BackPressure, UnreadBytes
from streams.traffic.progress import Progress

__all__ = ["Sender"]

_CONNECT_S = 30.0
_IN_FLIGHT_BYTES = 8 << 20
_WAIT_S = 0.02
_SLICE_S = 0.2
_PATIENCE_SLICES = 5  # after a stop was asked for
_PROBE_S = 2.0
_PROGRESS_S = 0.5


class Sender:
    """One producer for one topic. Use as a context manager; leaving it waits for nothing new.

    `connection` holds keyword arguments of KafkaProducer (servers, security, `api_version`).

    Raises:
        BrokerUnavailable: no broker answers, the topic does not exist, or a message was not
            acknowledged within `delivery_s`.
    """

    def __init__(
        self,
        connection: Mapping[str, Any],
        topic: str,
        *,
        events_per_message: int = 500,
        delivery_s: float = 120.0,
        pressure: BackPressure | None = None,
        ledger: UnreadBytes | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        fraction: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.topic = topic
        self._address = _address(connection)
        self._delivery_s = delivery_s
        self._pressure = pressure
        self._ledger = ledger
        self._on_progress = on_progress
        self._fraction = fraction
        self._clock, self._sleep, self._stop = clock, sleep, stop
        self._in_flight: deque[tuple[Any, Message]] = deque()
        self._in_flight_bytes = 0
        self._events = self._messages = self._bytes = 0
        self._event_ts: int | None = None
        self._started = self._reported = clock()
        self._producer = self._connect(connection)
        self.partitions = self._count_partitions()
        self._packer = Packer(self.partitions, events=events_per_message)

    def send(self, batches: Iterable[Batch], *, prompt: bool = False) -> Progress:
        """Sends everything and returns when it is acknowledged, or when `stop` says so.

        `prompt` sends each batch at once, which paced traffic wants; otherwise events wait until
        they fill a message.
        """
        for batch in batches:
            self._put(self._packer.add(batch))
            if prompt:
                self._put(self._packer.flush())
            if len(batch):
                self._event_ts = max(self._event_ts or 0, int(batch.ts.max()))
            self._report()
            if self._stop():
                break
        self._put(self._packer.flush())
        while self._in_flight:
            self._reap(self._in_flight_bytes - 1)
            self._report()
        return self._report(last=True)

    def progress(self) -> Progress:
        """How far this sender has come."""
        elapsed = self._clock() - self._started
        return Progress(
            self._events, self._messages, self._bytes, elapsed, self._fraction(), self._event_ts
        )

    def close(self) -> None:
        """Closes the connection; what is not acknowledged by then is given up."""
        with contextlib.suppress(KafkaTimeoutError):
            self._producer.close(timeout=1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._wait_for_consumer()
            try:
                future = self._producer.send(
                    self.topic, value=message.value, partition=message.partition
                )
            except KafkaError as error:
                raise self._translated(error) from None
            if self._ledger is not None:
                self._ledger.sent(message.partition, len(message.value))
            self._in_flight.append((future, message))
            self._in_flight_bytes += len(message.value)
            self._reap(_IN_FLIGHT_BYTES)

    def _reap(self, allowed_bytes: int) -> None:
        """Takes in acknowledgements; waits for them while more than `allowed_bytes` are open."""
        while self._in_flight:
            future, message = self._in_flight[0]
            if not future.is_done and self._in_flight_bytes <= allowed_bytes:
                return
            try:
                place = self._acknowledged(future)
            except KafkaError as error:
                raise self._translated(error) from None
            if place is None:
                self._in_flight.clear()  # asked to stop, and nobody answers: given up, not counted
                self._in_flight_bytes = 0
                return
            self._in_flight.popleft()
            self._in_flight_bytes -= len(message.value)
            self._events += message.events
            self._messages += 1
            self._bytes += len(message.value)
            if self._ledger is not None:
                self._ledger.acknowledged(message.partition, place.offset, len(message.value))

    def _acknowledged(self, future: Any) -> Any | None:
        """Where a message came to stand; None when `stop` said so and no answer came in time."""
        # Twice the delivery time: the producer itself gives up long before.
        slices, patience = round(2 * self._delivery_s / _SLICE_S), _PATIENCE_SLICES
        for _ in range(slices):
            try:
                return future.get(timeout=_SLICE_S)
            except KafkaTimeoutError:
                if future.is_done:
                    raise
                patience -= self._stop()
                if not patience:
                    return None
        return future.get(timeout=_SLICE_S)

    def _wait_for_consumer(self) -> None:
        if self._pressure is None:
            return
        while self._pressure.backlog() > self._pressure.limit and not self._stop():
            self._reap(_IN_FLIGHT_BYTES)
            self._report()
            self._sleep(_WAIT_S)

    def _report(self, *, last: bool = False) -> Progress:
        now = self._clock()
        progress = self.progress()
        if self._on_progress is not None and (last or now - self._reported >= _PROGRESS_S):
            self._reported = now
            self._on_progress(progress)
        return progress

    def _connect(self, connection: Mapping[str, Any]) -> KafkaProducer:
        settings = {
            "acks": "all",
            "batch_size": 512 * 1024,
            "linger_ms": 5,
            "max_request_size": 1 << 20,
            "delivery_timeout_ms": round(self._delivery_s * 1000),
            "request_timeout_ms": min(30_000, round(self._delivery_s * 500)),
            "max_block_ms": round(min(self._delivery_s, _CONNECT_S) * 1000),
            **connection,
        }
        try:
            return KafkaProducer(**settings)
        except KafkaError as error:
            raise self._translated(error) from None

    def _count_partitions(self) -> int:
        try:
            partitions = self._producer.partitions_for(self.topic)
        except KafkaTimeoutError:
            partitions = None
        except KafkaError as error:
            self._producer.close(timeout=0)
            raise self._translated(error) from None
        if not partitions:
            self._producer.close(timeout=0)
            if not any(_listens(server) for server in self._address.split(",")):
                raise BrokerUnavailable(f"{self._address}: no broker answers")
            raise BrokerUnavailable(
                f"{self._address}: nothing is known of topic {self.topic}: it does not exist, "
                "or this user may not see it"
            )
        return len(partitions)

    def _translated(self, error: KafkaError) -> PulseError:
        where = f"{self._address}, topic {self.topic}"
        if isinstance(error, SaslAuthenticationFailedError | AuthorizationError):
            return BrokerUnavailable(f"{where}: the broker refuses this user: {_told(error)}")
        if isinstance(error, MessageSizeTooLargeError):
            return PulseError(f"{where}: a message is larger than the broker takes: {_told(error)}")
        sent = f"after {self._events:,} acknowledged events: " if self._events else ""
        return BrokerUnavailable(f"{where}: {sent}{_told(error)}")


def _address(connection: Mapping[str, Any]) -> str:
    servers = connection.get("bootstrap_servers", "localhost:9092")
    return servers if isinstance(servers, str) else ",".join(map(str, servers))


def _listens(server: str) -> bool:
    """Whether anything listens there; the library's own word on that is not to be relied on."""
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PROBE_S).close()
    except (OSError, ValueError):
        return False
    return True


def _told(error: KafkaError) -> str:
    """One line of a library's error."""
    return (str(error).splitlines() or [""])[0][:300] or type(error).__name__
