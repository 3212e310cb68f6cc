"""Queries of the pipeline board and of the rules on the system itself."""

from __future__ import annotations

from typing import Final

from dashboards.model.query import Column, Query
from dashboards.model.thresholds import DELAY_S

__all__ = [
    "BLIND",
    "DEAD",
    "DEAD_NEWEST",
    "DELAY",
    "HEALTH",
    "LATE",
    "NOTIFICATIONS",
    "PARTITIONS",
    "RATE",
    "STORE",
]

RATE: Final = Query(
    name="pipeline.rate",
    sql="""
SELECT $__timeInterval(stored_at) AS time, sum(stored) / $__interval_s AS stored,
    sum(duplicates) / $__interval_s AS duplicates
FROM ingest_log
WHERE $__timeFilter_ms(stored_at)
GROUP BY time
ORDER BY time""".strip(),
    columns=(
        Column("time", "time"),
        Column("stored", "events/s", "stored"),
        Column("duplicates", "events/s", "duplicates left out"),
    ),
    sentence="Events stored a second, and how many had been seen before.",
)
DELAY: Final = Query(
    name="pipeline.delay",
    sql="""
SELECT $__timeInterval(stored_at) AS time,
    quantile(0.5)(toUnixTimestamp64Milli(stored_at) - toUnixTimestamp64Milli(broker_time)) / 1000
        AS p50,
    quantile(0.99)(toUnixTimestamp64Milli(stored_at) - toUnixTimestamp64Milli(broker_time)) / 1000
        AS p99
FROM ingest_log
WHERE $__timeFilter_ms(stored_at)
GROUP BY time
ORDER BY time""".strip(),
    columns=(Column("time", "time"), Column("p50", "s", "half"), Column("p99", "s", "99 %")),
    sentence="Seconds from Kafka to a stored row, half and 99 % of the batches.",
)
STORE: Final = Query(
    name="pipeline.batches",
    sql="""
SELECT $__timeInterval(stored_at) AS time, count() AS batches, avg(stored) AS events
FROM ingest_log
WHERE $__timeFilter_ms(stored_at)
GROUP BY time
ORDER BY time""".strip(),
    columns=(
        Column("time", "time"),
        Column("batches", "count", "batches"),
        Column("events", "count", "events in one"),
    ),
    sentence="How many batches were stored, and how large they were: few and large is healthy.",
)
DEAD: Final = Query(
    name="pipeline.dead_letters",
    sql="""
SELECT $__timeInterval(arrived_at) AS time, reason, count() AS letters
FROM dead_letters
WHERE $__timeFilter_ms(arrived_at)
GROUP BY time, reason
ORDER BY time, reason""".strip(),
    columns=(Column("time", "time"), Column("reason", "text"), Column("letters", "count")),
    sentence="Lines that could not be understood, by reason.",
)
DEAD_NEWEST: Final = Query(
    name="pipeline.newest_dead_letters",
    sql="""
SELECT reason, count() AS letters, max(arrived_at) AS newest, any(sentence) AS example,
    any(concat(topic, '/', toString(kafka_partition), '/', toString(kafka_offset))) AS place
FROM dead_letters
WHERE $__timeFilter_ms(arrived_at)
GROUP BY reason
ORDER BY letters DESC""".strip(),
    columns=(
        Column("reason", "text"),
        Column("letters", "count"),
        Column("newest", "time"),
        Column("example", "text"),
        Column("place", "text", "topic/partition/offset"),
    ),
    sentence="What was wrong with them, with an example and where it lies.",
)
LATE: Final = Query(
    name="pipeline.late",
    sql="""
SELECT $__timeInterval(stored_at) AS time, sum(late) / greatest(sum(events), 1) AS late,
    sum(too_late) / greatest(sum(events), 1) AS too_late
FROM ingest_log
WHERE $__timeFilter_ms(stored_at)
GROUP BY time
ORDER BY time""".strip(),
    columns=(
        Column("time", "time"),
        Column("late", "share", "late, counted"),
        Column("too_late", "share", "too late to count"),
    ),
    sentence="Share of events that came after their tick was closed.",
)
PARTITIONS: Final = Query(
    name="pipeline.partitions",
    sql="""
SELECT kafka_partition AS partition, max(stored_at) AS last_stored, max(watermark) AS scored_to,
    max(next_offset) AS next, argMax(worker, stored_at) AS worker, sum(stored) AS events
FROM ingest_log
WHERE $__timeFilter_ms(stored_at)
GROUP BY partition
ORDER BY partition""".strip(),
    columns=(
        Column("partition", "count"),
        Column("last_stored", "time", "last stored"),
        Column("scored_to", "time", "scored up to"),
        Column("next", "count", "next offset"),
        Column("worker", "text"),
        Column("events", "count", "events in this range"),
    ),
    sentence="How far each partition is, and which worker has it.",
)
HEALTH: Final = Query(
    name="pipeline.health",
    sql=f"""
SELECT time, toString(kafka_partition) AS partition,
    toUInt8(multiIf(delay >= {DELAY_S.alarm}, 2, delay >= {DELAY_S.warning}, 1, 0)) AS state
FROM (
    SELECT $__timeInterval(stored_at) AS time, kafka_partition,
        max(toUnixTimestamp64Milli(stored_at) - toUnixTimestamp64Milli(broker_time)) / 1000 AS delay
    FROM ingest_log
    WHERE $__timeFilter_ms(stored_at)
    GROUP BY time, kafka_partition
)
ORDER BY time, partition""".strip(),
    columns=(Column("time", "time"), Column("partition", "text"), Column("state", "count")),
    sentence="Can this page be trusted? A lane a partition; where there is nothing, nobody looked.",
)
BLIND: Final = Query(
    name="pipeline.blind",
    sql="""
SELECT started_at, ended_at, kafka_partition AS partition, reason, sentence
FROM pipeline_gaps
WHERE started_at <= $__toTime_ms AND ended_at >= $__fromTime_ms
ORDER BY started_at DESC
LIMIT 100""".strip(),
    columns=(
        Column("started_at", "time", "from"),
        Column("ended_at", "time", "to"),
        Column("partition", "count"),
        Column("reason", "text"),
        Column("sentence", "text", "what was not seen"),
    ),
    sentence="Spans of the stream that were not seen, or not in time.",
)
NOTIFICATIONS: Final = Query(
    name="pipeline.notifications",
    sql="""
SELECT channel, countIf(state = 'sent') AS sent, countIf(state IN ('due', 'sending')) AS waiting,
    countIf(state = 'failed') AS failed, countIf(state = 'silenced') AS silenced,
    argMax(error, made_at) AS last_error,
    quantileIf(0.99)((toUnixTimestamp64Milli(assumeNotNull(sent_at))
        - toUnixTimestamp64Milli(made_at)) / 1000, state = 'sent') AS delay
FROM notifications
WHERE $__timeFilter_ms(made_at)
GROUP BY channel
ORDER BY channel""".strip(),
    columns=(
        Column("channel", "text"),
        Column("sent", "count"),
        Column("waiting", "count"),
        Column("failed", "count"),
        Column("silenced", "count"),
        Column("last_error", "text", "last trouble"),
        Column("delay", "s", "99 % sent within"),
    ),
    sentence="Did people hear of it? A dead channel shows here.",
)
