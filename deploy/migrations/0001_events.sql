-- What was seen: every event once, with its Kafka place and the tick from which it counts.

-- A stream is one life of a topic: offsets of two streams are not comparable.
CREATE TABLE streams
(
    stream_id     String COMMENT 'broker cluster id, topic and topic id, or one drawn at start',
    topic         String,
    registered_at DateTime64(3, 'UTC') COMMENT 'when a worker first saw it; orders the streams'
)
ENGINE = ReplacingMergeTree ORDER BY (topic, stream_id);

-- PARTITION BY the day of arrival: an insert lies in one partition, so it is atomic, and the TTL,
-- which counts from arrival, drops whole parts (a trace of 2023 replayed today stays its full time).
CREATE TABLE events
(
    -- Names of which there may be many are plain strings, the rest dictionaries.
    event_id           String,
    ts                 DateTime64(3, 'UTC') CODEC(Delta, LZ4),
    account_id         String,
    org_id             LowCardinality(String),
    key_id             LowCardinality(String),
    end_user           String,
    endpoint           LowCardinality(String),
    model              LowCardinality(String),
    status             UInt16,
    error              LowCardinality(String),
    prompt_tokens      UInt32,
    completion_tokens  UInt32,
    max_tokens         UInt32,
    latency_ms         UInt32,
    stream             UInt8,
    ip_hash            String,
    network            LowCardinality(String),
    country            LowCardinality(String),
    user_agent         LowCardinality(String),
    payment            LowCardinality(String),
    account_created_at DateTime64(3, 'UTC'),
    use_case           LowCardinality(String),
    quota_used         Float32,
    template           String,
    bands              Array(String),
    moderation         Map(LowCardinality(String), Float32),
    extra              Map(LowCardinality(String), String) COMMENT 'unknown fields, values as JSON',
    stream_id          LowCardinality(String),
    kafka_partition    UInt32,
    kafka_offset       UInt64 CODEC(Delta, LZ4),
    line               UInt32 COMMENT 'line in the message, from 0',
    tick               DateTime64(3, 'UTC') CODEC(Delta, LZ4)
        COMMENT 'end of the first tick that counts the row; 2200-01-01 when it came too late for any',
    late               UInt8 COMMENT '0 in time, 1 late and counted, 2 too late to count',
    arrived_at         DateTime64(3, 'UTC') CODEC(Delta, LZ4),
    INDEX by_ts ts TYPE minmax GRANULARITY 1,
    INDEX by_tick tick TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(arrived_at)
ORDER BY (account_id, ts, event_id)
TTL toDateTime(arrived_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- The roll-up. A materialized view feeds the parts table; its own deduplication window keeps a
-- retried insert from being summed twice. The view `account_minute` always reads final sums.
CREATE TABLE account_minute_parts
(
    account_id        String,
    minute            DateTime('UTC'),
    requests          UInt64,
    prompt_tokens     UInt64,
    completion_tokens UInt64,
    errors            UInt64,
    throttled         UInt64,
    short_outputs     UInt64
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (account_id, minute)
TTL minute + INTERVAL 3650 DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW account_minute_feed TO account_minute_parts AS
SELECT
    e.account_id AS account_id,
    toStartOfMinute(e.ts) AS minute,
    count() AS requests,
    sum(e.prompt_tokens) AS prompt_tokens,
    sum(e.completion_tokens) AS completion_tokens,
    countIf(e.status >= 400 AND e.status != 429) AS errors,
    countIf(e.status = 429) AS throttled,
    countIf(e.completion_tokens > 0 AND e.completion_tokens <= 32) AS short_outputs
FROM events AS e
GROUP BY account_id, minute;

CREATE VIEW account_minute AS
SELECT
    account_id,
    minute,
    sum(p.requests) AS requests,
    sum(p.prompt_tokens) AS prompt_tokens,
    sum(p.completion_tokens) AS completion_tokens,
    sum(p.errors) AS errors,
    sum(p.throttled) AS throttled,
    sum(p.short_outputs) AS short_outputs
FROM account_minute_parts AS p
GROUP BY account_id, minute;

-- What could not be understood: the bytes, the place, and one reason a person can act on.
CREATE TABLE dead_letters
(
    letter_id       String COMMENT 'stream, partition, offset and line, hashed',
    stream_id       LowCardinality(String),
    topic           LowCardinality(String),
    kafka_partition UInt32,
    kafka_offset    UInt64,
    line            UInt32,
    reason          LowCardinality(String),
    sentence        String,
    bytes           String,
    broker_time     DateTime64(3, 'UTC'),
    arrived_at      DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(arrived_at)
ORDER BY (stream_id, kafka_partition, kafka_offset, line)
TTL toDateTime(arrived_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE TABLE dead_letter_retries
(
    letter_id  String,
    retried_at DateTime64(3, 'UTC'),
    by         String
)
ENGINE = ReplacingMergeTree ORDER BY (letter_id, retried_at);

-- One row a processed fetch, written when everything of it is stored: where a worker goes on.
CREATE TABLE ingest_log
(
    stream_id       LowCardinality(String),
    kafka_partition UInt32,
    first_offset    UInt64,
    next_offset     UInt64,
    watermark       DateTime64(3, 'UTC') COMMENT 'ticks up to here are closed',
    messages        UInt64,
    events          UInt64,
    stored          UInt64,
    duplicates      UInt64,
    dead            UInt64,
    late            UInt64,
    too_late        UInt64,
    broker_time     DateTime64(3, 'UTC') COMMENT 'of the newest message in it',
    stored_at       DateTime64(3, 'UTC'),
    worker          LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(stored_at)
ORDER BY (stream_id, kafka_partition, first_offset)
TTL toDateTime(stored_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Spans of the stream that were not seen, or not seen in time.
CREATE TABLE pipeline_gaps
(
    gap_id          String,
    stream_id       LowCardinality(String),
    kafka_partition UInt32,
    first_offset    UInt64,
    next_offset     UInt64,
    started_at      DateTime64(3, 'UTC'),
    ended_at        DateTime64(3, 'UTC'),
    reason          LowCardinality(String),
    sentence        String
)
ENGINE = ReplacingMergeTree ORDER BY (gap_id);
