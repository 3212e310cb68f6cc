"""The whole flow of one worker, composed in one place.

    usage.events --> ingest --> store: events, account_minute
                       |  \\--> usage.dlq, dead_letters
                     the fold --> findings --> incidents --> alerts

A Faust app with one agent, which takes a fetch at a time, and timers: heartbeats let event time
pass in silent partitions, and the ends of the partitions are asked for the lag.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import faust
import faust.exceptions
import msgspec
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.broker.admin import MAX_MESSAGE_BYTES
from streams.broker.connection import faust_arguments
from streams.events.letters import DeadLetter, letter_id
from streams.features.fold import Policy
from streams.ingest.agent import Ingest
from streams.ingest.batch import Context
from streams.ingest.recovery import register_stream
from streams.ingest.times import TimeRules
from streams.ingest.transport import FetchTransport, scheduler_for
from streams.platform.agent import PlatformAgent
from streams.policy.model import Policy as Detection
from streams.policy.model import default_policy
from streams.policy.watch import PolicyFile
from streams.settings import Settings
from streams.status import Status
from streams.storage.base import Store
from streams.storage.retry import RetryingStore, Stopped

__all__ = ["PulseApp", "Worker", "policy_of"]

_log = logging.getLogger(__name__)
_DAY_MS = 86_400_000
_FIRST_WAIT_S = 0.2
#: A stop takes no longer than these together: the fetch under way, then the group.
_FINISH_S, _LEAVE_S = 2.5, 2.0
#: What of a dead letter fits into one message of its topic, beside headers and framing.
_LETTER_BYTES = MAX_MESSAGE_BYTES - 16 * 1024


def policy_of(settings: Settings, detection: Detection | None = None) -> Policy:
    """The fold's policy as set, with the built-in detection policy unless one is given."""
    idle_ms = round(settings.idle_days * _DAY_MS)
    return Policy(_ms(settings.tick), idle_ms, detection or default_policy())


def _today() -> date:
    return datetime.now(UTC).date()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


class PulseApp(faust.App):  # type: ignore[misc]
    """A Faust app whose consumer asks the worker where to start and what to commit."""

    events_topic: str
    linger: float
    worker: Worker

    async def positions(self, assigned: set[TP]) -> dict[TP, int]:
        """See `FetchConsumer.perform_seek`."""
        return await self.worker.ingest.positions(assigned)

    def markers(self) -> dict[int, int]:
        """See `FetchConsumer`."""
        return self.worker.ingest.markers()


