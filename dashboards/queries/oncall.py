"""Queries of the on-call board: what needs somebody, the fleet's pulse, what changed."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query
from dashboards.queries.parts import EVENTS, ORG, usual_query
from dashboards.queries.parts import FLAGGED as IS_FLAGGED

__all__ = [
    "CHANGED",
    "ERRORS",
    "FLAGGED",
    "HELD",
    "OPEN_INCIDENTS",
    "REQUESTS",
    "SHORT",
    "THROTTLED",
    "TOKENS",
]

OPEN_INCIDENTS: Final = Query(
    name="oncall.open_incidents",
    sql=f"""
SELECT i.severity AS severity, i.sentence AS sentence, i.started_at AS since, i.state AS state,
    i.p_value AS chance, i.account_id AS account, i.kind AS kind, p.owner AS owner,
    i.incident_id AS incident
FROM incidents AS i
LEFT JOIN incident_people AS p ON p.incident_id = i.incident_id
WHERE i.state != 'resolved' AND p.resolved_at <= p.reopened_at AND {ORG}
ORDER BY i.severity = 'high' DESC, i.started_at DESC
LIMIT 100""".strip(),
    columns=(
        Column("severity", "text"),
        Column("sentence", "text", "what happens"),
        Column("since", "time"),
        Column("state", "text"),
        Column("chance", "probability", "by chance"),
        Column("account", "text", link="pulse-account"),
        Column("kind", "text"),
        Column("owner", "text"),
        Column("incident", "text"),
    ),
    sentence="Who does what, since when, how unlikely that is, and who looks at it.",
)

#: The fleet is summed by minute: a shorter step has one minute in it.
_STEP_S: Final = "greatest($__interval_s, 60)"

REQUESTS: Final = usual_query(
    "oncall.requests",
    f"sum(requests) / {_STEP_S}",
    "requests/s",
    "requests",
    "Requests a second against the same time of day in the week before.",
)
TOKENS: Final = usual_query(
    "oncall.tokens",
    f"sum(tokens_out) / {_STEP_S}",
    "tokens/s",
    "tokens out",
    "Output tokens a second against the same time of day in the week before.",
)
ERRORS: Final = usual_query(
    "oncall.errors",
    "sum(errors) / sum(requests)",
    "share",
    "errors",
    "Share of requests that failed: an outage of ours looks like misuse of many accounts.",
)
THROTTLED: Final = usual_query(
    "oncall.throttled",
    "sum(throttled) / sum(requests)",
    "share",
    "429s",
    "Share of requests refused for rate.",
)
SHORT: Final = usual_query(
    "oncall.short_outputs",
    "sum(short) / greatest(sum(outputs), 1)",
    "share",
    "short outputs",
    "Share of outputs of 32 tokens or fewer: amplification campaigns write short.",
)
FLAGGED: Final = usual_query(
    "oncall.flagged",
    f"sumIf(requests, {IS_FLAGGED}) / sum(requests)",
    "share",
    "flagged",
    "Share of requests with a moderation score of 0.5 or more in any category.",
)

CHANGED: Final = Query(
    name="oncall.changed",
    sql=f"""
SELECT account, now_requests, before_requests, now_requests / greatest(before_requests, 1) AS times
FROM (
    SELECT account_id AS account, countIf(ts > $__toTime_ms - toIntervalHour(1)) AS now_requests,
        countIf(ts <= $__toTime_ms - toIntervalHour(1)) / 24 AS before_requests
    FROM events
    WHERE ts > $__toTime_ms - toIntervalHour(25) AND ts <= $__toTime_ms AND {EVENTS}
    GROUP BY account
)
WHERE now_requests >= 50
ORDER BY abs(log((now_requests + 20) / (before_requests + 20))) * sqrt(now_requests) DESC
LIMIT 15""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("now_requests", "requests", "last hour"),
        Column("before_requests", "requests", "an hour of the day before"),
        Column("times", "ratio", "times"),
    ),
    sentence="Accounts whose last hour differs most from their day before, alarmed or not.",
)

HELD: Final = Query(
    name="oncall.held",
    sql=f"""
SELECT held AS reason, count() AS findings, uniqExact(account_id) AS accounts,
    min(p_value) AS rarest
FROM findings
WHERE held != '' AND $__timeFilter_ms(window_end) AND {ORG}
GROUP BY reason
ORDER BY findings DESC""".strip(),
    columns=(
        Column("reason", "text", "held back by"),
        Column("findings", "count"),
        Column("accounts", "count"),
        Column("rarest", "probability", "rarest among them"),
    ),
    sentence="What nobody was told, and why: the budget, an outage, the allow-list, a known group.",
)
