"""What changed about incidents since the last look, read from the store.

The beginning of the notifier's step. Rows come to light in the order in which their inserts end,
not in that of their `stored_at`: a worker that had to wait for the store writes rows that are
minutes old. So every look goes back a little behind the newest row seen, and now and then one goes
back a day and picks out what was not seen yet. Where the last notifier ended stands in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from streams.alerting.notify.outbox import UNTOLD
from streams.storage.base import Store

__all__ = ["Feed", "Reach"]

_NAME: Final = "notifier"
_COLUMNS: Final = (
    "i.incident_id AS incident_id, i.version AS version, kind, account_id, org_id, state, "
    "severity, sentence, p_value, peak_observed, expected, threshold, "
    "toInt64(toUnixTimestamp64Milli(i.started_at)) AS started_ms, "
    "toInt64(toUnixTimestamp64Milli(i.last_seen_at)) AS last_seen_ms, "
    "toInt64(toUnixTimestamp64Milli(i.stored_at)) AS stored_ms"
)
_AFTER: Final = "stored_at > fromUnixTimestamp64Milli({after}, 'UTC')"
#: The inner SELECT spares FINAL the whole table.
_CHANGED: Final = (
    f"SELECT {_COLUMNS} FROM incidents AS i WHERE i.incident_id IN "
    f"(SELECT incident_id FROM incident_log WHERE {_AFTER}) ORDER BY i.stored_at, i.incident_id"
)
_VERSIONS: Final = (
    "SELECT incident_id, toInt64(max(version)) AS version FROM incident_log "
    f"WHERE {_AFTER} AND stored_at <= fromUnixTimestamp64Milli({{until}}, 'UTC') "
    "GROUP BY incident_id"
)
_THESE: Final = f"SELECT {_COLUMNS} FROM incidents AS i WHERE i.incident_id IN {{names}}"
#: Resolved for so long that its partition, whose event time may lag, cannot reopen it any more.
_OVER: Final = (
    f"SELECT {_COLUMNS} FROM incidents AS i LEFT JOIN "
    "(SELECT kafka_partition, max(watermark) AS passed FROM ingest_log GROUP BY kafka_partition) "
    "AS w ON w.kafka_partition = i.kafka_partition "
    "WHERE state = 'resolved' AND i.resolved_at <= fromUnixTimestamp64Milli({before}, 'UTC') "
    "AND (toUnixTimestamp64Milli(w.passed) <= 0 "
    "OR toUnixTimestamp64Milli(w.passed) - {patience} > toUnixTimestamp64Milli(i.resolved_at)) "
    "AND i.incident_id IN (SELECT incident_id FROM notifications WHERE channel IN {channels} "
    "GROUP BY incident_id HAVING countIf(event = 'resolved') = 0 "
    "AND countIf(event != 'resolved' AND state NOT IN {untold}) > 0) "
    "ORDER BY i.resolved_at, i.incident_id LIMIT 1000"
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far looks go back, in ms."""

    usual: int = 10_000
    at_start: int = 600_000
    sweep: int = 86_400_000
    sweep_every: int = 60_000
    keep_every: int = 5_000


class Feed:
    """Rows of `incidents` with times in epoch ms, each version once; for one thread."""

    def __init__(self, store: Store, reach: Reach | None = None) -> None:
        self._store = store
        self._reach = reach or Reach()
        self._seen: dict[str, int] = {}  # versions by incident, of the last day
        self._cursor = 0  # `stored_at` of the newest row seen
        self._first = 0  # the first look goes back to here
        self._kept = 0
        self._kept_at = 0
        self._swept = 0

    def start(self, now: int) -> None:
        """Go on where the last notifier ended; the first of a store begins now."""
        rows = self._rows(
            "SELECT toInt64(toUnixTimestamp64Milli(max(at))) AS ms, count() AS n "
            "FROM notification_cursor WHERE name = {name}",
            {"name": _NAME},
        )
        self._swept = now
        if rows[0]["n"]:
            self._cursor = self._kept = int(rows[0]["ms"])
            self._first = self._cursor - self._reach.at_start
        else:
            self._cursor = self._first = now
            self.keep(now)
        span = {"after": self._cursor - self._reach.sweep, "until": self._first}
        self._seen = {r["incident_id"]: r["version"] for r in self._rows(_VERSIONS, span)}

    def changes(self, now: int) -> list[Row]:
        """Incidents with a version that was not `taken` yet, in order of their rows' age."""
        if now - self._swept >= self._reach.sweep_every:
            return self._sweep(now)
        after = self._first or self._cursor - self._reach.usual
        return self._new(self._rows(_CHANGED, {"after": after}))

    def taken(self, rows: Sequence[Row], now: int) -> None:
        """What `changes` gave is dealt with."""
        self._first = 0
        for row in rows:
            self._seen[row["incident_id"]] = row["version"]
            self._cursor = max(self._cursor, min(row["stored_ms"], now))
        if self._cursor > self._kept and now - self._kept_at >= self._reach.keep_every:
            self.keep(now)

    def over(self, patience: int, channels: Sequence[str], now: int) -> list[Row]:
        """Incidents whose opening was told to one of `channels` and their end was not."""
        if not channels:
            return []
        given = {"before": now - patience, "patience": patience, "channels": list(channels)}
        given["untold"] = list(UNTOLD)
        return self._rows(_OVER, given)

    def keep(self, now: int) -> None:
        """Note in the store how far everything was seen."""
        if self._cursor == self._kept:
            return
        moment = pa.timestamp("ms", "UTC")
        row = {
            "name": pa.array([_NAME]),
            "at": pa.array([self._cursor], pa.int64()).cast(moment),
            "moved_at": pa.array([now], pa.int64()).cast(moment),
        }
        self._store.insert("notification_cursor", pa.table(row))
        self._kept, self._kept_at = self._cursor, now

    def _sweep(self, now: int) -> list[Row]:
        after = self._cursor - self._reach.sweep
        rows = self._rows(_VERSIONS, {"after": after, "until": now + self._reach.sweep})
        late = [row["incident_id"] for row in self._new(rows)]
        current = {row["incident_id"] for row in rows}
        self._seen = {name: v for name, v in self._seen.items() if name in current}
        self._swept = now
        return self._new(self._rows(_THESE, {"names": late})) if late else []

    def _new(self, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if self._seen.get(row["incident_id"], -1) < row["version"]]

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        rows: list[dict[str, Any]] = self._store.query(sql, dict(parameters)).to_pylist()
        return [
            {
                name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                for name, value in row.items()
            }
            for row in rows
        ]