class Worker:
    """One worker: `start`, `stop`; the store is opened and closed by the caller."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        stream_id: str,
        *,
        embedded: str = "",
        mode: str = "worker",
        partitions: int = 1,
    ) -> None:
        self.settings = settings
        self.partitions = partitions  # of the topic of events, on all workers together
        self._stop = threading.Event()
        self.store = RetryingStore(store, self._stop, settings.retry_max)
        self.status = Status(mode, lambda: time.time_ns() // 1_000_000)
        self.status.store_trouble = lambda: self.store.trouble
        self.heartbeats = True  # off while history is loaded: one would make all of it late
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.app = self._make_app(embedded)
        self._letters = self.app.topic(
            settings.dead_letter_topic, value_serializer="raw", key_serializer="raw"
        )
        self._stream_id = stream_id
        self.policy_file = PolicyFile(settings.policy)
        self.policy_file.start(_today())
        self.status.policy_problem = lambda: self.policy_file.problem
        self.ingest = Ingest(
            self._context(stream_id), self.status, self._send_letters, self._go_back, self._mine
        )
        if settings.time_mode == "live":
            context = self.ingest.context
            self.ingest.platform = PlatformAgent(
                self.store,
                stream_id,
                context.policy.rules,
                lambda: self.policy_file.policy.version,
                context.now_ms,
            )
            self.status.platform = self.ingest.platform.incidents
        self._compose()

    def _context(self, stream_id: str) -> Context:
        settings = self.settings
        return Context(
            store=self.store,
            policy=policy_of(settings, self.policy_file.policy),
            policy_file=self.policy_file,
            partitions=lambda: self.partitions,
            topic=settings.topic,
            stream_id=stream_id,
            stream_registered=register_stream(self.store, stream_id, settings.topic),
            worker=settings.worker,
            times=TimeRules(
                settings.time_mode == "replay",
                _ms(settings.max_ahead),
                settings.retention_days * _DAY_MS,
            ),
            lateness_ms=_ms(settings.lateness),
            late_limit_ms=_ms(settings.late_limit),
            dedup_window_ms=_ms(settings.dedup_window),
            dedup_capacity=settings.dedup_capacity,
            snapshot_every_s=settings.snapshot_every,
            lease_s=settings.session_timeout / 3,
            interrupt=self.store.interrupt,
        )

    def _make_app(self, embedded: str) -> PulseApp:
        settings = self.settings
        app = PulseApp(
            settings.group,
            **faust_arguments(settings, embedded),
            store="memory://",
            datadir=tempfile.mkdtemp(prefix="usage-pulse-"),
            autodiscover=False,
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=settings.worker or None,
            consumer_max_fetch_size=settings.fetch_bytes,
            producer_max_request_size=MAX_MESSAGE_BYTES,
            ConsumerScheduler=scheduler_for(settings.topic),
            stream_buffer_maxsize=4,
            stream_wait_empty=False,
            broker_commit_interval=1.0,
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=min(3.0, settings.session_timeout / 3),
            broker_request_timeout=max(90.0, settings.session_timeout + 10),
            broker_max_poll_interval=3600.0,
            stream_processing_timeout=3600.0,
            broker_commit_livelock_soft_timeout=3600.0,
            worker_redirect_stdouts=False,
        )
        app.transport = FetchTransport(app.conf.broker_consumer, app, app.loop)
        app.events_topic, app.linger, app.worker = settings.topic, settings.linger, self
        return app

    def _compose(self) -> None:
        app, settings = self.app, self.settings
        events = app.topic(settings.topic, value_serializer="raw", key_serializer="raw")

        @app.agent(events, name="ingest")  # type: ignore[untyped-decorator]
        async def ingest(stream: Any) -> None:
            async for event in stream.noack().events():
                await self._insist(event)
                await stream.ack(event)

        @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
        async def on_revoked(_: PulseApp, revoked: set[TP], **__: Any) -> None:
            await self.ingest.revoke(tp for tp in revoked if tp.topic == settings.topic)

        @app.timer(1.0)  # type: ignore[untyped-decorator]
        async def measure_lag() -> None:
            mine = [tp for tp in app.consumer.assignment() if tp.topic == settings.topic]
            self.status.ends = {tp.partition: app.consumer.highwater(tp) or 0 for tp in mine}
            for number, marker in self.ingest.stalled(self.status.ends):
                await self._go_back(number, marker)
            self.policy_file.poll(_today())
            self.partitions = app.consumer.topic_partitions(settings.topic) or self.partitions

        if settings.heartbeat and settings.time_mode == "live":

            @app.timer(settings.heartbeat)  # type: ignore[untyped-decorator]
            async def heartbeat() -> None:
                value = msgspec.json.encode({"heartbeat": time.time_ns() // 1_000_000})
                for number in self.ingest.silent(settings.heartbeat, self.status.ends):
                    if self.heartbeats:
                        await events.send(partition=number, value=value)

    async def _insist(self, event: Any) -> None:
        """Take a fetch; what cannot be taken stops the worker, it is never skipped."""
        try:
            await self.ingest.take(event.message.value)
        except (asyncio.CancelledError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, `failed` tells it
            if not self.failed.done():
                self.failed.set_exception(error)
            await asyncio.Event().wait()

    def _mine(self, partition: int) -> bool:
        return TP(self.settings.topic, partition) in self.app.consumer.assignment()

    async def _go_back(self, partition: int, offset: int) -> None:
        await self.app.consumer.go_to(TP(self.settings.topic, partition), offset)

    async def _send_letters(self, letters: Sequence[DeadLetter], partition: int) -> None:
        """Dead letters to their topic, at least once, under the key of their identity.

        Tried until Kafka has them: the stream waits, it does not forget.
        """
        wait = _FIRST_WAIT_S
        while True:
            try:
                await self._try_letters(letters, partition)
            except (KafkaError, faust.exceptions.FaustError) as error:
                self.status.broker = (
                    f"topic {self.settings.dead_letter_topic} does not take dead letters "
                    f"({type(error).__name__}); trying again"
                )
                _log.warning("%s in %.1f s", self.status.broker, wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, self.settings.retry_max)
            else:
                self.status.broker = ""
                return

    async def _try_letters(self, letters: Sequence[DeadLetter], partition: int) -> None:
        sent = []
        for letter in letters:
            place = f"{self.settings.topic}/{partition}/{letter.offset}/{letter.line}"
            headers = {"place": place, "reason": letter.reason, "sentence": letter.sentence}
            if len(letter.content) > _LETTER_BYTES:
                headers["cut"] = (
                    f"{_LETTER_BYTES} of {len(letter.content)} bytes; the store has all"
                )
            future = await self._letters.send(
                key=letter_id(self._stream_id, partition, letter).encode(),
                value=letter.content[:_LETTER_BYTES],
                headers={key: text.encode() for key, text in headers.items()},
            )
            sent.append(future)
        await asyncio.gather(*sent)

    def markers(self) -> dict[int, int]:
        """Next offset of each partition as the store has it; from any thread."""
        return self.ingest.markers()

    async def start(self) -> None:
        """Join the group and work until `stop`."""
        # Batches make objects by the hundred thousand and hardly a cycle: collecting after every
        # 700 costs a quarter of the processor.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        self.app.finalize()
        await self.app.start()

    async def stop(self, *, snapshot: bool = True) -> None:
        """Finish the fetch under way (at most some seconds), commit, leave."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_S):
                await self.ingest.close(snapshot=snapshot and not self.failed.done())
        self._stop.set()
        # Leaving the group takes a broker; without one there is nobody to take leave of.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self.app.stop()
