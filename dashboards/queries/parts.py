"""Pieces that many queries share: filters by a board's variables, a number against its usual."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query

__all__ = ["COHORT", "EVENTS", "MODEL", "ORG", "USUAL_COLUMNS", "against_usual", "usual_query"]

#: Conditions that an empty variable leaves open.
ORG: Final = "(${org:sqlstring} = '' OR org_id = ${org:sqlstring})"
COHORT: Final = "(${cohort:sqlstring} = '' OR use_case = ${cohort:sqlstring})"
MODEL: Final = "(${model:sqlstring} = '' OR model = ${model:sqlstring})"
#: Of the table `events`.
EVENTS: Final = f"{ORG} AND {COHORT} AND {MODEL}"
#: How many days before are read for what is usual at a time of day.
USUAL_DAYS: Final = 7

_USUAL: Final = """
SELECT time, value, low, high
FROM (
    SELECT $__timeInterval(ts) AS time, {aggregate} AS value
    FROM events
    WHERE $__timeFilter_ms(ts) AND {where}
    GROUP BY time
) AS now
LEFT JOIN (
    SELECT time, quantile(0.05)(value) AS low, quantile(0.95)(value) AS high
    FROM (
        SELECT
            intDiv(toUnixTimestamp64Milli($__toTime_ms) - toUnixTimestamp64Milli(ts), 86400000)
                AS days,
            toStartOfInterval(
                toDateTime(ts) + toIntervalDay(days), toIntervalSecond($__interval_s)
            ) AS time,
            {aggregate} AS value
        FROM events
        WHERE ts >= $__fromTime_ms - toIntervalDay({days}) AND ts < $__toTime_ms AND days > 0
            AND ts + toIntervalDay(days) >= $__fromTime_ms AND {where}
        GROUP BY days, time
    )
    GROUP BY time
) AS usual USING (time)
ORDER BY time"""

USUAL_COLUMNS: Final = ("time", "value", "low", "high")


def against_usual(aggregate: str, where: str) -> str:
    """SQL of `aggregate` over the viewed range with the 5 % to 95 % range of the same times of day
    on the seven days before (NULL or 0 where there was none)."""
    text = _USUAL.replace("{aggregate}", aggregate).replace("{where}", where)
    return text.replace("{days}", str(USUAL_DAYS)).strip()


def usual_query(name: str, aggregate: str, unit: str, about: str, sentence: str) -> Query:
    """A fleet number against its usual range."""
    return Query(
        name=name,
        sql=against_usual(aggregate, EVENTS),
        columns=(
            Column("time", "time"),
            Column("value", unit, about),
            Column("low", unit, "usual from"),
            Column("high", unit, "usual to"),
        ),
        sentence=sentence,
    )
