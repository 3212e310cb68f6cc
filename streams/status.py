"""What a worker knows of itself right now, for the terminal, the local page and the health check.

Beside the flow: the ingest agent reports to it, the views read it. Nothing here is needed to go on
after a crash.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from detectors import burst
from streams.alerting.incidents import Incident
from streams.features import windows
from streams.ingest.batch import Batch, Counts
from streams.ingest.gaps import Gap
from streams.ingest.partition import Partition
from streams.memory import memory

__all__ = ["Status"]

_RATE_S = 10
_HISTORY_S = 600
_HOTTEST = 12
_SAMPLES = 2000


class Status:
    """Counters and a few recent samples; every method may be called from any thread."""

    def __init__(self, mode: str, now_ms: Callable[[], int]) -> None:
        self.mode = mode
        self.now_ms = now_ms
        self.started = now_ms()
        self.counts = Counts()
        self.batches = 0
        self._broker = ""
        self._broker_since: int | None = None
        self._stored_at: int | None = None
        self.ends: Mapping[int, int] = {}
        self.store_trouble: Callable[[], str] = lambda: ""
        #: Since when the store is waited for (epoch ms), and tries that failed so far.
        self.store_waits: Callable[[], tuple[int | None, int]] = lambda: (None, 0)
        #: Partitions that are being rebuilt, and since when (epoch ms).
        self.rebuilding: Callable[[], Mapping[int, int]] = dict
        self.memory: Callable[[], dict[str, int | None]] = memory
        self.platform: Callable[[], list[Incident]] = list
        self.policy_problem: Callable[[], str] = lambda: ""
        #: Messages of the outbox by state; empty where this worker sends none.
        self.notifications: Callable[[], Mapping[str, int]] = dict
        self.coordination: Callable[[], dict[str, Any]] = dict  # empty when it is off
        self.groups: Callable[[], Sequence[tuple[Incident, frozenset[str]]]] = list  # of clusters
        self.gaps: Callable[[], list[Gap]] = list
        self.partitions: Callable[[], Mapping[int, Partition]] = dict
        self._lock = threading.Lock()
        self._seconds: deque[list[int]] = deque(maxlen=_HISTORY_S)
        self._delays: deque[float] = deque(maxlen=_SAMPLES)
        self._alert_delays: deque[float] = deque(maxlen=_SAMPLES)
        self._writes: deque[float] = deque(maxlen=50)

    @property
    def broker(self) -> str:
        """The sentence of what is wrong with the broker, or nothing."""
        return self._broker

    @broker.setter
    def broker(self, sentence: str) -> None:
        if not sentence:
            self._broker_since = None
        elif not self._broker:
            self._broker_since = self.now_ms()
        self._broker = sentence

    def stored(self, batch: Batch, counts: Counts, write_ms: float) -> None:
        """A batch was stored whole."""
        now = self.now_ms()
        with self._lock:
            for name in (field.name for field in fields(Counts)):
                setattr(self.counts, name, getattr(self.counts, name) + getattr(counts, name))
            self.batches += 1
            self._stored_at = now
            self._writes.append(write_ms)
            self._alert_delays.extend([max(0.0, now - batch.broker_time)] * counts.alerts)
            if counts.stored:
                self._delays.append(max(0.0, now - batch.broker_time))
                second = now // 1000 * 1000
                if not self._seconds or self._seconds[-1][0] != second:
                    self._seconds.append([second, 0])
                self._seconds[-1][1] += counts.stored

    def rate(self) -> float:
        """Events stored a second, over the last ten seconds."""
        now = self.now_ms()
        with self._lock:
            recent = [count for second, count in self._seconds if second > now - _RATE_S * 1000]
        elapsed = min(_RATE_S, max(1.0, (now - self.started) / 1000))
        return sum(recent) / elapsed

    def lag(self) -> int:
        """Messages in Kafka that this worker's partitions have not stored."""
        parts = self.partitions()
        return sum(
            max(0, end - (parts[n].marker if n in parts else 0)) for n, end in self.ends.items()
        )

    def snapshot(self) -> dict[str, Any]:
        """Everything as one JSON-able object (see dashboards/live for who reads it)."""
        parts = dict(self.partitions())
        trouble = self.store_trouble()
        since, retries = self.store_waits()
        with self._lock:
            rates = [list(item) for item in self._seconds]
            delays, alert_delays = sorted(self._delays), sorted(self._alert_delays)
            write = float(np.median(self._writes)) if self._writes else 0.0
            counts = {
                name: getattr(self.counts, name)
                for name in (field.name for field in fields(Counts))
            }
        watermarks = [part.watermark.value for part in parts.values() if part.watermark.value]
        return {
            "now": self.now_ms(),
            "started": self.started,
            "mode": self.mode,
            "rate": self.rate(),
            "stored": counts["stored"],
            "messages": counts["messages"],
            "batches": self.batches,
            "alerts": counts["alerts"],
            "ticks": counts["ticks"],
            "scoring_s": counts["scoring_s"],
            "notifications": self.notifications(),
            "lag": self.lag(),
            "delay_ms": _quantiles(delays),
            "alert_ms": _quantiles(alert_delays),
            "watermark": min(watermarks, default=None),
            "accounts": sum(len(part.fold.accounts) for part in parts.values()),
            "dead": counts["dead"],
            "duplicates": counts["duplicates"],
            "late": counts["late"],
            "too_late": counts["too_late"],
            "policy": _ruling(parts, self.policy_problem()),
            "store": {
                "ok": not trouble,
                "sentence": trouble,
                "write_ms": write,
                "since": since,
                "retries": retries,
            },
            "broker": {
                "ok": not self.broker,
                "sentence": self.broker,
                "since": self._broker_since,
            },
            "coordination": self.coordination(),
            "partitions": [self._partition(part) for _, part in sorted(parts.items())],
            "rebuilding": self._rebuilding(parts),
            "last_batch": self._stored_at,
            "memory": self.memory(),
            "hottest": _hottest(parts),
            "incidents": _incidents(parts, self.platform(), self.groups()),
            "gaps": [
                {
                    "partition": g.kafka_partition,
                    "started_at": g.started_at,
                    "ended_at": g.ended_at,
                    "sentence": g.sentence,
                }
                for g in self.gaps()
            ],
            "rates": rates,
        }

    def _rebuilding(self, parts: Mapping[int, Partition]) -> list[dict[str, int | None]]:
        """Assigned partitions that are not taken over yet; the one under way with its start."""
        since = dict(self.rebuilding())
        coming = sorted((self.ends.keys() | since.keys()) - parts.keys())
        return [{"partition": number, "since": since.get(number)} for number in coming]

    def _partition(self, part: Partition) -> dict[str, Any]:
        return {
            "partition": part.number,
            "lag": max(0, self.ends.get(part.number, part.marker) - part.marker),
            "watermark": part.watermark.value,
            "next_offset": part.marker,
            "accounts": len(part.fold.accounts),
            "bytes": part.fold.accounts.state.nbytes,
        }


