"""What all signals partitions of a worker share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from detectors.coordination.parameters import Parameters
from streams.alerting.findings import identity
from streams.coordination.signals import KINDS
from streams.storage.base import Store

__all__ = ["SignalsContext", "kinds_text"]


def kinds_text(kinds: Mapping[str, str]) -> str:
    """Names and fields in order, as one word."""
    return ",".join(f"{kind}={made_of}" for kind, made_of in kinds.items())


@dataclass(frozen=True, slots=True)
class SignalsContext:
    """Settings of the signals agent; times in ms unless the name says otherwise."""

    store: Store
    topic: str  # of events
    stream_id: str
    sources: int  # partitions of the topic of events
    partitions: int  # of the topic of signals
    #: In a replay every source is waited for, however long; results must not depend on the clock.
    replay: bool
    worker: str
    slack_ms: int  # by which a row's tick can be ahead of its batch's watermark
    snapshot_every_s: float
    lease_s: float
    kinds: Mapping[str, str] = field(default_factory=lambda: KINDS)
    parameters: Parameters = Parameters().live()  # noqa: RUF009 - frozen
    after_ms: int = 0  # what was done before is left out
    waiting_limit: int = 2_000_000  # signals kept in memory until their slot closes
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    @property
    def kinds_text(self) -> str:
        """The kinds as they stand in messages, so that a reader knows what their codes mean."""
        return kinds_text(self.kinds)

    @property
    def layout(self) -> str:
        """Changes with everything that rings depend on."""
        given = self.parameters
        rings = given.ring, given.horizon_s, given.expected_limit, given.object_capacity
        return identity("rings-2", *rings, self.kinds_text, self.partitions)
