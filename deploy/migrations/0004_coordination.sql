-- Where accounts meet: what the signals agent makes of stored events, slot by slot of event time.

-- Which timeline a batch belongs to: a replay of older traffic opens one of its own.
ALTER TABLE ingest_log ADD COLUMN IF NOT EXISTS since DateTime64(3, 'UTC')
    COMMENT 'streams registered before this moment belong to an older timeline' AFTER watermark;

-- One action of account_a and one of account_b on the same object. Account names are in order
-- (account_a < account_b). Read those of slots that coordination_log has as done.
CREATE TABLE coordination_meetings
(
    since             DateTime64(3, 'UTC') COMMENT 'the timeline, as in coordination_log',
    slot              DateTime64(3, 'UTC') COMMENT 'end of the slot whose actions brought the meeting',
    signals_partition UInt32,
    account_a         String,
    account_b         String,
    time_a            DateTime64(3, 'UTC') COMMENT 'event time of the action of account_a',
    time_b            DateTime64(3, 'UTC'),
    object            UInt64 COMMENT 'hash of the kind and value of the signal that both share',
    kind              LowCardinality(String) COMMENT 'template, band, network, ip, payment, ...',
    weight            Float32 COMMENT 'of the lag: 16 at 0 s, 5.6 at a minute, 0.9 at an hour',
    popularity        Float32 COMMENT 'accounts that act on the object, fading with time',
    stored_at         DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toDate(stored_at)
ORDER BY (since, slot, signals_partition, account_a, account_b, object, time_a, time_b)
TTL toDateTime(stored_at) + INTERVAL 14 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- Two rows a run of closed slots: first what goes into them (done = 0), then, when its meetings are
-- stored, that they are whole (done = 1). Whatever is done again after a crash is the same.
CREATE TABLE coordination_log
(
    signals_partition UInt32,
    since             DateTime64(3, 'UTC') COMMENT 'streams registered before this moment belong to an older timeline',
    slot              DateTime64(3, 'UTC') COMMENT 'slots up to here are closed',
    previous          DateTime64(3, 'UTC') COMMENT 'slots up to here were closed before; 1970: none',
    done              UInt8,
    stream_id         LowCardinality(String),
    sources           Array(UInt32) COMMENT 'partitions of usage.events',
    next_offsets      Array(UInt64) COMMENT 'of each source: rows before this offset are in',
    signals           UInt64,
    meetings          UInt64,
    lag_ms            Int64 COMMENT 'event time by which the foremost source was ahead of the slot',
    stored_at         DateTime64(3, 'UTC'),
    worker            LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(stored_at)
ORDER BY (signals_partition, since, slot, done)
TTL toDateTime(stored_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- Rings of a signals partition as bytes; a generation counts when its row stands in
-- coordination_snapshots, older ones are dropped then.
CREATE TABLE coordination_state
(
    signals_partition UInt32,
    generation        UInt64,
    name              LowCardinality(String) COMMENT 'of the array',
    part              UInt32,
    state             String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (signals_partition, generation)
ORDER BY (name, part)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE TABLE coordination_snapshots
(
    signals_partition UInt32,
    generation        UInt64,
    since             DateTime64(3, 'UTC'),
    slot              DateTime64(3, 'UTC') COMMENT 'state after this slot',
    layout            String COMMENT 'identity of the parameters and of the layout of the arrays',
    arrays            String COMMENT 'types and shapes, JSON',
    bytes             UInt64,
    taken_at          DateTime64(3, 'UTC')
)
ENGINE = MergeTree ORDER BY (signals_partition, generation);
