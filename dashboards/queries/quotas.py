"""Queries of the board on quotas and use cases: what was approved against what happens."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query
from dashboards.queries.parts import EVENTS

__all__ = ["DRIFT", "ENDPOINTS", "HUGGING", "KEYS", "RETRIES", "THROTTLED", "USE_CASES"]

THROTTLED: Final = Query(
    name="quotas.throttled",
    sql=f"""
SELECT $__timeInterval(ts) AS time, countIf(status = 429) AS throttled,
    uniqExactIf(account_id, status = 429) AS accounts
FROM events
WHERE $__timeFilter_ms(ts) AND {EVENTS}
GROUP BY time
ORDER BY time""".strip(),
    columns=(
        Column("time", "time"),
        Column("throttled", "requests", "429s"),
        Column("accounts", "count", "accounts refused"),
    ),
    sentence="Refusals for rate, and how many accounts met them.",
)
HUGGING: Final = Query(
    name="quotas.hugging",
    sql=f"""
SELECT account_id AS account, use_case, max(quota_used) AS peak, avg(quota_used) AS mean,
    countIf(quota_used >= 0.9) / count() AS near_limit, count() AS requests,
    minIf(ts, quota_used >= 0.95) AS exhausted_at
FROM events
WHERE $__timeFilter_ms(ts) AND {EVENTS}
GROUP BY account, use_case
HAVING peak >= 0.8
ORDER BY near_limit DESC, peak DESC
LIMIT 30""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("use_case", "text", "approved use case"),
        Column("peak", "share"),
        Column("mean", "share"),
        Column("near_limit", "share", "of requests at 90 % or more"),
        Column("requests", "requests"),
        Column("exhausted_at", "time", "first at 95 %"),
    ),
    sentence="Accounts that live at their limit; early exhaustion is a sign of resale.",
)
RETRIES: Final = Query(
    name="quotas.retries",
    sql=f"""
SELECT account_id AS account, countIf(status = 429) AS throttled,
    countIf(status = 429) / count() AS share, count() AS requests
FROM events
WHERE $__timeFilter_ms(ts) AND {EVENTS}
GROUP BY account
HAVING throttled >= 10
ORDER BY throttled DESC
LIMIT 30""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("throttled", "requests", "429s"),
        Column("share", "share", "of its requests"),
        Column("requests", "requests"),
    ),
    sentence="Who hammers on after being refused.",
)
KEYS: Final = Query(
    name="quotas.keys",
    sql=f"""
SELECT account_id AS account, uniqExactIf(key_id, key_id != '') AS keys,
    countIf(status = 429) AS throttled, count() AS requests
FROM events
WHERE $__timeFilter_ms(ts) AND {EVENTS}
GROUP BY account
HAVING keys >= 3
ORDER BY keys DESC, throttled DESC
LIMIT 30""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("keys", "count"),
        Column("throttled", "requests", "429s"),
        Column("requests", "requests"),
    ),
    sentence="Accounts with many keys in use: a new key when the old one is refused.",
)
USE_CASES: Final = Query(
    name="quotas.use_cases",
    sql=f"""
SELECT use_case, uniqExact(account_id) AS accounts, count() AS requests,
    quantile(0.5)(prompt_tokens) AS tokens_in, quantile(0.5)(completion_tokens) AS tokens_out,
    countIf(status >= 400) / count() AS failed
FROM events
WHERE $__timeFilter_ms(ts) AND {EVENTS}
GROUP BY use_case
ORDER BY requests DESC""".strip(),
    columns=(
        Column("use_case", "text", "approved use case"),
        Column("accounts", "count"),
        Column("requests", "requests"),
        Column("tokens_in", "tokens", "tokens in, median"),
        Column("tokens_out", "tokens", "tokens out, median"),
        Column("failed", "share"),
    ),
    sentence="What each approved use case looks like, live.",
)
ENDPOINTS: Final = Query(
    name="quotas.endpoints",
    sql=f"""
SELECT $__timeInterval(ts) AS time, endpoint, count() AS requests
FROM events
WHERE $__timeFilter_ms(ts) AND {EVENTS}
GROUP BY time, endpoint
ORDER BY time, endpoint""".strip(),
    columns=(Column("time", "time"), Column("endpoint", "text"), Column("requests", "requests")),
    sentence="Which endpoints are used.",
)
DRIFT: Final = Query(
    name="quotas.drift",
    sql="""
SELECT window_end AS at, account_id AS account, sentence, p_value AS chance, held
FROM findings
WHERE detector = 'use_case' AND $__timeFilter_ms(window_end)
    AND (${org:sqlstring} = '' OR org_id = ${org:sqlstring})
ORDER BY window_end DESC
LIMIT 30""".strip(),
    columns=(
        Column("at", "time"),
        Column("account", "text", link="pulse-account"),
        Column("sentence", "text", "what differs from the approved use"),
        Column("chance", "probability", "by chance"),
        Column("held", "text", "held back by"),
    ),
    sentence="Live traffic that left its approved profile.",
)
