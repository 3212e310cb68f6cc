"""A notifier on a real store with real channels: a policy of channels and routes, incidents as the
fold writes them, and a clock that the test moves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from streams.alerting.incidents import Incident
from streams.alerting.notify.courier import Posted
from streams.alerting.notify.feed import Reach
from streams.alerting.notify.notifier import Notifier, Timing
from streams.errors import StoreUnavailable
from streams.ingest.tables import incident_table
from streams.policy.load import parse
from streams.policy.model import Policy
from streams.storage.base import Store
from tests.support.receivers import Hook

__all__ = [
    "MINUTE",
    "NOW",
    "REOPEN",
    "ROUTE",
    "TABLES",
    "Desk",
    "Shaky",
    "channel",
    "desk",
    "incident",
    "policy",
    "put",
    "put_cluster",
    "put_watermark",
    "rows",
]

NOW = 1_780_000_000_000
MINUTE = 60_000
#: Half an hour after it was resolved an incident can be reopened no more.
REOPEN = 1_800_000
ROUTE = '[[routes]]\nname = "r"\nchannel = "hook"\n'
#: What a test of notifications finds empty.
TABLES = (
    *("incident_log", "notification_log", "notification_cursor"),
    *("suppression_log", "ingest_log", "cluster_log", "cluster_member_log"),
)
DAY = date(2026, 6, 15)
_PATIENCE_S = 120.0


def channel(folder: Path, name: str, address: str, more: str = "") -> str:
    """A channel of a policy whose address stands in a file of `folder`."""
    file = folder / f"{name}.address"
    file.write_text(address + "\n", encoding="utf-8")
    return f'[[channels]]\nname = "{name}"\nurl_file = "{file}"\n{more}\n'


def policy(text: str) -> Policy:
    """The policy of a text; it may expire whenever it likes."""
    return parse(text, "policy.toml", today=DAY)


def incident(name: str, **changed: Any) -> Incident:
    """An incident as it opens; `changed` are fields of it."""
    found = Incident(
        incident_id=name,
        version=1,
        kind="burst",
        detector="burst",
        account_id=f"acct-{name}",
        org_id="org-1",
        state="open",
        severity="medium",
        started_at=NOW - 300_000,
        last_seen_at=NOW,
        resolved_at=0,
        findings=1,
        reopened=0,
        metric="requests",
        window_s=300,
        peak_observed=900.0,
        expected=30.0,
        p_value=1e-5,
        threshold=118.0,
        sentence=f"acct-{name} sent 900 requests in 5 minutes",
        policy_version="v",
    )
    return replace(found, **changed)


class Shaky:
    """The store, which fails while `down`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.down = False

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        self._check()
        return self._store.query(sql, parameters)

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        self._check()
        self._store.insert(table, rows, token)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("the store is away")


def put(store: Store, given: Sequence[Incident], stored_at: int, partition: int = 0) -> None:
    """Rows of `incident_log`."""
    store.insert("incident_log", incident_table(given, partition, stored_at))


def put_cluster(store: Store, incident_id: str, severity: str, *members: str) -> None:
    """An open cluster with an incident."""
    store.command(
        "INSERT INTO cluster_log (cluster_id, version, state, incident_id, severity) VALUES "
        "('c-1', 1, 'open', {incident_id}, {severity})",
        {"incident_id": incident_id, "severity": severity},
    )
    for member in members:
        store.command(
            "INSERT INTO cluster_member_log (cluster_id, account_id, version) VALUES "
            "('c-1', {member}, 1)",
            {"member": member},
        )


def put_watermark(store: Store, watermark: int, partition: int = 0) -> None:
    """Event time of a partition stands there; stored now, for such rows are not kept for ever."""
    moment = pa.timestamp("ms", "UTC")
    row = {
        "stream_id": pa.array(["stream"]),
        "kafka_partition": pa.array([partition], pa.uint32()),
        "first_offset": pa.array([watermark], pa.uint64()),
        "watermark": pa.array([watermark], pa.int64()).cast(moment),
        "stored_at": pa.array([time.time_ns() // 1_000_000], pa.int64()).cast(moment),
    }
    store.insert("ingest_log", pa.table(row))


def rows(
    store: Store, columns: str = "incident_id, event, channel, state"
) -> list[tuple[Any, ...]]:
    """Rows of `notifications`, sorted."""
    found = store.query(f"SELECT {columns} FROM notifications ORDER BY ALL").to_pylist()
    return [tuple(v.decode() if isinstance(v, bytes) else v for v in row.values()) for row in found]


@dataclass
class Desk:
    """A notifier with its clock at `now`; time moves when the test says so."""

    store: Store
    policy: Policy
    timing: Timing = field(default_factory=Timing)
    reach: Reach = field(default_factory=Reach)
    now: int = NOW
    console: str = "https://pulse.example.org/"
    spool: Path | None = None  # then messages go by a courier

    def __post_init__(self) -> None:
        self.notifier = Notifier(
            self.store,
            lambda: self.policy,
            lambda: self.now,
            console=lambda: self.console,
            carrier=Posted(self.spool) if self.spool is not None else None,
            timing=self.timing,
            reach=self.reach,
        )

    def put(self, *given: Incident, partition: int = 0) -> None:
        """Store incidents now."""
        put(self.store, given, self.now, partition)

    def settle(self, ms: int = 0) -> None:
        """Let `ms` pass, and work until nothing is left to do at that time."""
        self.now += ms
        deadline = time.monotonic() + _PATIENCE_S
        self.notifier.step()
        while self.notifier.pending():
            assert time.monotonic() < deadline, "a message is under way for too long"
            time.sleep(0.005)
            self.notifier.step()

    def pass_time(self, ms: int, every: int = 1000) -> None:
        """Let time pass in steps."""
        for _ in range(ms // every):
            self.settle(every)


def desk(store: Store, folder: Path, web: Hook, routes: str = ROUTE, more: str = "") -> Desk:
    """A notifier that has started, with one channel, `hook`."""
    found = Desk(store, policy(channel(folder, "hook", web.address(), more) + routes))
    found.settle()
    return found
