"""The whole flow of one worker, composed in one place.

    usage.events --> ingest --> store: events, account_minute
                       |  \\--> usage.dlq, dead_letters
                       |   \\--> usage.signals --> signals agent --> meetings --> keeper
                     the fold                                                  |
                       |                                                    clusters
                       v                                                       v
                    findings ----------------> incidents --> alerts <-------findings
                                                   \\--> notifier --> outbox --> channels

A Faust app with two agents, of which the first takes a fetch at a time, and timers: heartbeats let
event time pass in silent partitions, and the ends of the partitions are asked for the lag.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
from faust.types import TP

from streams.alerting.notify.agent import NotifierAgent
from streams.alerting.notify.spool import default_spool
from streams.coordination.agent import Coordination
from streams.coordination.sender import Sender
from streams.coordination.start import coordination
from streams.features.fold import Policy
from streams.ingest.agent import Ingest
from streams.ingest.application import PulseApp, make_app
from streams.ingest.batch import Context
from streams.ingest.letters_topic import LettersTopic
from streams.ingest.membership import started, watch
from streams.ingest.recovery import register_stream
from streams.ingest.times import TimeRules
from streams.platform.agent import PlatformAgent
from streams.policy.model import Policy as Detection
from streams.policy.model import default_policy
from streams.policy.watch import PolicyFile
from streams.settings import Settings
from streams.status import Status
from streams.storage.base import Store
from streams.storage.retry import RetryingStore, Stopped

__all__ = ["Worker", "policy_of"]

_DAY_MS = 86_400_000
#: Whoever holds this partition speaks for all: about the platform, and to people.
_FIRST = 0
#: A stop takes no longer than these together: the fetch under way, then the group.
_FINISH_S, _LEAVE_S = 2.5, 2.0


def policy_of(settings: Settings, detection: Detection | None = None) -> Policy:
    """The fold's policy as set, with the built-in detection policy unless one is given."""
    idle_ms = round(settings.idle_days * _DAY_MS)
    return Policy(_ms(settings.tick), idle_ms, detection or default_policy())


