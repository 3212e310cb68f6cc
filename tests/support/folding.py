"""Driving the fold by hand: events to rows to ticks, in pieces of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np

from streams.events.decode import Messages, decode
from streams.features.fold import Findings, Fold, Policy
from streams.features.watermark import NEVER, Watermark
from streams.ingest.recovery import push_table
from streams.policy.model import Budget, default_policy

__all__ = ["Driver", "encoded", "policy", "told"]


def policy(generous: float = 100.0, **changed: Any) -> Policy:
    """A policy with ticks of 5 s whose budgets are `generous` times the built-in ones.

    The accounts of a test are hours old and few, so that a sane budget would ask for more than a
    test cares to send. `changed` goes to the detection policy.
    """
    usual = Budget()
    budget = Budget(
        high=min(usual.high * generous, 1000.0),
        medium=min(usual.medium * generous, 1000.0),
        cold_high=min(usual.cold_high * generous, 1000.0),
        cold_medium=min(usual.cold_medium * generous, 1000.0),
    )
    detection = default_policy().changed(**({"budget": budget, "fdr": 1.0} | changed))
    return Policy(tick_ms=5000, idle_ms=14 * 86_400_000, detection=detection)


def encoded(events: Sequence[dict[str, Any]]) -> list[bytes]:
    """Events as the lines that carry them."""
    return [msgspec.json.encode(event) for event in events]


class Driver:
    """A fold with its watermark; `feed` takes encoded events (or heartbeats) in order.

    `began`: event time since when the fold watches; accounts seen a day after that or more are new.
    """

    def __init__(
        self,
        rules: Policy,
        lateness_ms: int = 2000,
        late_limit_ms: int = 3_600_000,
        began: int = 0,
    ) -> None:
        self.fold = Fold(rules)
        self.fold.scoring.began = began
        self.watermark = Watermark(rules.tick_ms, lateness_ms, late_limit_ms)
        self.found = Findings()
        self.ticks: list[int] = []
        self.late: list[int] = []

    def feed(self, lines: Sequence[bytes]) -> None:
        """One fetch."""
        decoded = decode(Messages(lines, range(len(lines)), [0] * len(lines)))
        assert not decoded.dead
        table = decoded.table()
        ts = np.asarray(table.column("ts").cast("int64").to_numpy(), np.int64)
        counted = self.watermark.take(ts, decoded.heartbeats)
        kept = counted.tick < NEVER
        if kept.any():
            push_table(self.fold, table.filter(kept), counted.tick[kept])
        self.ticks += counted.tick.tolist()
        self.late += counted.late.tolist()
        self.found += self.fold.advance(self.watermark.value)

    def finish(self, ms: int) -> None:
        """Let event time pass to `ms`."""
        self.feed([msgspec.json.encode({"heartbeat": ms})])


def told(found: Findings) -> bytes:
    """Everything found, as bytes to compare."""
    return msgspec.json.encode(
        [
            [asdict(item) for item in found.findings],
            [asdict(item) for item in found.incidents],
            [asdict(item) for item in found.alerts],
        ]
    )
