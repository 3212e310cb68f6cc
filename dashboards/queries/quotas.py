"""Queries of the board on quotas and use cases: what was approved against what happens."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query
from dashboards.queries.parts import EVENTS, FLEET

__all__ = ["DRIFT", "ENDPOINTS", "HUGGING", "KEYS", "RETRIES", "THROTTLED", "USE_CASES"]

THROTTLED: Final = Query(
    name="quotas.throttled",
    sql=f"""
SELECT time, throttled, accounts
FROM (
    SELECT $__timeInterval(minute) AS time, sum(f.throttled) AS throttled
    FROM {FLEET} AS f
    WHERE $__timeFilter(minute)
    GROUP BY time
) AS all
LEFT JOIN (
    WITH toStartOfMinute(ts) AS minute
    SELECT $__timeInterval(minute) AS time, uniqExact(account_id) AS accounts
    FROM events
    WHERE $__timeFilter(minute) AND status = 429 AND {EVENTS}
    GROUP BY time
) AS refused USING (time)
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
SELECT account, use_case, peak, least(near_limit / requests, 1) AS near_limit, requests,
    exhausted_at
FROM (
    SELECT account_id AS account, use_case, max(quota_used) AS peak,
        countIf(quota_used >= 0.9) AS near_limit,
        minIf(ts, quota_used >= 0.95) AS exhausted_at
    FROM events
    WHERE $__timeFilter_ms(ts) AND quota_used >= 0.8 AND {EVENTS}
    GROUP BY account, use_case
) AS near
INNER JOIN (
    SELECT account_id AS account, sum(m.requests) AS requests
    FROM account_minute_parts AS m
    WHERE $__timeFilter(minute)
    GROUP BY account
) AS all USING (account)
ORDER BY near_limit DESC, peak DESC, requests DESC
LIMIT 30""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("use_case", "text", "approved use case"),
        Column("peak", "share"),
        Column("near_limit", "share", "of requests at 90 % or more"),
        Column("requests", "requests", "all its requests"),
        Column("exhausted_at", "time", "first at 95 %"),
    ),
    sentence="Accounts that live at their limit; early exhaustion is a sign of resale.",
)
RETRIES: Final = Query(
    name="quotas.retries",
    sql=f"""
SELECT account, throttled, least(throttled / requests, 1) AS share, requests
FROM (
    SELECT account_id AS account, count() AS throttled
    FROM events
    WHERE $__timeFilter_ms(ts) AND status = 429 AND {EVENTS}
    GROUP BY account
    HAVING throttled >= 10
    ORDER BY throttled DESC
    LIMIT 30
) AS refused
INNER JOIN (
    SELECT account_id AS account, sum(m.requests) AS requests
    FROM account_minute_parts AS m
    WHERE $__timeFilter(minute)
    GROUP BY account
) AS all USING (account)
ORDER BY throttled DESC""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("throttled", "requests", "429s"),
        Column("share", "share", "of all its requests"),
        Column("requests", "requests", "all its requests"),
    ),
    sentence="Who hammers on after being refused.",
)
KEYS: Final = Query(
    name="quotas.keys",
    sql=f"""
SELECT account_id AS account, uniqExactIf(key_id, key_id != '') AS keys,
    countIf(status = 429) AS throttled, count() AS requests
FROM events
WHERE $__timeFilter_ms(ts) AND ts > $__toTime_ms - toIntervalDay(1) AND {EVENTS}
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
    sentence="Accounts with many keys in use in the last day of the range: a new key when the old "
    "one is refused.",
)
USE_CASES: Final = Query(
    name="quotas.use_cases",
    sql=f"""
SELECT use_case, accounts, requests, tokens_in, tokens_out, failed
FROM (
    WITH toStartOfMinute(ts) AS minute
    SELECT use_case, count() AS requests, sum(prompt_tokens) / requests AS tokens_in,
        sum(completion_tokens) / requests AS tokens_out,
        (countIf(status >= 400 AND status != 429) + countIf(status = 429)) / requests AS failed
    FROM events
    WHERE $__timeFilter(minute) AND {EVENTS}
    GROUP BY use_case
) AS all
LEFT JOIN (
    SELECT use_case, uniqExact(account_id) AS accounts
    FROM events
    WHERE $__timeFilter_ms(ts) AND ts > $__toTime_ms - toIntervalDay(1) AND {EVENTS}
    GROUP BY use_case
) AS who USING (use_case)
ORDER BY requests DESC""".strip(),
    columns=(
        Column("use_case", "text", "approved use case"),
        Column("accounts", "count", "accounts of the last day"),
        Column("requests", "requests"),
        Column("tokens_in", "tokens", "tokens in, mean"),
        Column("tokens_out", "tokens", "tokens out, mean"),
        Column("failed", "share"),
    ),
    sentence="What each approved use case looks like, live.",
)
ENDPOINTS: Final = Query(
    name="quotas.endpoints",
    sql=f"""
WITH toStartOfMinute(ts) AS minute
SELECT $__timeInterval(minute) AS time, endpoint, count() AS requests
FROM events
WHERE $__timeFilter(minute) AND {EVENTS}
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
