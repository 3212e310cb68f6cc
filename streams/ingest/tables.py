"""Arrow tables of what ingest and the fold have to store, in the columns of deploy/migrations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.alerting.findings import Finding
from streams.alerting.incidents import Alert, Incident
from streams.events.letters import DeadLetter, letter_id
from streams.features.watermark import Counted
from streams.ingest.batch import Batch

__all__ = [
    "alert_table",
    "event_table",
    "finding_table",
    "incident_table",
    "letter_table",
    "marker_table",
]

_TIME = pa.timestamp("ms", "UTC")
_WORDS = pa.map_(pa.string(), pa.float64())


def _constant(word: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([word]))


def event_table(
    events: pa.Table,
    offsets: NDArray[np.uint64],
    lines: NDArray[np.uint32],
    counted: Counted,
    stream_id: str,
    partition: int,
    arrived_at: int,
) -> pa.Table:
    """`events` (EVENT_SCHEMA) with their place, their tick and their arrival (epoch ms)."""
    count = len(offsets)
    added: dict[str, Any] = {
        "stream_id": _constant(stream_id, count),
        "kafka_partition": pa.array(np.full(count, partition, np.uint32)),
        "kafka_offset": pa.array(offsets),
        "line": pa.array(lines),
        "tick": pa.array(counted.tick).cast(_TIME),
        "late": pa.array(counted.late),
        "arrived_at": pa.array(np.full(count, arrived_at, np.int64)).cast(_TIME),
    }
    for name, column in added.items():
        events = events.append_column(name, column)
    return events


def letter_table(
    letters: Sequence[DeadLetter], topic: str, stream_id: str, partition: int, arrived_at: int
) -> pa.Table:
    """Rows of `dead_letters`."""
    return pa.table(
        {
            "letter_id": [letter_id(stream_id, partition, letter) for letter in letters],
            "stream_id": [stream_id] * len(letters),
            "topic": [topic] * len(letters),
            "kafka_partition": pa.array([partition] * len(letters), pa.uint32()),
            "kafka_offset": pa.array([letter.offset for letter in letters], pa.uint64()),
            "line": pa.array([letter.line for letter in letters], pa.uint32()),
            "reason": [letter.reason for letter in letters],
            "sentence": [letter.sentence for letter in letters],
            "bytes": pa.array([letter.content for letter in letters], pa.binary()),
            "broker_time": _times(letter.broker_time for letter in letters),
            "arrived_at": _times(arrived_at for _ in letters),
        }
    )


def marker_table(
    batch: Batch,
    stream_id: str,
    worker: str,
    partition: int,
    watermark: int,
    since: int,
    stored_at: int,
) -> pa.Table:
    """The row of `ingest_log` that says a batch is stored whole; times in epoch ms."""
    times = {"watermark": watermark, "since": since, "stored_at": stored_at}
    counted = ("messages", "events", "stored", "duplicates", "dead", "late", "too_late")
    return pa.table(
        {
            "stream_id": pa.array([stream_id]),
            "kafka_partition": pa.array([partition], pa.uint32()),
            "first_offset": pa.array([batch.first_offset], pa.uint64()),
            "next_offset": pa.array([batch.next_offset], pa.uint64()),
            "worker": pa.array([worker]),
            **{name: _times([ms]) for name, ms in times.items()},
            "broker_time": _times([batch.broker_time]),
            **{name: pa.array([getattr(batch.counts, name)], pa.uint64()) for name in counted},
        }
    )


def _times(values: Iterable[int]) -> pa.Array:
    return pa.array(list(values), pa.int64()).cast(_TIME)


def finding_table(findings: Sequence[Finding], partition: int, stored_at: int) -> pa.Table:
    """Rows of `findings`."""
    rows = [asdict(item) for item in findings]
    for row in rows:
        del row["limit"], row["stride"]
    return _table(rows, partition, stored_at)


def incident_table(incidents: Sequence[Incident], partition: int, stored_at: int) -> pa.Table:
    """Rows of `incident_log`."""
    rows = [asdict(item) for item in incidents]
    for row in rows:
        for name in ("told", "reported_at", "alarmed_at", "limit", "patience_ms"):
            del row[name]
        row["resolved_at"] = row["resolved_at"] or None
    return _table(rows, partition, stored_at)


def alert_table(alerts: Sequence[Alert], partition: int, stored_at: int) -> pa.Table:
    """Rows of `alerts`: one an incident, so an alert's identity is its incident's."""
    rows = []
    for alert in alerts:
        finding = asdict(alert.finding)
        finding["alert_id"] = alert.finding.incident_id
        finding["started_at"] = finding.pop("window_start")
        finding["detected_at"] = finding.pop("window_end")
        finding["severity"] = alert.severity
        for name in ("finding_id", "drivers", "parts", "held", "limit", "stride"):
            del finding[name]
        rows.append(finding)
    return _table(rows, partition, stored_at)


_KINDS = {
    "window_start": _TIME,
    "window_end": _TIME,
    "started_at": _TIME,
    "detected_at": _TIME,
    "last_seen_at": _TIME,
    "resolved_at": _TIME,
    "window_s": pa.uint32(),
    "version": pa.uint64(),
    "findings": pa.uint64(),
    "reopened": pa.uint32(),
}


def _table(rows: Sequence[dict[str, Any]], partition: int, stored_at: int) -> pa.Table:
    columns: dict[str, Any] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name in ("drivers", "parts"):
            columns[name] = pa.array([list(value.items()) for value in values], _WORDS)
        elif (kind := _KINDS.get(name)) == _TIME:
            columns[name] = pa.array(values, pa.int64()).cast(_TIME)
        else:
            columns[name] = pa.array(values, kind)
    columns["kafka_partition"] = pa.array([partition] * len(rows), pa.uint32())
    columns["stored_at"] = _times(stored_at for _ in rows)
    return pa.table(columns)
