"""Queries of the board on the detectors' own quality: what their word is worth."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query

__all__ = ["BUDGET", "DELAY", "HELD", "PRECISION", "SHIFTS", "UNREVIEWED"]

#: 95 % interval of a share (Wilson 1927): the centre and half width, of `hits` among `n`.
_CENTRE: Final = "(hits + 1.92) / (n + 3.84)"
_HALF: Final = "1.96 * sqrt(hits * (n - hits) / greatest(n, 1) + 0.96) / (n + 3.84)"

PRECISION: Final = Query(
    name="quality.precision",
    sql=f"""
SELECT detector, alerts, n AS reviewed, hits AS right, unsure,
    if(n = 0, NULL, hits / n) AS precision,
    greatest({_CENTRE} - {_HALF}, 0) AS low, least({_CENTRE} + {_HALF}, 1) AS high
FROM (
    SELECT i.detector AS detector, count() AS alerts, countIf(r.label IN ('true', 'false')) AS n,
        countIf(r.label = 'true') AS hits, countIf(r.label = 'unsure') AS unsure
    FROM incidents AS i
    LEFT JOIN reviews AS r ON r.incident_id = i.incident_id
    WHERE $__timeFilter_ms(i.started_at)
    GROUP BY detector
)
ORDER BY alerts DESC""".strip(),
    columns=(
        Column("detector", "text"),
        Column("alerts", "count", "incidents"),
        Column("reviewed", "count", "labelled"),
        Column("right", "count", "true alarms"),
        Column("unsure", "count"),
        Column("precision", "share"),
        Column("low", "share", "at least (95 %)"),
        Column("high", "share", "at most (95 %)"),
    ),
    sentence="Of the alarms that somebody labelled, how many were right, with what certainty.",
)
SHIFTS: Final = Query(
    name="quality.alerts",
    sql="""
SELECT $__timeInterval(started_at) AS time, severity, count() AS incidents
FROM incidents
WHERE $__timeFilter_ms(started_at)
GROUP BY time, severity
ORDER BY time, severity""".strip(),
    columns=(Column("time", "time"), Column("severity", "text"), Column("incidents", "count")),
    sentence="Incidents opened, by severity.",
)
BUDGET: Final = Query(
    name="quality.shift",
    sql="""
SELECT toDateTime(intDiv(toUnixTimestamp(started_at), 28800) * 28800) AS shift,
    countIf(severity = 'high') AS high, countIf(severity = 'medium') AS medium, count() AS pages
FROM incidents
WHERE $__timeFilter_ms(started_at)
GROUP BY shift
ORDER BY shift DESC
LIMIT 30""".strip(),
    columns=(
        Column("shift", "time", "shift of 8 hours from"),
        Column("high", "count"),
        Column("medium", "count"),
        Column("pages", "count"),
    ),
    sentence="Pages of each shift, to be held against what the policy allows.",
)
DELAY: Final = Query(
    name="quality.delay",
    sql="""
SELECT detector, count() AS alerts,
    quantile(0.5)(seconds) AS p50, quantile(0.99)(seconds) AS p99
FROM (
    SELECT detector,
        (toUnixTimestamp64Milli(detected_at) - toUnixTimestamp64Milli(started_at)) / 1000 AS seconds
    FROM alerts
    WHERE $__timeFilter_ms(detected_at)
)
GROUP BY detector
ORDER BY alerts DESC""".strip(),
    columns=(
        Column("detector", "text"),
        Column("alerts", "count"),
        Column("p50", "s", "half within"),
        Column("p99", "s", "99 % within"),
    ),
    sentence="From the start of the window that alarmed to the alarm, in event time.",
)
HELD: Final = Query(
    name="quality.held",
    sql="""
SELECT detector, held, count() AS findings, min(p_value) AS rarest
FROM findings
WHERE held != '' AND $__timeFilter_ms(window_end)
GROUP BY detector, held
ORDER BY findings DESC
LIMIT 50""".strip(),
    columns=(
        Column("detector", "text"),
        Column("held", "text", "held back by"),
        Column("findings", "count"),
        Column("rarest", "probability", "rarest among them"),
    ),
    sentence="The shadow: what would have alarmed with a larger budget.",
)
UNREVIEWED: Final = Query(
    name="quality.unreviewed",
    sql="""
SELECT i.started_at AS since, i.detector AS detector, i.severity AS severity,
    i.sentence AS sentence, i.incident_id AS incident
FROM incidents AS i
LEFT ANTI JOIN reviews AS r ON r.incident_id = i.incident_id
WHERE i.state = 'resolved' AND $__timeFilter_ms(i.started_at)
ORDER BY since DESC
LIMIT 30""".strip(),
    columns=(
        Column("since", "time"),
        Column("detector", "text"),
        Column("severity", "text"),
        Column("sentence", "text", "what happened"),
        Column("incident", "text"),
    ),
    sentence="Resolved and not labelled: a minute here is what keeps precision honest.",
)
