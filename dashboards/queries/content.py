"""Queries of the content board: what was asked for, by category, cohort and length."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query
from dashboards.queries.parts import EVENTS

__all__ = ["ACCOUNTS", "BY_CATEGORY", "BY_COHORT", "BY_LENGTH", "MEDICAL", "POLITICAL"]

_FLAGGED: Final = "countIf(score >= 0.5)"

BY_CATEGORY: Final = Query(
    name="content.by_category",
    sql=f"""
SELECT $__timeInterval(ts) AS time, category, {_FLAGGED} / count() AS flagged
FROM events
ARRAY JOIN mapKeys(moderation) AS category, mapValues(moderation) AS score
WHERE $__timeFilter_ms(ts) AND {EVENTS}
GROUP BY time, category
ORDER BY time, category""".strip(),
    columns=(Column("time", "time"), Column("category", "text"), Column("flagged", "share")),
    sentence="Share of scored requests at 0.5 or more, by moderation category.",
)
BY_COHORT: Final = Query(
    name="content.by_cohort",
    sql=f"""
SELECT use_case AS cohort, category, {_FLAGGED} AS flagged, {_FLAGGED} / count() AS share,
    uniqExactIf(account_id, score >= 0.5) AS accounts
FROM events
ARRAY JOIN mapKeys(moderation) AS category, mapValues(moderation) AS score
WHERE $__timeFilter_ms(ts) AND {EVENTS}
GROUP BY cohort, category
HAVING flagged > 0
ORDER BY flagged DESC
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
SELECT category, countIf(completion_tokens <= 32) AS short, countIf(completion_tokens > 32) AS long
FROM events
ARRAY JOIN mapKeys(moderation) AS category, mapValues(moderation) AS score
WHERE $__timeFilter_ms(ts) AND score >= 0.5 AND completion_tokens > 0 AND {EVENTS}
GROUP BY category
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
WHERE $__timeFilter_ms(ts) AND moderation['{category}'] >= 0.5 AND {EVENTS}
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
SELECT account_id AS account, category, {_FLAGGED} AS flagged, {_FLAGGED} / count() AS share,
    avg(completion_tokens) AS tokens_out
FROM events
ARRAY JOIN mapKeys(moderation) AS category, mapValues(moderation) AS score
WHERE $__timeFilter_ms(ts) AND {EVENTS}
GROUP BY account, category
HAVING flagged >= 3
ORDER BY flagged DESC
LIMIT 30""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("category", "text"),
        Column("flagged", "requests", "flagged"),
        Column("share", "share", "of its requests"),
        Column("tokens_out", "tokens", "tokens out, mean"),
    ),
    sentence="Who carries it.",
)
