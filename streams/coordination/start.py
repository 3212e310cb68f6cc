"""The signals agent with everything it needs, for a worker; None where it is off."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from streams.coordination.agent import Coordination
from streams.coordination.context import SignalsContext
from streams.coordination.keeping import Keeper
from streams.policy.watch import PolicyFile
from streams.settings import Settings
from streams.storage.base import Store
from streams.storage.retry import RetryingStore

__all__ = ["coordination"]

_log = logging.getLogger(__name__)
_MIN_SNAPSHOT_S = 300.0  # rings are large, and the slots after a snapshot are quickly made again


def coordination(
    settings: Settings,
    store: Store,
    stop: threading.Event,
    stream_id: str,
    partitions: Mapping[str, int],
    policy_file: PolicyFile,
) -> Coordination | None:
    """The agent, not started; its waits for the store are its own and end when `stop` is set.

    `partitions` of the topics of events and signals.
    """
    rules = policy_file.policy.coordination
    if not settings.coordination or not rules.enabled:
        return None
    count = partitions.get(settings.signals_topic, 0)
    if not count:
        _log.warning(
            "coordination is off: Kafka has no topic %s: create it with `pulse topics create`",
            settings.signals_topic,
        )
        return None
    # One for each thread: what one of them waits for is not the other's trouble.
    patient, keepers = (RetryingStore(store, stop, settings.retry_max) for _ in range(2))
    keepers.interrupt = patient.interrupt
    context = SignalsContext(
        store=patient,
        topic=settings.topic,
        stream_id=stream_id,
        sources=partitions[settings.topic],
        partitions=count,
        replay=settings.time_mode == "replay",
        worker=settings.worker,
        slack_ms=round((settings.lateness + settings.tick) * 1000),
        snapshot_every_s=max(_MIN_SNAPSHOT_S, settings.snapshot_every),
        lease_s=settings.session_timeout / 3,
        kinds=rules.fields,
        after_ms=round(settings.coordination_from * 1000),
    )

    def keeper() -> Keeper:
        from streams.coordination import keeper  # numba and igraph come with it

        return keeper.Keeper(
            keepers,
            count,
            lambda: policy_file.policy,
            context.now_ms,
            after_ms=context.after_ms,
        )

    return Coordination(context, keeper, patient.interrupt)
