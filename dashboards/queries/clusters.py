"""Queries of the clusters board: who acts together, since when, what they share, who acted when."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query

__all__ = ["ACTIVITY", "ALL_CLUSTERS", "CHANGES", "GROWTH", "LISTED", "MEMBERS", "SHARED", "TIES"]

_CLUSTER: Final = "cluster_id = ${cluster:sqlstring}"

ALL_CLUSTERS: Final = Query(
    name="clusters.all",
    sql="SELECT cluster_id AS cluster FROM clusters ORDER BY last_seen_at DESC LIMIT 500",
    columns=(Column("cluster", "text"),),
    sentence="Every group that was ever followed, the latest first.",
)
LISTED: Final = Query(
    name="clusters.listed",
    sql="""
SELECT cluster_id AS cluster, state, severity, sentence, members, joined, since, last_seen_at,
    p_value AS chance, held, arrayStringConcat(kinds, ', ') AS shared
FROM clusters
WHERE last_seen_at >= $__fromTime_ms AND since <= $__toTime_ms
ORDER BY severity = 'high' DESC, severity = 'medium' DESC, last_seen_at DESC
LIMIT 100""".strip(),
    columns=(
        Column("cluster", "text", link="pulse-clusters"),
        Column("state", "text"),
        Column("severity", "text"),
        Column("sentence", "text", "what they do"),
        Column("members", "count"),
        Column("joined", "count", "joined in a day"),
        Column("since", "time"),
        Column("last_seen_at", "time", "last joint action"),
        Column("chance", "probability", "by chance"),
        Column("held", "text", "does not alarm because of"),
        Column("shared", "text"),
    ),
    sentence="Groups that acted together in the range, those that alarm first.",
)
MEMBERS: Final = Query(
    name="clusters.members",
    sql=f"""
SELECT account_id AS account, org_id AS org, joined_at AS joined, join_reason AS why, moments,
    score, top_partner AS partner, left_reason AS left
FROM cluster_members
WHERE {_CLUSTER}
ORDER BY left_at IS NULL DESC, score DESC
LIMIT 500""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("org", "text"),
        Column("joined", "time"),
        Column("why", "text"),
        Column("moments", "count", "times it acted"),
        Column("score", "score"),
        Column("partner", "text", "acts most with", link="pulse-account"),
        Column("left", "text"),
    ),
    sentence="Who belongs, since when and why; those that left at the end.",
)
SHARED: Final = Query(
    name="clusters.shared",
    sql=f"""
SELECT kind, value, accounts
FROM clusters
ARRAY JOIN object_kinds AS kind, object_values AS value, object_accounts AS accounts
WHERE {_CLUSTER}""".strip(),
    columns=(
        Column("kind", "text"),
        Column("value", "text", "what they share"),
        Column("accounts", "count", "members that do"),
    ),
    sentence="The objects that tie it, those that say most first.",
)
TIES: Final = Query(
    name="clusters.ties",
    sql=f"""
SELECT account_a AS account, account_b AS partner, score, coincidences, lag_s AS lag,
    first_at AS first, last_at AS last
FROM cluster_ties
WHERE {_CLUSTER}
ORDER BY score DESC
LIMIT 100""".strip(),
    columns=(
        Column("account", "text", link="pulse-account"),
        Column("partner", "text", link="pulse-account"),
        Column("score", "score"),
        Column("coincidences", "count", "moments in common"),
        Column("lag", "s", "later by"),
        Column("first", "time"),
        Column("last", "time"),
    ),
    sentence="Who acts with whom, how often, and how much later.",
)
ACTIVITY: Final = Query(
    name="clusters.activity",
    sql=f"""
SELECT $__timeInterval(ts) AS time, account_id AS account, count() AS requests
FROM events
WHERE $__timeFilter_ms(ts)
    AND account_id IN (SELECT account_id FROM cluster_members WHERE {_CLUSTER})
GROUP BY time, account
ORDER BY time, account
LIMIT 20000""".strip(),
    columns=(Column("time", "time"), Column("account", "text"), Column("requests", "requests")),
    sentence="Who acted when: what stands in one column happened in the same step.",
)
GROWTH: Final = Query(
    name="clusters.growth",
    sql=f"""
SELECT $__timeInterval(at) AS time, countIf(what IN ('founded', 'joined')) AS joined,
    countIf(what = 'left') AS left
FROM cluster_changes
WHERE {_CLUSTER} AND $__timeFilter_ms(at)
GROUP BY time
ORDER BY time""".strip(),
    columns=(Column("time", "time"), Column("joined", "count"), Column("left", "count")),
    sentence="Who joined and who left.",
)
CHANGES: Final = Query(
    name="clusters.changes",
    sql=f"""
SELECT at, what, account_id AS account, reason, other
FROM cluster_changes
WHERE {_CLUSTER}
ORDER BY at DESC
LIMIT 200""".strip(),
    columns=(
        Column("at", "time"),
        Column("what", "text"),
        Column("account", "text", link="pulse-account"),
        Column("reason", "text"),
        Column("other", "text", "other group"),
    ),
    sentence="Its story, the newest first.",
)
