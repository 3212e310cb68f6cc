"""The Faust app of a worker: the settings that make Faust take fetches and trust the store."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Protocol

import faust
from faust.types import TP

from streams.broker.admin import MAX_MESSAGE_BYTES
from streams.broker.connection import faust_arguments
from streams.ingest.agent import Ingest
from streams.ingest.membership import instance_id
from streams.ingest.transport import FetchTransport, scheduler_for
from streams.settings import Settings

__all__ = ["PulseApp", "make_app"]


class _HasIngest(Protocol):
    ingest: Ingest


class PulseApp(faust.App):  # type: ignore[misc]
    """A Faust app whose consumer asks the worker where to start and what to commit."""

    events_topic: str
    linger: float
    worker: _HasIngest

    async def positions(self, assigned: set[TP]) -> dict[TP, int]:
        """See `FetchConsumer.perform_seek`."""
        return await self.worker.ingest.positions(assigned)

    def markers(self) -> dict[int, int]:
        """See `FetchConsumer`."""
        return self.worker.ingest.markers()


def make_app(
    settings: Settings, embedded: str, worker: _HasIngest, topics: Sequence[str]
) -> PulseApp:
    """An app without agents yet; `embedded` is the address of that broker, if it is used, `topics`
    are those its agents will read."""
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
        consumer_group_instance_id=instance_id(settings.worker, topics),
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
    app.events_topic, app.linger, app.worker = settings.topic, settings.linger, worker
    return app
