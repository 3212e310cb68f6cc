"""What `pulse incidents` reads from the store, and how it stands on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from detectors.wording import one_in
from streams.cli.sql import answer
from streams.errors import UsageError
from streams.settings import Settings
from streams.storage.base import expand

__all__ = ["lines", "listed", "shown", "silence_lines", "silenced", "story"]

_LIST = """
SELECT i.incident_id AS incident_id, kind, severity, state, account_id, org_id,
       toUnixTimestamp64Milli(started_at) AS started_ms,
       toUnixTimestamp64Milli(last_seen_at) AS last_seen_ms,
       findings, p_value, sentence, acknowledged_by, owner,
       toUnixTimestamp64Milli(p.resolved_at) AS people_resolved_ms
FROM incidents AS i LEFT JOIN incident_people AS p ON i.incident_id = p.incident_id
WHERE {every} OR (state != 'resolved' AND p.resolved_at <= p.reopened_at)
ORDER BY severity = 'high' DESC, started_ms DESC LIMIT {limit}"""
_ONE = """
SELECT i.*, p.acknowledged_by AS acknowledged_by, p.owner AS owner,
       p.resolved_by AS resolved_by, r.label AS label
FROM incidents AS i
LEFT JOIN incident_people AS p ON i.incident_id = p.incident_id
LEFT JOIN reviews AS r ON i.incident_id = r.incident_id
WHERE i.incident_id = {id}"""
_SAID = (
    "SELECT at, action, by, owner, note FROM incident_actions WHERE incident_id = {id} ORDER BY at"
)
_FOUND = """
SELECT window_end, detector, metric, observed, expected, threshold, p_value, held, sentence, sql
FROM findings FINAL WHERE incident_id = {id} ORDER BY window_end LIMIT 100"""
_TOLD = """
SELECT event, channel, state, attempts, error, made_at, sent_at
FROM notifications WHERE incident_id = {id} ORDER BY made_at, channel"""
_SILENCES = """
SELECT s.suppression_id AS suppression_id, accounts, orgs, kinds, owner, reason, by,
       toUnixTimestamp64Milli(expires_at) AS expires_ms, n.held_back AS held_back
FROM suppressions AS s LEFT JOIN (
    SELECT suppression_id, count() AS held_back FROM notifications
    WHERE state = 'silenced' GROUP BY suppression_id
) AS n ON n.suppression_id = s.suppression_id
WHERE expires_at > fromUnixTimestamp64Milli({at}, 'UTC') AND revoked_at IS NULL
ORDER BY expires_ms"""


def _rows(settings: Settings, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    text = answer(settings, expand(sql, parameters), "JSONEachRow").decode("utf-8", "replace")
    return [json.loads(line) for line in text.splitlines() if line]


def listed(settings: Settings, every: bool, limit: int) -> list[dict[str, Any]]:
    """Open incidents that nobody resolved, or `every` one, the worst and newest first."""
    return _rows(settings, _LIST, every=every, limit=limit)


def shown(settings: Settings, incident_id: str) -> dict[str, Any]:
    """Everything about one.

    Raises:
        UsageError: there is none of this id.
    """
    rows = _rows(settings, _ONE, id=incident_id)
    if not rows:
        raise UsageError(f"incident {incident_id}: there is none of this id (pulse incidents list)")
    return rows[0] | {
        "said": _rows(settings, _SAID, id=incident_id),
        "findings_stored": _rows(settings, _FOUND, id=incident_id),
        "notifications": _rows(settings, _TOLD, id=incident_id),
    }


def silenced(settings: Settings, at_ms: int) -> list[dict[str, Any]]:
    """Silences in force with the number of messages each held back."""
    return _rows(settings, _SILENCES, at=at_ms)


def lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """One incident a paragraph."""
    if not found:
        yield "nothing is open"
    for row in found:
        whose = f", {row['owner']}'s" if row["owner"] else ""
        seen = f", acknowledged by {row['acknowledged_by']}" if row["acknowledged_by"] else ""
        yield f"{row['incident_id']}  {row['severity']:6} {row['state']}{seen}{whose}"
        yield f"    {row['sentence']}"
        chance = one_in(float(row["p_value"]))
        yield f"    since {_at(int(row['started_ms']))}, {chance}, {row['findings']} findings"


def story(row: dict[str, Any]) -> Iterator[str]:
    """One incident from its sentence to its SQL."""
    yield row["sentence"]
    yield f"  {row['kind']}, severity {row['severity']}, {row['state']}, since {row['started_at']}"
    yield (
        f"  observed {row['peak_observed']:,} against {row['expected']:,}; nothing below "
        f"{row['threshold']:,}; {one_in(float(row['p_value']))}"
    )
    if row["label"]:
        yield f"  labelled {row['label']}"
    for one in row["said"]:
        words = " ".join(filter(None, (one["action"], one["owner"], one["note"])))
        yield f"  {one['at']}  {one['by']}: {words}"
    for one in row["notifications"]:
        trouble = f" ({one['error']})" if one["error"] else ""
        yield f"  {one['made_at']}  {one['event']} -> {one['channel']}: {one['state']}{trouble}"
    for one in row["findings_stored"]:
        held = f" [held: {one['held']}]" if one["held"] else ""
        yield f"  {one['window_end']}  {one['detector']}{held}: {one['sentence']}"
    if row["findings_stored"]:
        yield "  the query behind the last one:"
        yield f"    {row['findings_stored'][-1]['sql']}"


def silence_lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """One silence a paragraph."""
    if not found:
        yield "no silence is in force"
    for row in found:
        what = ", ".join((*row["accounts"], *row["orgs"], *row["kinds"]))
        yield f"{row['suppression_id']}  {what}  until {_at(int(row['expires_ms']))}"
        yield f"    {row['owner']}: {row['reason']} ({row['held_back']} messages held back)"


def _at(ms: int) -> str:
    return (
        datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
