"""Queries of the content board: what was asked for, by category, cohort and length."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query
from dashboards.queries.parts import EVENTS, FLAGGED, FLEET, by_category

__all__ = ["ACCOUNTS", "BY_CATEGORY", "BY_COHORT", "BY_LENGTH", "MEDICAL", "POLITICAL"]

BY_CATEGORY: Final = Query(
    name="content.by_category",
    sql=by_category(FLEET),
    columns=(Column("time", "time"), Column("category", "text"), Column("flagged", "share")),
    sentence="Share of scored requests at 0.5 or more, by moderation category.",
)
BY_COHORT: Final = Query(
    name="content.by_cohort",
    sql=f"""
SELECT cohort, category, flagged, flagged / scored AS share, accounts
FROM (
    SELECT use_case AS cohort, arrayJoin(splitByChar(',', verdict)) AS category,
        count() AS flagged, uniqExact(account_id) AS accounts
    FROM events
    WHERE $__timeFilter_ms(ts) AND {FLAGGED} AND {EVENTS}
    GROUP BY cohort, category
) AS hit
INNER JOIN (
    WITH toStartOfMinute(ts) AS minute
    SELECT use_case AS cohort, count() AS scored
    FROM events
    WHERE $__timeFilter(minute) AND verdict != 'unscored' AND {EVENTS}
    GROUP BY cohort
) AS all USING (cohort)
ORDER BY flagged DESC, cohort, category
LIMIT 30""".strip(),
    columns=(
        Column("cohort", "text"),
        Column("category", "text"),
        Column("flagged", "requests", "flagged"),
        Column("share", "share", "of its requests"),
        Column("accounts", "count"),
    ),
    sentence="Which approved use cases produce what: a rise in one cohort is news, not in all.",
)
BY_LENGTH: Final = Query(
    name="content.by_length",
    sql=f"""
SELECT arrayJoin(splitByChar(',', verdict)) AS category, sum(f.short) AS short,
    sum(f.outputs - f.short) AS long
FROM {FLEET} AS f
WHERE $__timeFilter(minute) AND {FLAGGED}
GROUP BY category
HAVING short + long > 0
ORDER BY short + long DESC""".strip(),
    columns=(
        Column("category", "text"),
        Column("short", "requests", "32 tokens or fewer"),
        Column("long", "requests", "longer"),
    ),
    sentence="Short answers amplify a message, long ones write it.",
)


def _one(name: str, category: str, sentence: str) -> Query:
    return Query(
        name=f"content.{name}",
        sql=f"""
SELECT $__timeInterval(ts) AS time, countIf(completion_tokens <= 32) AS short,
    countIf(completion_tokens > 32) AS long, uniqExact(account_id) AS accounts
FROM events
WHERE $__timeFilter_ms(ts) AND concat(',', verdict, ',') LIKE '%,{category},%' AND {EVENTS}
GROUP BY time
ORDER BY time""".strip(),
        columns=(
            Column("time", "time"),
            Column("short", "requests", "short outputs"),
            Column("long", "requests", "long outputs"),
            Column("accounts", "count"),
        ),
        sentence=sentence,
    )


MEDICAL: Final = _one("medical", "medical_spam", "Spam for dubious medical products, over time.")
POLITICAL: Final = _one(
    "political",
    "political_persuasion",
    "Political persuasion; short outputs from many accounts are a campaign's mark.",
)
ACCOUNTS: Final = Query(
    name="content.accounts",
    sql=f"""
SELECT account, category, flagged, least(flagged / requests, 1) AS share, tokens_out
FROM (
    SELECT account_id AS account, arrayJoin(splitByChar(',', verdict)) AS category,
        count() AS flagged
    FROM events
    WHERE $__timeFilter_ms(ts) AND {FLAGGED} AND {EVENTS}
    GROUP BY account, category
    HAVING flagged >= 3
    ORDER BY flagged DESC, account, category
    LIMIT 30
) AS carriers
INNER JOIN (
    SELECT account_id AS account, sum(m.requests) AS requests,
        sum(m.completion_tokens) / requests AS tokens_out
    FROM account_minute_parts AS m
    WHERE $__timeFilter(minute)
    GROUP BY account
) AS all USING (account)
ORDER BY flagged DESC, account, category""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("category", "text"),
        Column("flagged", "requests", "flagged"),
        Column("share", "share", "of all its requests"),
        Column("tokens_out", "tokens", "tokens out, mean"),
    ),
    sentence="Who carries it.",
)
