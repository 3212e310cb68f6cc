"""Queries of the account board: one account's timeline, content, quota, incidents, peers."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query
from dashboards.queries.parts import against_usual, by_category

__all__ = [
    "ADDRESSES",
    "ALL_ACCOUNTS",
    "INCIDENTS",
    "MODERATION",
    "PEERS",
    "QUOTA",
    "REQUESTS",
    "STATUS",
    "TEMPLATES",
    "TOKENS",
    "WINDOWS",
]

_ACCOUNT: Final = "account_id = ${account:sqlstring}"

ALL_ACCOUNTS: Final = Query(
    name="account.all",
    sql="""
SELECT account_id AS account
FROM account_minute_parts
WHERE $__timeFilter(minute) AND minute > $__toTime - toIntervalDay(1)
GROUP BY account
ORDER BY sum(requests) DESC
LIMIT 1000""".strip(),
    columns=(Column("account", "text"),),
    sentence="The busiest accounts of the range, of its last day when it is longer.",
)
REQUESTS: Final = Query(
    name="account.requests",
    sql=against_usual("sum(requests)", f"(SELECT * FROM account_minute WHERE {_ACCOUNT})"),
    columns=(
        Column("time", "time"),
        Column("value", "requests", "requests"),
        Column("low", "requests", "usual from"),
        Column("high", "requests", "usual to"),
    ),
    sentence="Its requests a step against its own last seven days at the same time of day.",
)
TOKENS: Final = Query(
    name="account.tokens",
    sql=f"""
SELECT $__timeInterval(minute) AS time, sum(prompt_tokens) AS tokens_in,
    sum(completion_tokens) AS tokens_out
FROM account_minute
WHERE $__timeFilter(minute) AND {_ACCOUNT}
GROUP BY time
ORDER BY time""".strip(),
    columns=(
        Column("time", "time"),
        Column("tokens_in", "tokens", "tokens in"),
        Column("tokens_out", "tokens", "tokens out"),
    ),
    sentence="Tokens it sent and got.",
)
STATUS: Final = Query(
    name="account.status",
    sql=f"""
SELECT $__timeInterval(minute) AS time, sum(errors) AS errors, sum(throttled) AS throttled,
    sum(short_outputs) AS short_outputs
FROM account_minute
WHERE $__timeFilter(minute) AND {_ACCOUNT}
GROUP BY time
ORDER BY time""".strip(),
    columns=(
        Column("time", "time"),
        Column("errors", "requests"),
        Column("throttled", "requests", "429s"),
        Column("short_outputs", "requests", "short outputs"),
    ),
    sentence="Errors, refusals for rate, and outputs of 32 tokens or fewer.",
)
WINDOWS: Final = Query(
    name="account.windows",
    sql="""
SELECT tick AS at, requests_1m, requests_5m, requests_1h, requests_24h, completion_tokens_24h
FROM account_state
WHERE account_id = ${account:sqlstring}
ORDER BY tick DESC
LIMIT 1""".strip(),
    columns=(
        Column("at", "time", "at"),
        Column("requests_1m", "requests", "1 minute"),
        Column("requests_5m", "requests", "5 minutes"),
        Column("requests_1h", "requests", "1 hour"),
        Column("requests_24h", "requests", "24 hours"),
        Column("completion_tokens_24h", "tokens", "tokens out, 24 hours"),
    ),
    sentence="The rolling windows as the last snapshot has them.",
)
TEMPLATES: Final = Query(
    name="account.templates",
    sql=f"""
SELECT template, count() AS requests,
    count() / (SELECT greatest(count(), 1) FROM events
        WHERE $__timeFilter_ms(ts) AND {_ACCOUNT} AND template != '') AS share,
    min(ts) AS first_seen, avg(completion_tokens) AS tokens_out
FROM events
WHERE $__timeFilter_ms(ts) AND {_ACCOUNT} AND template != ''
GROUP BY template
ORDER BY requests DESC
LIMIT 20""".strip(),
    columns=(
        Column("template", "text"),
        Column("requests", "requests"),
        Column("share", "share", "of its requests"),
        Column("first_seen", "time", "first in this range"),
        Column("tokens_out", "tokens", "tokens out, mean"),
    ),
    sentence="The same text over and over shows as one template with most of the requests.",
)
MODERATION: Final = Query(
    name="account.moderation",
    sql=by_category(
        "(SELECT toStartOfMinute(ts) AS minute, verdict, count() AS requests FROM events "
        f"WHERE {_ACCOUNT} GROUP BY minute, verdict)"
    ),
    columns=(Column("time", "time"), Column("category", "text"), Column("flagged", "share")),
    sentence="Share of its requests that score 0.5 or more, by moderation category.",
)
QUOTA: Final = Query(
    name="account.quota",
    sql=f"""
SELECT $__timeInterval(ts) AS time, max(quota_used) AS quota_used
FROM events
WHERE $__timeFilter_ms(ts) AND {_ACCOUNT}
GROUP BY time
ORDER BY time""".strip(),
    columns=(Column("time", "time"), Column("quota_used", "share", "quota in use")),
    sentence="How near it is to its quota; a flat line just below 100 % hugs it.",
)
ADDRESSES: Final = Query(
    name="account.addresses",
    sql=f"""
SELECT $__timeInterval(ts) AS time, uniqExactIf(ip_hash, ip_hash != '') AS addresses,
    uniqExactIf(network, network != '') AS networks, uniqExactIf(key_id, key_id != '') AS keys,
    uniqExactIf(end_user, end_user != '') AS end_users
FROM events
WHERE $__timeFilter_ms(ts) AND {_ACCOUNT}
GROUP BY time
ORDER BY time""".strip(),
    columns=(
        Column("time", "time"),
        Column("addresses", "count"),
        Column("networks", "count"),
        Column("keys", "count"),
        Column("end_users", "count", "end users"),
    ),
    sentence="How many addresses, networks, keys and end users it acts through.",
)
INCIDENTS: Final = Query(
    name="account.incidents",
    sql=f"""
SELECT started_at, severity, kind, state, sentence, p_value AS chance, incident_id AS incident
FROM incidents
WHERE {_ACCOUNT}
ORDER BY started_at DESC
LIMIT 50""".strip(),
    columns=(
        Column("started_at", "time", "since"),
        Column("severity", "text"),
        Column("kind", "text"),
        Column("state", "text"),
        Column("sentence", "text", "what happened"),
        Column("chance", "probability", "by chance"),
        Column("incident", "text"),
    ),
    sentence="Everything that was ever said about it.",
)
PEERS: Final = Query(
    name="account.peers",
    sql="""
SELECT account_id AS account, count() AS requests, uniqExact(template) AS templates,
    min(ts) AS first_seen
FROM events
WHERE $__timeFilter_ms(ts) AND account_id != ${account:sqlstring} AND template IN (
    SELECT template
    FROM events
    WHERE $__timeFilter_ms(ts) AND account_id = ${account:sqlstring} AND template != ''
    GROUP BY template
    ORDER BY count() DESC
    LIMIT 5)
GROUP BY account
ORDER BY requests DESC
LIMIT 20""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("requests", "requests", "requests with them"),
        Column("templates", "count", "of the same templates"),
        Column("first_seen", "time", "first in this range"),
    ),
    sentence="Who else sends the five templates it sends most.",
)
