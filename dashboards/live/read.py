"""What the pages read from the store: short questions with integer times, remembered for a moment.

Stands between the store's `query` and the pages. Answers are kept for a few seconds and shared by
all viewers, so ten open browsers cost the store as much as one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.live.model import Query, Row
from dashboards.live.shared import Shared
from dashboards.model import macros
from dashboards.model.query import Query as ModelQuery

__all__ = ["MINUTES", "Reader"]

_LONGEST_KEEP_S = 60.0
#: Questions of boards that the store works on at the same time.
_AT_ONCE = 2

#: Rows of minutes; what they are of goes into {where}.
MINUTES = """
SELECT account_id, toUnixTimestamp(minute) * 1000 AS at, requests, prompt_tokens,
       completion_tokens, errors, throttled, short_outputs
FROM account_minute WHERE {where} ORDER BY account_id, minute LIMIT 100000"""
_INCIDENTS = """
SELECT incident_id, kind, detector, account_id, org_id, state, severity,
       toUnixTimestamp64Milli(started_at) AS started_at,
       toUnixTimestamp64Milli(last_seen_at) AS last_seen_at,
       toUnixTimestamp64Milli(resolved_at) AS resolved_at,
       findings, reopened, metric, window_s, peak_observed AS observed, expected, p_value,
       threshold, sentence, policy_version, kafka_partition
FROM incidents WHERE """
_FINDINGS = """
SELECT finding_id, detector, metric, toUnixTimestamp64Milli(window_start) AS window_start,
       toUnixTimestamp64Milli(window_end) AS window_end, window_s, observed, expected, p_value,
       threshold, toJSONString(drivers) AS drivers, toJSONString(parts) AS parts, held,
       sentence, sql, incident_id
FROM findings FINAL WHERE """
_CHANGES = """
SELECT toUnixTimestamp64Milli(at) AS at, what, account_id, reason, other
FROM cluster_changes AS c FINAL WHERE cluster_id = {cluster}
ORDER BY c.at DESC, what, account_id LIMIT 500"""
_GAPS = """
SELECT toUnixTimestamp64Milli(started_at) AS started_at,
       toUnixTimestamp64Milli(ended_at) AS ended_at
FROM pipeline_gaps FINAL WHERE kafka_partition = {partition}
   AND pipeline_gaps.ended_at >= fromUnixTimestamp64Milli({start})
   AND pipeline_gaps.started_at <= fromUnixTimestamp64Milli({end})
ORDER BY started_at LIMIT 100"""

_PEOPLE = """
SELECT i.incident_id AS incident_id, p.acknowledged_by AS acknowledged_by, p.owner AS owner,
       p.resolved_by AS resolved_by, r.label AS label, r.by AS labelled_by
FROM (SELECT {incident} AS incident_id) AS i
LEFT JOIN incident_people AS p ON p.incident_id = i.incident_id
LEFT JOIN reviews AS r ON r.incident_id = i.incident_id"""
_SAID = """
SELECT toUnixTimestamp64Milli(a.at) AS at, action, by, owner, note
FROM incident_actions AS a WHERE incident_id = {incident} ORDER BY a.at LIMIT 200"""
_TOLD = """
SELECT toUnixTimestamp64Milli(n.made_at) AS made_at, event, channel, state, error
FROM notifications AS n WHERE incident_id = {incident} ORDER BY n.made_at, channel LIMIT 100"""

_CLUSTER = """
SELECT cluster_id, state, severity, sentence, members, ties, coincidences, kinds, independent,
       object_kinds, object_values, object_accounts, within_s, lag_s, p_value, held, known_group,
       owner, incident_id, policy_version, sql,
       toUnixTimestamp64Milli(c.since) AS since,
       toUnixTimestamp64Milli(c.last_seen_at) AS last_seen_at
FROM clusters AS c WHERE cluster_id = {cluster}"""
_MEMBERS = """
SELECT m.account_id AS account_id, m.org_id AS org_id, m.join_reason AS join_reason,
       m.score AS score,
       toUnixTimestamp64Milli(m.joined_at) AS joined_at,
       ifNull(toUnixTimestamp64Milli(m.left_at), 0) AS left_at,
       ifNull(a.requests, 0) AS requests, ifNull(a.tokens, 0) AS tokens
