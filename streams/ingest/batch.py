"""What a partition works with: what all partitions of a worker share, and one judged fetch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.events.letters import DeadLetter
from streams.features.fold import Policy
from streams.ingest.times import TimeRules
from streams.policy.watch import PolicyFile
from streams.storage.base import Store

__all__ = ["Batch", "Context", "Counts"]


@dataclass(frozen=True, slots=True)
class Context:
    """What all partitions of a worker share; times in ms."""

    store: Store
    policy: Policy
    topic: str
    stream_id: str
    stream_registered: int
    worker: str
    times: TimeRules
    lateness_ms: int
    late_limit_ms: int
    dedup_window_ms: int
    dedup_capacity: int
    snapshot_every_s: float
    lease_s: float  # after this long without a write, make sure that nobody else has written
    #: Set while a partition is being given up: writes that wait for the store end then.
    interrupt: threading.Event = field(default_factory=threading.Event)
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    #: The file that may change while the worker runs; without one `policy` holds for good.
    policy_file: PolicyFile | None = None
    #: How many partitions the topic has now; None: as many as `policy` says, for good.
    partitions: Callable[[], int] | None = None

    def ruling(self) -> Policy:
        """The policy in force now."""
        policy = self.policy
        if self.policy_file is not None and self.policy_file.policy.version != policy.version:
            policy = replace(policy, detection=self.policy_file.policy)
        if self.partitions is not None and self.partitions() != policy.partitions:
            policy = replace(policy, partitions=self.partitions())
        return policy


@dataclass(slots=True)
class Counts:
    """What became of the lines of a batch."""

    messages: int = 0
    events: int = 0
    stored: int = 0
    duplicates: int = 0
    dead: int = 0
    late: int = 0
    too_late: int = 0
    alerts: int = 0
    ticks: int = 0
    scoring_s: float = 0.0


@dataclass(slots=True)
class Batch:
    """A judged fetch, ready to be stored."""

    first_offset: int
    next_offset: int
    events: pa.Table
    offsets: NDArray[np.uint64]
    lines: NDArray[np.uint32]
    identities: NDArray[np.uint64]
    heartbeats: list[tuple[int, int]]
    letters: list[DeadLetter]
    broker_time: int
    counts: Counts = field(default_factory=Counts)
    rows: pa.Table | None = None  # the events as they are stored, once they are