def _today() -> date:
    return datetime.now(UTC).date()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


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
        partitions: Mapping[str, int] | None = None,
        page: Callable[[], str] = str,
    ) -> None:
        """`partitions` of the topics of events and signals; a missing one of signals turns
        coordination off. `page` is the address of the local page, empty without one."""
        self.settings = settings
        #: Of the topic of events, on all workers together.
        self.partitions = (partitions or {}).get(settings.topic) or 1
        self._stop = threading.Event()
        self.store = RetryingStore(store, self._stop, settings.retry_max)
        self.status = Status(mode, lambda: time.time_ns() // 1_000_000)
        self.status.store_trouble = lambda: self.store.trouble
        self.status.store_waits = lambda: (self.store.trouble_since, self.store.retries)
        self.heartbeats = True  # off while history is loaded: one would make all of it late
        self._watch: asyncio.Task[None] | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.policy_file = PolicyFile(settings.policy)
        self.policy_file.start(_today())
        self.coordination: Coordination | None = coordination(
            settings, store, self._stop, stream_id, partitions or {}, self.policy_file
        )
        topics = [settings.topic, *([settings.signals_topic] if self.coordination else [])]
        self.app: PulseApp = make_app(settings, embedded, self, topics)
        letters = LettersTopic(
            self._topic(settings.dead_letter_topic), settings, stream_id, self.status
        )
        self.status.policy_problem = lambda: self.policy_file.problem
        self.ingest = Ingest(
            self._context(stream_id), self.status, letters.send, self._go_back, self._mine
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
        self.notifier: NotifierAgent | None = None
        if settings.time_mode == "live" and settings.notify:
            self.notifier = NotifierAgent(
                store,
                lambda: self.policy_file.policy,
                self.ingest.context.now_ms,
                # As of the last second; the event loop alone may ask the consumer.
                lambda: _FIRST in self.status.ends,
                lambda: settings.console_url or page(),
                spool=Path(settings.spool or default_spool(settings.store, settings.data)),
            )
            self.status.notifications = self.notifier.counts
        self._compose()

    def _topic(self, name: str) -> Any:
        return self.app.topic(name, value_serializer="raw", key_serializer="raw")

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

    def _compose(self) -> None:
        app, settings = self.app, self.settings
        events = self._topic(settings.topic)

        @app.agent(events, name="ingest")  # type: ignore[untyped-decorator]
        async def ingest(stream: Any) -> None:
            async for event in stream.noack().events():
                await self._insist(event)
                await stream.ack(event)

        @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
        async def on_revoked(_: PulseApp, revoked: set[TP], **__: Any) -> None:
            gone = {tp.partition for tp in revoked if tp.topic == settings.topic}
            self.status.ends = {n: end for n, end in self.status.ends.items() if n not in gone}
            await self.ingest.revoke(tp for tp in revoked if tp.topic == settings.topic)

        @app.timer(1.0)  # type: ignore[untyped-decorator]
        async def measure_lag() -> None:
            mine = [tp for tp in app.consumer.assignment() if tp.topic == settings.topic]
            self.status.ends = {tp.partition: app.consumer.highwater(tp) or 0 for tp in mine}
            for number, marker in self.ingest.stalled(self.status.ends):
                await self._go_back(number, marker)
            self.policy_file.poll(_today())
            self.partitions = app.consumer.topic_partitions(settings.topic) or self.partitions

        if self.coordination is not None:
            self._compose_coordination(self.coordination)

        if settings.heartbeat and settings.time_mode == "live":

            @app.timer(settings.heartbeat)  # type: ignore[untyped-decorator]
            async def heartbeat() -> None:
                value = msgspec.json.encode({"heartbeat": time.time_ns() // 1_000_000})
                for number in self.ingest.silent(settings.heartbeat, self.status.ends):
                    if self.heartbeats:
                        await events.send(partition=number, value=value)

    def _compose_coordination(self, agent: Coordination) -> None:
        app, topic = self.app, self.settings.signals_topic
        signals = self._topic(topic)
        context = agent.context
        sender = Sender(
            context.stream_id,
            context.partitions,
            context.kinds,
            lambda number, value: signals.send(partition=number, value=value),
        )
        self.ingest.publish = sender.publish
        self.status.coordination = lambda: agent.status() | sender.status()
        self.status.groups = agent.groups

        @app.agent(signals, name="signals")  # type: ignore[untyped-decorator]
        async def meet(stream: Any) -> None:
            async for event in stream.events():
                agent.take(event.message.partition, event.message.value)

        @app.task  # type: ignore[untyped-decorator]
        async def send_signals() -> None:
            await sender.run()

        @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
        async def on_assigned(_: PulseApp, assigned: set[TP], **__: Any) -> None:
            agent.assign(tp.partition for tp in assigned if tp.topic == topic)

        @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
        async def on_revoked(_: PulseApp, revoked: set[TP], **__: Any) -> None:
            await asyncio.to_thread(agent.revoke)

    async def _insist(self, event: Any) -> None:
        """Take a fetch; what cannot be taken stops the worker, it is never skipped."""
        told = self.status.counts.alerts
        try:
            await self.ingest.take(event.message.value)
            if self.notifier is not None and self.status.counts.alerts > told:
                self.notifier.wake()
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

    def markers(self) -> dict[int, int]:
        """Next offset of each partition as the store has it; from any thread."""
        return self.ingest.markers()

    def _close_notifier(self) -> None:
        if self.notifier is not None:
            self.notifier.close()

    async def start(self) -> None:
        """Join the group and work until `stop`."""
        # Batches make objects by the hundred thousand and hardly a cycle: collecting after every
        # 700 costs a quarter of the processor.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        if self.coordination is not None:
            self.coordination.start()
        if self.notifier is not None:
            self.notifier.start()
        self.app.finalize()
        trouble = self.app.consumer.out_of_the_group
        self._watch = asyncio.ensure_future(watch(trouble, self.failed))
        await started(self.app.start(), self.failed)

    async def stop(self, *, snapshot: bool = True) -> None:
        """Finish the fetch and the messages under way (at most some seconds), commit, leave."""
        notified = asyncio.ensure_future(asyncio.to_thread(self._close_notifier))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_S):
                await self.ingest.close(snapshot=snapshot and not self.failed.done())
                if self.coordination is not None:
                    await asyncio.to_thread(self.coordination.close, snapshot=snapshot)
        self._stop.set()
        if self._watch is not None:
            self._watch.cancel()
        await notified
        # Leaving the group takes a broker; without one there is nobody to take leave of.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self.app.stop()