FROM cluster_members AS m
LEFT JOIN (
    SELECT account_id, sum(requests) AS requests, sum(prompt_tokens + completion_tokens) AS tokens
    FROM account_minute
    WHERE account_id IN (SELECT account_id FROM cluster_members WHERE cluster_id = {cluster})
        AND minute >= (SELECT max(last_seen_at) FROM clusters WHERE cluster_id = {cluster})
            - INTERVAL 1 DAY
    GROUP BY account_id
) AS a ON a.account_id = m.account_id
WHERE m.cluster_id = {cluster}
ORDER BY m.left_at IS NULL DESC, m.score DESC LIMIT 1000"""
_ACTS = """
SELECT account_id, toUnixTimestamp(toStartOfSecond(ts)) * 1000 AS at
FROM events
WHERE account_id IN {accounts} AND ts >= fromUnixTimestamp64Milli({start}, 'UTC')
    AND ts <= fromUnixTimestamp64Milli({end}, 'UTC')
GROUP BY account_id, at
ORDER BY at, account_id LIMIT 20000"""


class Reader:
    """Questions of the pages to the store; raises what the store raises (`StoreError`)."""

    def __init__(self, query: Query, *, keep: float = 4.0, seldom: float = 600.0) -> None:
        self._query = query
        self._keep = keep
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._shared: Shared[list[Row]] = Shared(keep)
        self._seldom: Shared[list[Row]] = Shared(seldom)

    async def close(self) -> None:
        """Ends questions that are still under way."""
        await self._shared.close()
        await self._seldom.close()

    async def minutes(self, account_id: str, start: int, end: int) -> list[Row]:
        """Rows of `account_minute` of one account, from `start` to `end` (epoch ms)."""
        where = "account_id = {account} AND minute >= {start} AND minute <= {end}"
        parameters = {"account": account_id, "start": start // 1000, "end": end // 1000}
        return await self._ask(MINUTES.replace("{where}", where), parameters)

    async def latest_minute(self, account_id: str) -> int | None:
        """Start of the last minute in which the account did anything (epoch ms)."""
        sql = (
            "SELECT count() AS rows, toUnixTimestamp(max(minute)) * 1000 AS at "
            "FROM account_minute WHERE account_id = {account}"
        )
        rows = await self._ask(sql, {"account": account_id})
        return int(rows[0]["at"]) if rows and rows[0]["rows"] else None

    async def incident(self, incident_id: str) -> Row | None:
        """The incident as it stands, or None."""
        rows = await self._ask(_INCIDENTS + "incident_id = {incident}", {"incident": incident_id})
        return rows[0] if rows else None

    async def incidents_of(self, account_id: str) -> list[Row]:
        """The account's last incidents, newest first."""
        where = "account_id = {account} ORDER BY started_at DESC LIMIT 20"
        return await self._ask(_INCIDENTS + where, {"account": account_id})

    async def findings(self, incident_id: str, limit: int = 200) -> list[Row]:
        """Findings of an incident, newest first."""
        where = "incident_id = {incident} ORDER BY window_end DESC LIMIT {limit}"
        return await self._ask(_FINDINGS + where, {"incident": incident_id, "limit": limit})

    async def findings_of(self, account_id: str, limit: int = 50) -> list[Row]:
        """The account's last findings, newest first."""
        where = "account_id = {account} ORDER BY window_end DESC LIMIT {limit}"
        return await self._ask(_FINDINGS + where, {"account": account_id, "limit": limit})

    async def changes(self, cluster_id: str) -> list[Row]:
        """What happened to a cluster lately, newest first."""
        return await self._ask(_CHANGES, {"cluster": cluster_id})

    async def gaps(self, partition: int, start: int, end: int) -> list[tuple[int, int]]:
        """Spans of a partition the pipeline did not see (epoch ms)."""
        parameters = {"partition": partition, "start": start, "end": end}
        return [(row["started_at"], row["ended_at"]) for row in await self._ask(_GAPS, parameters)]

    async def people(self, incident_id: str) -> Row | None:
        """Who acknowledged and owns an incident, and its label."""
        rows = await self._ask(_PEOPLE, {"incident": incident_id}, keep=False)
        return rows[0] if rows else None

    async def said(self, incident_id: str) -> list[Row]:
        """What people did about it, in order."""
        return await self._ask(_SAID, {"incident": incident_id}, keep=False)

    async def told(self, incident_id: str) -> list[Row]:
        """Messages about it, in order."""
        return await self._ask(_TOLD, {"incident": incident_id})

    async def cluster(self, cluster_id: str) -> Row | None:
        """A group of accounts, or None."""
        rows = await self._ask(_CLUSTER, {"cluster": cluster_id})
        return rows[0] if rows else None

    async def cluster_of(self, incident_id: str) -> str:
        """The group an incident is about, empty when it is about none."""
        sql = "SELECT cluster_id FROM clusters WHERE incident_id = {incident} LIMIT 1"
        rows = await self._ask(sql, {"incident": incident_id})
        return str(rows[0]["cluster_id"]) if rows else ""

    async def members(self, cluster_id: str) -> list[Row]:
        """Who belongs or did, those that stay first, with what they sent in a day."""
        return await self._ask(_MEMBERS, {"cluster": cluster_id})

    async def ties(self, cluster_id: str, limit: int) -> list[Row]:
        """The strongest ties between members."""
        sql = (
            "SELECT account_a, account_b, score, coincidences FROM cluster_ties "
            "WHERE cluster_id = {cluster} ORDER BY score DESC LIMIT {limit}"
        )
        return await self._ask(sql, {"cluster": cluster_id, "limit": limit})

    async def acts(self, accounts: Sequence[str], start: int, end: int) -> list[Row]:
        """Who acted when, a second at a time (epoch ms)."""
        if not accounts:
            return []
        parameters = {"accounts": list(accounts), "start": start, "end": end}
        return await self._ask(_ACTS, parameters)

    async def rows(self, query: ModelQuery, span: macros.Span) -> list[Row]:
        """The answer to a query of a board for what a viewer looks at.

        A chart of days changes slowly and costs more: its answer is kept for a tenth of a step.
        """
        keep = max(self._keep, min(span.step_s / 10, _LONGEST_KEEP_S)) if self._keep > 0 else None
        sql = macros.expand(query.sql, span)
        return await self._shared.get(sql, lambda: self._in_turn(sql), keep)

    async def answer_ms(self) -> tuple[float, str]:
        """How long (ms) a trivial question took just now, and the version of what answered."""
        rows = await self._shared.get("how long", self._timed)
        return float(rows[0]["ms"]), str(rows[0]["version"])

    async def _timed(self) -> list[Row]:
        started = time.monotonic()
        rows = await self._fetch("SELECT version() AS version", {})
        ms = (time.monotonic() - started) * 1000
        return [{"ms": ms, "version": rows[0]["version"] if rows else ""}]

    async def _in_turn(self, sql: str) -> list[Row]:
        """A board asks a dozen questions at once: in their order, a few at a time, the first of
        them are answered sooner, and the worker beside keeps its share of the cores."""
        async with self._turns:
            return await self._fetch(sql, {})

    async def ask(
        self, sql: str, parameters: Mapping[str, Any], *, seldom: bool = False
    ) -> list[Row]:
        """The answer to a page's own question, `{name}` in it being parameters.

        `seldom`: the past, named by its parameters, does not change; it is kept for minutes.
        """
        if seldom:
            key = sql + repr(sorted(parameters.items()))
            return await self._seldom.get(key, lambda: self._fetch(sql, parameters))
        return await self._ask(sql, parameters)

    async def _ask(
        self, sql: str, parameters: Mapping[str, Any], *, keep: bool = True
    ) -> list[Row]:
        if not keep:  # somebody has just pressed a button and wants to see it
            return await self._fetch(sql, parameters)
        key = sql + repr(sorted(parameters.items()))
        return await self._shared.get(key, lambda: self._fetch(sql, parameters))

    async def _fetch(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        rows = await self._query(sql.strip(), parameters)
        return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    """Strings may cross Arrow as bytes."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
