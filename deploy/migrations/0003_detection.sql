-- Several detectors: what each made of a finding, which channel it was judged in, and why a finding
-- was held back; and the policies that ruled, so that a rebuild folds every tick under its own.

ALTER TABLE findings
    ADD COLUMN IF NOT EXISTS parts Map(LowCardinality(String), Float64) COMMENT 'p-value by detector, the leading one first' AFTER drivers,
    ADD COLUMN IF NOT EXISTS channel LowCardinality(String) DEFAULT 'usual' COMMENT 'usual, or cold: a new or returned account' AFTER parts,
    ADD COLUMN IF NOT EXISTS severity LowCardinality(String) COMMENT 'empty when it was held back' AFTER channel,
    ADD COLUMN IF NOT EXISTS held LowCardinality(String) COMMENT 'why no alert came of it: budget, false discoveries or allow-list; empty when one did' AFTER severity;

ALTER TABLE incident_log ADD COLUMN IF NOT EXISTS detector LowCardinality(String) DEFAULT kind AFTER kind;

ALTER TABLE alerts ADD COLUMN IF NOT EXISTS channel LowCardinality(String) DEFAULT 'usual' AFTER severity;

DROP VIEW IF EXISTS incidents;
CREATE VIEW IF NOT EXISTS incidents AS SELECT * FROM incident_log FINAL;

-- Which policy ruled each partition from which tick on; `toml` is the whole of it.
CREATE TABLE IF NOT EXISTS policy_log
(
    kafka_partition UInt32,
    tick            DateTime64(3, 'UTC') COMMENT 'first tick (event time) that the policy ruled',
    version         LowCardinality(String) COMMENT 'hash of its content, as in the findings',
    toml            String CODEC(ZSTD(1)),
    applied_at      DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY (kafka_partition, tick)
SETTINGS non_replicated_deduplication_window = 1000;
