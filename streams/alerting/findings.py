"""Findings: what detectors saw, with all it takes to check it, and their deterministic identity.

Made from a verdict and a detector's explanation; the incident machine and the tables take them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from streams.alerting.metrics import aggregate
from streams.storage.base import expand

__all__ = ["Finding", "identity", "reproducing_sql"]

_SQL = "SELECT toFloat64({sum}) AS observed FROM events WHERE account_id = {account_id} "
#: Windows of seconds are of event time; `tick <= end` leaves out what arrived after the verdict.
_WINDOW = (
    "AND ts >= fromUnixTimestamp64Milli({start}, 'UTC') "
    "AND ts < fromUnixTimestamp64Milli({end}, 'UTC') "
    "AND tick <= fromUnixTimestamp64Milli({end}, 'UTC')"
)
#: A clock hour is that of the ticks that counted its events.
_HOURS = (
    "AND tick > fromUnixTimestamp64Milli({start}, 'UTC') "
    "AND tick <= fromUnixTimestamp64Milli({end}, 'UTC')"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One alarm about one account; times are epoch ms of event time."""

    finding_id: str
    detector: str  # the leading one
    kind: str
    account_id: str
    org_id: str
    metric: str
    window_start: int
    window_end: int
    window_s: int
    observed: float
    expected: float
    p_value: float  # of all detectors together, per account-hour
    threshold: float
    sentence: str
    sql: str
    policy_version: str
    incident_id: str
    drivers: dict[str, float] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)  # p-value by detector
    channel: str = "usual"
    severity: str = "medium"  # empty when held back
    held: str = ""  # why no alert came of it
    limit: float = 0.0  # evidence of the leading detector that just alarms
    stride: bool = False  # judged every ten minutes, not every tick


def identity(*parts: object) -> str:
    """16 hex digits that stand for `parts`: the same parts, the same identity, on any worker."""
    text = "\n".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def reproducing_sql(
    account_id: str, metric: str, start: int, end: int, since: int = 0, *, hours: bool = False
) -> str:
    """SQL on `events` that returns the observed number of a window, as `observed`.

    The window is [start, end) of event time, or with `hours` the ticks that end in (start, end].
    `since` (epoch ms), when not 0, leaves out what arrived before this timeline began.
    """
    sql = _SQL.replace("{sum}", aggregate(metric)) + (_HOURS if hours else _WINDOW)
    if since:
        sql += " AND arrived_at >= fromUnixTimestamp64Milli({since}, 'UTC')"
    return expand(sql, {"account_id": account_id, "start": start, "end": end, "since": since})
