"""Pieces that many queries share: filters by a board's variables, a number against its usual."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query
from streams.policy.coordination import COORDINATED

__all__ = [
    "COHORT",
    "EVENTS",
    "FLAGGED",
    "FLEET",
    "GROUPED",
    "MODEL",
    "ORG",
    "USUAL_COLUMNS",
    "against_usual",
    "by_category",
    "usual_query",
]

#: Whether the incident `i` is what a member of an open cluster does, and no worse than the cluster:
#: then it is a part of the cluster's incident and calls for nobody by itself.
GROUPED = f"""i.kind != '{COORDINATED}' AND (i.account_id, i.severity = 'high') IN (
            SELECT m.account_id, arrayJoin(if(c.severity = 'high', [0, 1], [0]))
            FROM cluster_members AS m INNER JOIN clusters AS c ON c.cluster_id = m.cluster_id
            WHERE c.state = 'open' AND c.incident_id != '' AND m.left_at IS NULL)"""

#: Conditions that an empty variable leaves open.
ORG: Final = "(${org:sqlstring} = '' OR org_id = ${org:sqlstring})"
COHORT: Final = "(${cohort:sqlstring} = '' OR use_case = ${cohort:sqlstring})"
MODEL: Final = "(${model:sqlstring} = '' OR model = ${model:sqlstring})"
#: Of the table `events`.
EVENTS: Final = f"{ORG} AND {COHORT} AND {MODEL}"
#: Sums by minute of what the viewer chose. As long as no organisation is, ClickHouse answers it
#: from the projection `by_minute` (deploy/migrations/0008_boards.sql), a small part of the rows: a
#: sum or condition that the projection does not have would make it read every event.
FLEET: Final = f"""(
    SELECT toStartOfMinute(ts) AS minute, verdict, count() AS requests,
        sum(completion_tokens) AS tokens_out,
        countIf(status >= 400 AND status != 429) AS errors, countIf(status = 429) AS throttled,
        countIf(completion_tokens > 0) AS outputs,
        countIf(completion_tokens > 0 AND completion_tokens <= 32) AS short
    FROM events
    WHERE {EVENTS}
    GROUP BY minute, verdict
)"""
#: A score of 0.5 or more in any category.
FLAGGED: Final = "verdict NOT IN ('clean', 'unscored')"
#: How many days before are read for what is usual at a time of day.
USUAL_DAYS: Final = 7

_USUAL: Final = """
SELECT time, value, low, high
FROM (
    SELECT $__timeInterval(minute) AS time, {aggregate} AS value
    FROM {source}
    WHERE $__timeFilter(minute)
    GROUP BY time
) AS now
LEFT JOIN (
    SELECT time, quantile(0.05)(value) AS low, quantile(0.95)(value) AS high
    FROM (
        SELECT
            intDiv(toUnixTimestamp($__toTime) - toUnixTimestamp(minute), 86400) AS days,
            toStartOfInterval(minute + toIntervalDay(days), toIntervalSecond($__interval_s))
                AS time,
            {aggregate} AS value
        FROM {source}
        WHERE minute >= greatest($__fromTime - toIntervalDay({days}),
                $__toTime - toIntervalDay({days} + 1))
            AND minute < $__toTime AND days > 0 AND minute + toIntervalDay(days) >= $__fromTime
        GROUP BY days, time
    )
    GROUP BY time
) AS usual USING (time)
ORDER BY time"""

_CATEGORIES: Final = """
SELECT time, category, sumIf(scored, has(splitByChar(',', verdict), category)) / sum(scored)
    AS flagged
FROM (
    SELECT $__timeInterval(minute) AS time, verdict, sum(requests) AS scored
    FROM {source}
    WHERE $__timeFilter(minute) AND verdict != 'unscored'
    GROUP BY time, verdict
) AS steps
CROSS JOIN (
    SELECT DISTINCT arrayJoin(splitByChar(',', verdict)) AS category
    FROM {source}
    WHERE $__timeFilter(minute) AND {flagged}
) AS met
GROUP BY time, category
ORDER BY time, category"""

USUAL_COLUMNS: Final = ("time", "value", "low", "high")


def against_usual(aggregate: str, source: str) -> str:
    """SQL of `aggregate` over the viewed range with the 5 % to 95 % range of the same times of day
    on the seven days before (NULL or 0 where there was none), for the last day of a longer range;
    `source` has a column `minute`."""
    text = _USUAL.replace("{aggregate}", aggregate).replace("{source}", source)
    return text.replace("{days}", str(USUAL_DAYS)).strip()


def by_category(source: str) -> str:
    """SQL of the share of scored requests that were flagged, a line a category that ever was;
    `source` has the columns `minute`, `verdict` and `requests`."""
    return _CATEGORIES.replace("{source}", source).replace("{flagged}", FLAGGED).strip()


def usual_query(name: str, aggregate: str, unit: str, about: str, sentence: str) -> Query:
    """A fleet number against its usual range."""
    return Query(
        name=name,
        sql=against_usual(aggregate, FLEET),
        columns=(
            Column("time", "time"),
            Column("value", unit, about),
            Column("low", unit, "usual from"),
            Column("high", unit, "usual to"),
        ),
        sentence=sentence,
    )
