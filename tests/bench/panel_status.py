"""What a worker would say of the panels' benchmark: 100,000 accounts and open incidents."""

from __future__ import annotations

from typing import Any, cast

from dashboards.live.model import Status
from tests.bench.panel_events import account
from tests.bench.panel_store import Known

__all__ = ["status_of"]

_INCIDENTS = """
SELECT incident_id, account_id, kind, detector, state, severity, sentence,
    toUnixTimestamp64Milli(i.started_at) AS started_at,
    toUnixTimestamp64Milli(i.last_seen_at) AS last_seen_at, peak_observed AS observed, expected,
    threshold, p_value, window_s, metric
FROM incidents AS i ORDER BY i.started_at DESC LIMIT 200"""


def status_of(known: Known) -> Status:
    """As `streams.status.Status.snapshot`, at the end of the stored time."""
    end = known.end_ms
    incidents = known.store.query(_INCIDENTS).to_pylist()
    hottest = [
        {
            "account_id": account(number),
            "requests_1m": 900 // number,
            "requests_5m": 4500 // number,
            "tokens_5m": 900_000 // number,
            "usual_5m": 4300 / number,
        }
        for number in range(1, 13)
    ]
    part = {"lag": 0, "watermark": end - 6_000, "next_offset": 2_500_000, "accounts": 25_000}
    found: dict[str, Any] = {
        "now": end,
        "started": end - 14 * 86_400_000,
        "mode": "bench",
        "rate": 400.0,
        "stored": 10_000_000,
        "lag": 0,
        "delay_ms": {"p50": 410.0, "p99": 900.0},
        "alert_ms": {"p50": 300.0, "p99": 880.0},
        "watermark": end - 6_000,
        "accounts": 100_000,
        "dead": 37,
        "duplicates": 1_204,
        "late": 12,
        "too_late": 0,
        "store": {"ok": True, "sentence": "", "write_ms": 18.0},
        "broker": {"ok": True, "sentence": ""},
        "partitions": [{"partition": number, **part} for number in range(4)],
        "hottest": hottest,
        "incidents": incidents,
        "gaps": [],
        "rates": [[end - second * 1000, 400] for second in range(600, 0, -1)],
    }
    return cast(Status, found)
