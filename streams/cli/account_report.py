"""Gathers what the store knows of one account for `pulse accounts show`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from detectors import burst
from detectors.burst_state import history, record
from streams.cli.asking import iso, rows
from streams.errors import PulseError
from streams.features.layout import layout
from streams.policy.load import load, parse
from streams.policy.model import default_policy
from streams.settings import Settings

__all__ = ["report"]

BUCKETS = 72
_INNER = ("state", "layout", "tick_ms", "kafka_partition", "since")  # not for the reader
NEWEST = 10

TOTALS = f"""
SELECT count() AS requests, sum(prompt_tokens + completion_tokens) AS tokens,
       countIf(status >= 400) AS errors, any(org_id) AS org_id,
       {iso("min(ts)")} AS first_event, {iso("max(ts)")} AS last_event,
       toUnixTimestamp(max(ts)) AS last_s
FROM events FINAL WHERE account_id = {{account}}
"""
TIMELINE = """
SELECT intDiv(toUnixTimestamp(minute) - {start}, {width}) AS bucket, sum(requests) AS requests,
       sum(prompt_tokens + completion_tokens) AS tokens, sum(errors + throttled) AS errors
FROM account_minute
WHERE account_id = {account} AND minute >= toDateTime({start}, 'UTC')
GROUP BY bucket
"""
STATE = f"""
SELECT {iso("a.tick")} AS tick, toUnixTimestamp64Milli(a.tick) AS tick_ms, requests_1m,
       requests_5m, requests_1h, requests_24h, prompt_tokens_24h, completion_tokens_24h,
       {iso("last_seen")} AS last_seen, hex(state) AS state, f.layout AS layout,
       a.kafka_partition AS kafka_partition, f.since AS since
FROM account_state AS a
INNER JOIN (
    SELECT kafka_partition, generation, tick, any(layout) AS layout,
           any(JSONExtractInt(fold, 'since')) AS since
    FROM fold_snapshots GROUP BY kafka_partition, generation, tick
) AS f ON f.kafka_partition = a.kafka_partition AND f.generation = a.generation AND f.tick = a.tick
WHERE account_id = {{account}} ORDER BY a.generation DESC, a.tick DESC LIMIT 1
"""
POLICY = """
SELECT toml FROM policy_log FINAL
WHERE kafka_partition = {kafka_partition} AND tick <= fromUnixTimestamp64Milli({tick_ms}, 'UTC')
AND applied_at >= fromUnixTimestamp64Milli({since}, 'UTC')
ORDER BY policy_log.tick DESC LIMIT 1
"""
FINDINGS = f"""
SELECT finding_id, detector, kind, channel, severity, held, metric, window_s, observed, expected,
       p_value, parts, threshold,
       {iso("window_start")} AS window_start, {iso("f.window_end")} AS window_end, sentence, sql,
       policy_version, incident_id
FROM findings AS f FINAL WHERE account_id = {{account}}
ORDER BY f.window_end DESC, finding_id LIMIT {{limit}}
"""
INCIDENTS = f"""
SELECT incident_id, kind, detector, state, severity, {iso("i.started_at")} AS started_at,
       {iso("last_seen_at")} AS last_seen_at, {iso("resolved_at")} AS resolved_at, findings,
       peak_observed, expected, p_value, threshold, sentence
FROM incidents AS i WHERE account_id = {{account}}
ORDER BY i.started_at DESC, incident_id LIMIT {{limit}}
"""


def report(settings: Settings, account: str, hours: float) -> dict[str, Any]:
    """Totals, timeline, windows, baseline (None where unknown), findings and incidents.

    Raises:
        PulseError: no event of this account is stored.
    """
    totals = rows(settings, TOTALS, {"account": account})[0]
    if not int(totals["requests"]):
        raise PulseError(f"no events of account {account!r} are stored")
    state = rows(settings, STATE, {"account": account})
    limits: dict[str, str | int] = {"account": account, "limit": NEWEST}
    return {
        "account_id": account,
        "totals": totals,
        "timeline": _timeline(settings, account, int(totals.pop("last_s")), hours),
        "windows": _windows(state[0]) if state else None,
        "baseline": _baseline(settings, state[0]) if state else None,
        "findings": rows(settings, FINDINGS, limits),
        "incidents": rows(settings, INCIDENTS, limits),
    }


def _timeline(settings: Settings, account: str, last_s: int, hours: float) -> dict[str, Any]:
    """Sums in BUCKETS buckets of whole minutes that end with the last event."""
    width = max(60, -(-int(hours * 3600) // BUCKETS // 60) * 60)
    start = (last_s // 60 + 1) * 60 - width * BUCKETS
    found = rows(settings, TIMELINE, {"account": account, "start": start, "width": width})
    series = {name: [0] * BUCKETS for name in ("requests", "tokens", "errors")}
    for row in found:
        for name, values in series.items():
            values[int(row["bucket"])] = int(row[name])
    return {"start": _time(start * 1000), "bucket_s": width, **series}


def _windows(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in row if name not in _INNER}


def _baseline(settings: Settings, row: dict[str, Any]) -> dict[str, Any] | None:
    """The burst detector's two memories, when the state has this program's byte layout.

    They fade as the policy has it that ruled when the state was written.
    """
    ours = layout(round(settings.tick * 1000))
    if row["layout"] != ours.identity:
        return None
    state = np.frombuffer(bytes.fromhex(row["state"]), ours.dtype)["burst"]
    now_ms, parameters = int(row["tick_ms"]), _parameters(settings, row)
    best = record(state, now_ms, parameters)[0][0]
    total, _, weight = history(state, now_ms, parameters)
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)[0]
    return {
        "since": _time(int(state["first_seen_ms"][0])),
        "windows": int(state["learned"][0]),
        "mean": dict(zip(burst.SERIES, mean.tolist(), strict=True)),
        "record": {
            name: dict(
                zip(("1 minute", "5 minutes", "1 hour"), best[:, place].tolist(), strict=True)
            )
            for place, name in enumerate(burst.SERIES)
        },
    }


def _parameters(settings: Settings, row: dict[str, Any]) -> burst.Parameters:
    """The burst detector's, of the policy that ruled; without a log, of the one that is set."""
    place = {name: int(row[name]) for name in ("kafka_partition", "tick_ms", "since")}
    ruled = rows(settings, POLICY, place)
    if ruled:
        policy = parse(ruled[0]["toml"], "policy_log", today=None)
    else:
        path = settings.policy
        policy = load(Path(path), today=None) if path else default_policy()
    parameters = policy.detectors[burst.NAME].parameters
    assert isinstance(parameters, burst.Parameters)
    return parameters


def _time(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