def _ruling(parts: Mapping[int, Partition], problem: str) -> dict[str, Any]:
    """The policy, and how many pages it allows in a shift where its budget counts pages."""
    policy = next((part.fold.policy for part in parts.values()), None)
    budget = None
    if policy is not None and policy.detection.budget.unit == "pages_per_shift":
        allowed = policy.detection.budget
        pages = allowed.high + allowed.medium + allowed.cold_high + allowed.cold_medium
        budget = {"pages": pages, "hours": allowed.shift_hours}
    return {"version": policy.version if policy else "", "problem": problem, "budget": budget}


def _quantiles(ordered: list[float]) -> dict[str, float] | None:
    if not ordered:
        return None
    last = len(ordered) - 1
    return {
        "p50": ordered[last // 2],
        "p99": ordered[bisect_left(range(last + 1), round(0.99 * last))],
    }


def _incidents(
    parts: Mapping[int, Partition],
    platform: list[Incident],
    groups: Sequence[tuple[Incident, frozenset[str]]],
) -> list[dict[str, Any]]:
    """Open incidents, then the recently resolved, newest first.

    What a member of an open cluster does on its own bears the cluster's incident as `part_of`,
    unless it is worse than the cluster: then it calls for somebody by itself.
    """
    found: list[Incident] = [
        item for part in parts.values() for item in list(part.fold.incidents.by_account.values())
    ]
    found += platform + [item for item, _ in groups]
    whole = {
        account: item for item, members in groups if item.state != "resolved" for account in members
    }
    found.sort(key=lambda item: (item.state == "resolved", -item.started_at, item.account_id))
    return [
        {
            "incident_id": item.incident_id,
            "account_id": item.account_id,
            "kind": item.kind,
            "detector": item.detector,
            "state": item.state,
            "severity": item.severity,
            "sentence": item.sentence,
            "started_at": item.started_at,
            "last_seen_at": item.last_seen_at,
            "observed": item.peak_observed,
            "expected": item.expected,
            "threshold": item.threshold,
            "p_value": item.p_value,
            "window_s": item.window_s,
            "metric": item.metric,
            "part_of": _part_of(item, whole.get(item.account_id)),
        }
        for item in found
    ]


def _part_of(item: Incident, whole: Incident | None) -> str:
    if whole is None or item.state == "resolved":
        return ""
    return "" if item.severity == "high" != whole.severity else whole.incident_id


def _hottest(parts: Mapping[int, Partition]) -> list[dict[str, Any]]:
    """Accounts with the most requests in five minutes of event time."""
    rows: list[dict[str, Any]] = []
    for part in parts.values():
        fold = part.fold
        used = len(fold.accounts.names)
        active = np.flatnonzero(fold.accounts.stamp[:used] > fold.closed - 300_000)
        if not len(active):
            continue
        requests = windows.requests_of_five_minutes(
            fold.accounts.state, fold.accounts.stamp, active, fold.closed
        )
        top = active[np.argsort(-requests, kind="stable")[:_HOTTEST]]
        standing = windows.standing_at(
            fold.accounts.state, fold.layout, fold.accounts.stamp, top, fold.closed
        )
        sums = windows.tick_sums(standing, slice(None))
        parameters = fold.scoring.parameters(burst)
        usual = burst.baseline_mean(standing["burst"], fold.closed, parameters)
        warm = burst.is_warm(standing["burst"], fold.closed, parameters)
        for place, row in enumerate(top.tolist()):
            rows.append(
                {
                    "account_id": fold.accounts.names[row],
                    "requests_1m": int(sums[place, 0, 0]),
                    "requests_5m": int(sums[place, 1, 0]),
                    "tokens_5m": int(sums[place, 1, 1] + sums[place, 1, 2]),
                    "usual_5m": float(usual[place, 0]) if warm[place] else None,
                }
            )
    rows.sort(key=lambda row: (-row["requests_5m"], row["account_id"]))
    return rows[:_HOTTEST]
