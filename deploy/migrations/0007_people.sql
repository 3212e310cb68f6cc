-- What people decide about incidents, and what they were told. Rows are only ever added; views read
-- the last word.

CREATE TABLE IF NOT EXISTS incident_actions
(
    incident_id String,
    at          DateTime64(3, 'UTC'),
    action      LowCardinality(String) COMMENT 'acknowledged, assigned, resolved, reopened or noted',
    by          String COMMENT 'who did it',
    owner       String COMMENT 'to whom it was assigned',
    note        String
)
ENGINE = ReplacingMergeTree ORDER BY (incident_id, at, action, by);

CREATE VIEW IF NOT EXISTS incident_people AS
SELECT
    incident_id,
    maxIf(at, action = 'acknowledged') AS acknowledged_at,
    argMaxIf(by, at, action = 'acknowledged') AS acknowledged_by,
    argMaxIf(owner, at, action = 'assigned') AS owner,
    maxIf(at, action = 'resolved') AS resolved_at,
    argMaxIf(by, at, action = 'resolved') AS resolved_by,
    maxIf(at, action = 'reopened') AS reopened_at
FROM incident_actions
GROUP BY incident_id;

-- Silences: who asked for it, why, until when. A row with a later `revoked_at` ends it.
CREATE TABLE IF NOT EXISTS suppression_log
(
    suppression_id String,
    version        UInt64,
    accounts       Array(String) COMMENT 'patterns; empty: any account',
    orgs           Array(String) COMMENT 'patterns; empty: any organisation',
    kinds          Array(String) COMMENT 'kinds of incident; empty: any',
    owner          String COMMENT 'who answers for it',
    reason         String,
    by             String,
    created_at     DateTime64(3, 'UTC'),
    expires_at     DateTime64(3, 'UTC'),
    revoked_at     Nullable(DateTime64(3, 'UTC')),
    revoked_by     String
)
ENGINE = ReplacingMergeTree(version) ORDER BY (suppression_id);

CREATE VIEW IF NOT EXISTS suppressions AS SELECT * FROM suppression_log FINAL;

-- Was it right? The measure of every detector's word.
CREATE TABLE IF NOT EXISTS review_log
(
    incident_id String,
    at          DateTime64(3, 'UTC'),
    label       LowCardinality(String) COMMENT 'true, false or unsure',
    by          String,
    note        String
)
ENGINE = ReplacingMergeTree ORDER BY (incident_id, at, by);

CREATE VIEW IF NOT EXISTS reviews AS
SELECT incident_id, max(r.at) AS at, argMax(r.label, r.at) AS label, argMax(r.by, r.at) AS by,
    argMax(r.note, r.at) AS note
FROM review_log AS r
GROUP BY incident_id;

-- The outbox: one row a message to a channel, written before anything is sent; later versions say
-- what became of it.
CREATE TABLE IF NOT EXISTS notification_log
(
    notification_id String COMMENT 'incident, event, its version and the channel, hashed',
    version         UInt64,
    incident_id     String,
    event           LowCardinality(String) COMMENT 'opened, escalated or resolved',
    channel         LowCardinality(String),
    state           LowCardinality(String) COMMENT 'due, sending, sent, failed or silenced',
    severity        LowCardinality(String),
    account_id      String,
    org_id          LowCardinality(String),
    kind            LowCardinality(String),
    title           String,
    body            String,
    suppression_id  String COMMENT 'the silence that held it back',
    attempts        UInt32,
    next_at         DateTime64(3, 'UTC'),
    error           String,
    made_at         DateTime64(3, 'UTC'),
    sent_at         Nullable(DateTime64(3, 'UTC'))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (notification_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS notifications AS SELECT * FROM notification_log FINAL;

-- Up to which row of incident_log the outbox was made.
CREATE TABLE IF NOT EXISTS notification_cursor
(
    name     LowCardinality(String),
    at       DateTime64(3, 'UTC') COMMENT 'stored_at of the last change seen',
    moved_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(moved_at) ORDER BY (name);
