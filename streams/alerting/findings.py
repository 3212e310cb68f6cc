"""Findings: what a detector saw, with all it takes to check it, and their deterministic identity.

Made by the fold from a detector's explanation; the incident machine and the tables take them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from streams.storage.base import expand

__all__ = ["Finding", "identity", "reproducing_sql"]

_SUMS = {"requests": "count()", "tokens": "sum(prompt_tokens + completion_tokens)"}
_SQL = (
    "SELECT toFloat64({sum}) AS observed FROM events WHERE account_id = {account_id} "
    "AND ts >= fromUnixTimestamp64Milli({start}, 'UTC') "
    "AND ts < fromUnixTimestamp64Milli({end}, 'UTC') "
    "AND tick <= fromUnixTimestamp64Milli({end}, 'UTC')"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One alarm of one detector about one account; times are epoch ms of event time."""

    finding_id: str
    detector: str
    kind: str
    account_id: str
    org_id: str
    metric: str
    window_start: int
    window_end: int
    window_s: int
    observed: float
    expected: float
    p_value: float
    threshold: float
    sentence: str
    sql: str
    policy_version: str
    incident_id: str
    drivers: dict[str, float] = field(default_factory=dict)


def identity(*parts: object) -> str:
    """16 hex digits that stand for `parts`: the same parts, the same identity, on any worker."""
    text = "\n".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def reproducing_sql(account_id: str, metric: str, start: int, end: int, since: int = 0) -> str:
    """SQL on `events` that returns the observed number of a window [start, end), as `observed`.

    `tick <= end` leaves out what arrived after the window was judged; `since` (epoch ms), when not
    0, what arrived before this timeline began.
    """
    sql = _SQL.replace("{sum}", _SUMS[metric])
    if since:
        sql += " AND arrived_at >= fromUnixTimestamp64Milli({since}, 'UTC')"
    return expand(sql, {"account_id": account_id, "start": start, "end": end, "since": since})
