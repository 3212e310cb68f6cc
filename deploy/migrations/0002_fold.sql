-- What the fold knows (so that any worker can take over) and what it found.

-- State of an account at a snapshot: a few readable windows, and the whole row of the fold as bytes.
CREATE TABLE account_state
(
    kafka_partition       UInt32,
    generation            UInt64 COMMENT 'full snapshot the row belongs to',
    tick                  DateTime64(3, 'UTC') COMMENT 'state after this tick',
    account_id            String,
    org_id                LowCardinality(String),
    last_seen             DateTime64(3, 'UTC'),
    requests_1m           UInt64,
    requests_5m           UInt64,
    requests_1h           UInt64,
    requests_24h          UInt64,
    prompt_tokens_24h     UInt64,
    completion_tokens_24h UInt64,
    state                 String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (kafka_partition, generation)
ORDER BY (account_id, tick)
SETTINGS non_replicated_deduplication_window = 1000;

-- Written after the rows of account_state it covers: a snapshot counts when it stands here.
CREATE TABLE fold_snapshots
(
    kafka_partition UInt32,
    generation      UInt64,
    tick            DateTime64(3, 'UTC'),
    layout          String COMMENT 'identity of the byte layout of account_state.state',
    accounts        UInt64,
    fold            String COMMENT 'state that belongs to no account, JSON',
    taken_at        DateTime64(3, 'UTC')
)
ENGINE = MergeTree ORDER BY (kafka_partition, tick);

CREATE TABLE findings
(
    finding_id      String,
    detector        LowCardinality(String),
    kind            LowCardinality(String),
    account_id      LowCardinality(String),
    org_id          LowCardinality(String),
    metric          LowCardinality(String),
    window_start    DateTime64(3, 'UTC'),
    window_end      DateTime64(3, 'UTC'),
    window_s        UInt32,
    observed        Float64,
    expected        Float64,
    p_value         Float64,
    threshold       Float64 COMMENT 'below this value the detector would have stayed silent',
    drivers         Map(LowCardinality(String), Float64) COMMENT 'the numbers that made the score',
    sentence        String,
    sql             String COMMENT 'returns `observed` from the table events',
    policy_version  LowCardinality(String),
    incident_id     String,
    kafka_partition UInt32,
    stored_at       DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(window_end)
ORDER BY (account_id, window_end, detector, finding_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- Every change of an incident; the view `incidents` reads the last one.
CREATE TABLE incident_log
(
    incident_id     String,
    version         UInt64,
    kind            LowCardinality(String),
    account_id      LowCardinality(String),
    org_id          LowCardinality(String),
    state           LowCardinality(String) COMMENT 'open, ongoing or resolved',
    severity        LowCardinality(String),
    started_at      DateTime64(3, 'UTC'),
    last_seen_at    DateTime64(3, 'UTC'),
    resolved_at     Nullable(DateTime64(3, 'UTC')),
    findings        UInt64,
    reopened        UInt32,
    metric          LowCardinality(String),
    window_s        UInt32,
    peak_observed   Float64,
    expected        Float64,
    p_value         Float64,
    threshold       Float64,
    sentence        String,
    policy_version  LowCardinality(String),
    kafka_partition UInt32,
    stored_at       DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (incident_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW incidents AS SELECT * FROM incident_log FINAL;

CREATE TABLE alerts
(
    alert_id        String,
    incident_id     String,
    account_id      LowCardinality(String),
    org_id          LowCardinality(String),
    kind            LowCardinality(String),
    detector        LowCardinality(String),
    metric          LowCardinality(String),
    started_at      DateTime64(3, 'UTC') COMMENT 'event time: start of the window',
    detected_at     DateTime64(3, 'UTC') COMMENT 'event time: end of the tick that found it',
    severity        LowCardinality(String),
    observed        Float64,
    expected        Float64,
    p_value         Float64,
    threshold       Float64,
    window_s        UInt32,
    sentence        String,
    sql             String,
    policy_version  LowCardinality(String),
    kafka_partition UInt32,
    stored_at       DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(detected_at)
ORDER BY (detected_at, account_id, alert_id)
SETTINGS non_replicated_deduplication_window = 1000;
