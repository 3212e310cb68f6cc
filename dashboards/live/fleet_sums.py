"""What the store is asked about the whole platform: sums of five minutes, and what is usual.

Beneath `fleet.py`. Traffic comes from the roll-up of minutes; what was flagged comes from the
projection of events by minute (deploy/migrations/0008_boards.sql), which a column that it does not
have would make useless.
"""

from __future__ import annotations

from typing import Final

__all__ = ["FLAGGED_NOW", "FLAGGED_USUAL", "NOW", "USUAL"]

_SUMS: Final = """sum(p.requests) / 300 AS requests, sum(p.completion_tokens) / 300 AS tokens,
        sum(p.errors + p.throttled) / sum(p.requests) AS failed,
        sum(p.short_outputs) / sum(p.requests) AS short"""
NOW: Final = f"""
SELECT {{end}} - intDiv({{end}} - toUnixTimestamp(p.minute) - 1, 300) * 300 AS at, {_SUMS}
FROM account_minute_parts AS p
WHERE p.minute >= {{start}} AND p.minute < {{end}}
GROUP BY at
ORDER BY at"""
USUAL: Final = f"""
SELECT hour, uniqExact(day) AS days, quantiles(0.05, 0.5, 0.95)(requests) AS requests,
    quantiles(0.05, 0.5, 0.95)(tokens) AS tokens, quantiles(0.05, 0.5, 0.95)(failed) AS failed,
    quantiles(0.05, 0.5, 0.95)(short) AS short
FROM (
    SELECT intDiv({{end}} - toUnixTimestamp(p.minute) - 1, 86400) AS day,
        intDiv(({{end}} - toUnixTimestamp(p.minute) - 1) % 86400, 3600) AS hour,
        intDiv(toUnixTimestamp(p.minute), 300) AS span,
        {_SUMS}
    FROM account_minute_parts AS p
    WHERE p.minute >= {{start}} AND p.minute < {{until}}
        AND ({{end}} - toUnixTimestamp(p.minute) - 1) % 86400 < {{hours}} * 3600
    GROUP BY day, hour, span
)
GROUP BY hour"""

#: Shares of the requests that were scored.
_FLAGGED: Final = """sumIf(n, has(splitByChar(',', verdict), 'medical_spam')) / sum(n) AS medical,
        sumIf(n, hasAny(splitByChar(',', verdict), ['hate', 'harassment'])) / sum(n) AS hate"""
_VERDICTS: Final = """(
        SELECT toStartOfMinute(ts) AS minute, verdict, count() AS n FROM events
        WHERE toStartOfMinute(ts) >= toDateTime({start}, 'UTC')
            AND toStartOfMinute(ts) < toDateTime({until}, 'UTC') AND verdict != 'unscored'
        GROUP BY minute, verdict
    )"""
FLAGGED_NOW: Final = f"""
SELECT {{until}} - intDiv({{until}} - toUnixTimestamp(minute) - 1, 300) * 300 AS at, {_FLAGGED}
FROM {_VERDICTS}
GROUP BY at
ORDER BY at"""
FLAGGED_USUAL: Final = f"""
SELECT hour, uniqExact(day) AS days, quantiles(0.05, 0.5, 0.95)(medical) AS medical,
    quantiles(0.05, 0.5, 0.95)(hate) AS hate
FROM (
    SELECT intDiv({{end}} - toUnixTimestamp(minute) - 1, 86400) AS day,
        intDiv(({{end}} - toUnixTimestamp(minute) - 1) % 86400, 3600) AS hour,
        intDiv(toUnixTimestamp(minute), 300) AS span,
        {_FLAGGED}
    FROM {_VERDICTS}
    WHERE ({{end}} - toUnixTimestamp(minute) - 1) % 86400 < {{hours}} * 3600
    GROUP BY day, hour, span
)
GROUP BY hour"""
