"""Rules on the system itself: when it is blind, behind, refused, or louder than it may be."""

from __future__ import annotations

from typing import Final

from dashboards.boards.parts import PIPELINE, QUALITY
from dashboards.model.query import Column, Query
from dashboards.model.rule import Rule
from dashboards.model.thresholds import BEHIND_S, DEAD_SHARE, DELAY_S, SILENT_S

__all__ = ["RULES"]

_VALUE: Final = Column("value", "count")


def _query(name: str, sql: str, sentence: str, *labels: str) -> Query:
    columns = (*(Column(label, "text") for label in labels), _VALUE)
    return Query(name=f"rule.{name}", sql=sql.strip(), columns=columns, sentence=sentence)


_SILENT: Final = _query(
    "silent",
    """
SELECT toFloat64(dateDiff('second', max(stored_at), $__toTime_ms)) AS value
FROM ingest_log
HAVING count() > 0""",
    "Seconds since any partition stored a batch.",
)
_LAG: Final = _query(
    "delay",
    """
SELECT toString(kafka_partition) AS partition,
    toFloat64(max(toUnixTimestamp64Milli(stored_at) - toUnixTimestamp64Milli(broker_time))) / 1000
        AS value
FROM ingest_log
WHERE $__timeFilter_ms(stored_at)
GROUP BY partition
ORDER BY partition""",
    "Seconds from Kafka to a stored row, the slowest batch of each partition.",
    "partition",
)
_BEHIND: Final = _query(
    "scoring_behind",
    """
SELECT toString(kafka_partition) AS partition,
    toFloat64(dateDiff('second', max(watermark), max(broker_time))) AS value
FROM ingest_log
WHERE $__timeFilter_ms(stored_at)
GROUP BY partition
ORDER BY partition""",
    "Seconds that scoring is behind the newest message of each partition.",
    "partition",
)
_DEAD: Final = _query(
    "dead_letters",
    """
SELECT toFloat64(sum(dead)) / greatest(sum(events) + sum(dead), 1) AS value
FROM ingest_log
WHERE $__timeFilter_ms(stored_at)
HAVING sum(events) + sum(dead) >= 100""",
    "Share of lines that could not be understood.",
)
_BLIND: Final = _query(
    "blind",
    """
SELECT reason, any(sentence) AS what, toFloat64(count()) AS value
FROM pipeline_gaps
WHERE ended_at >= $__fromTime_ms AND started_at <= $__toTime_ms
GROUP BY reason
ORDER BY reason""",
    "Spans that were not seen, by reason.",
    "reason",
    "what",
)
_BUDGET: Final = _query(
    "budget",
    """
SELECT toFloat64(count()) AS value
FROM incidents
WHERE severity = 'high' AND $__timeFilter_ms(started_at)""",
    "Incidents of severity high that opened in the range.",
)
_CHANNELS: Final = _query(
    "channels",
    """
SELECT channel, any(error) AS trouble, toFloat64(count()) AS value
FROM notifications
WHERE state = 'failed' AND $__timeFilter_ms(made_at)
GROUP BY channel
ORDER BY channel""",
    "Messages that no try could deliver, by channel.",
    "channel",
    "trouble",
)

#: Pages of severity high that a shift of eight hours may have before somebody looks at the policy.
PAGES_A_SHIFT: Final = 20

RULES: Final = (
    Rule(
        uid="pulse-silent",
        title="Nothing is being stored",
        query=_SILENT,
        threshold=SILENT_S.alarm,
        for_s=60,
        severity="high",
        summary="No batch was stored for {{ $values.A.Value }} seconds",
        description="Workers are down, Kafka does not answer, or the store refuses to write.",
        runbook="silent",
        board=PIPELINE,
        no_data="alerting",
    ),
    Rule(
        uid="pulse-delay",
        title="Events are stored late",
        query=_LAG,
        threshold=DELAY_S.alarm,
        for_s=300,
        severity="medium",
        summary="Partition {{ $labels.partition }} stores {{ $values.A.Value }} s after Kafka",
        description="The workers do not keep up: look at lag, store latency and their number.",
        runbook="delay",
        board=PIPELINE,
    ),
    Rule(
        uid="pulse-scoring-behind",
        title="Scoring is behind",
        query=_BEHIND,
        threshold=BEHIND_S.alarm,
        for_s=300,
        severity="medium",
        summary="Partition {{ $labels.partition }} is scored {{ $values.A.Value }} s late",
        description="Event time does not pass: a clock ahead of the others, or no heartbeats.",
        runbook="scoring-behind",
        board=PIPELINE,
    ),
    Rule(
        uid="pulse-dead-letters",
        title="Events cannot be understood",
        query=_DEAD,
        threshold=DEAD_SHARE.alarm,
        for_s=120,
        severity="medium",
        summary="{{ $values.A.Value }} of all lines are dead letters",
        description="A producer sends what does not fit; `pulse dead-letters` says what and where.",
        runbook="dead-letters",
        board=PIPELINE,
    ),
    Rule(
        uid="pulse-blind",
        title="Part of the stream was not seen",
        query=_BLIND,
        threshold=1,
        span_s=3600,
        severity="medium",
        summary="{{ $labels.what }}",
        description="Nothing in that span can be called all clear ({{ $labels.reason }}).",
        runbook="blind",
        board=PIPELINE,
    ),
    Rule(
        uid="pulse-budget",
        title="More pages than a shift can take",
        query=_BUDGET,
        threshold=PAGES_A_SHIFT,
        span_s=8 * 3600,
        severity="medium",
        summary="{{ $values.A.Value }} incidents of severity high in eight hours",
        description="An attack on many accounts, or a policy that no longer fits the traffic.",
        runbook="budget",
        board=QUALITY,
    ),
    Rule(
        uid="pulse-channel",
        title="A notification channel is dead",
        query=_CHANNELS,
        threshold=1,
        span_s=3600,
        severity="high",
        summary="{{ $labels.channel }} did not take {{ $values.A.Value }} messages",
        description="{{ $labels.trouble }}. People were not told of what these were about.",
        runbook="channel",
        board=PIPELINE,
    ),
)
