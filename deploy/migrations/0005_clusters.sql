-- Groups of accounts that act together: what they are, who belongs, and what ties them.

-- Every change of a cluster; the view `clusters` reads the last one.
CREATE TABLE cluster_log
(
    cluster_id     String,
    version        UInt64 COMMENT 'end of the slot that brought the change, epoch ms',
    timeline       DateTime64(3, 'UTC') COMMENT 'as in coordination_log.since',
    state          LowCardinality(String) COMMENT 'watched, known, open, resolved, merged or ended',
    since          DateTime64(3, 'UTC') COMMENT 'event time: first joint action that ties it',
    found_at       DateTime64(3, 'UTC') COMMENT 'event time: when it was found',
    last_seen_at   DateTime64(3, 'UTC') COMMENT 'event time: last joint action',
    members        UInt32,
    joined         UInt32 COMMENT 'members that joined in the day before',
    ties           UInt32,
    coincidences   UInt64 COMMENT 'joint actions of its ties, each counted once a tie',
    kinds          Array(String) COMMENT 'kinds of signal that its members share',
    independent    UInt8 COMMENT 'kinds that stand on their own; proven timing is one',
    object_kinds   Array(String) COMMENT 'the objects that tie it, the kind that says most first',
    object_values  Array(String),
    object_accounts Array(UInt32) COMMENT 'members that acted on the object',
    within_s       UInt32 COMMENT 'its members act within so many seconds of each other',
    lag_s          UInt32 COMMENT 'or so many seconds after each other; 0: at once',
    score          Float64 COMMENT 'mean score of its members',
    p_value        Float64 COMMENT 'chance that such a group acts so close in time',
    chance_log10   Float64 COMMENT 'its logarithm, also where the number would be 0',
    severity       LowCardinality(String) COMMENT 'empty while it does not alarm',
    held           LowCardinality(String) COMMENT 'why it does not alarm: timing, kinds, known group; empty when it does',
    known_group    LowCardinality(String) COMMENT 'declared in the policy',
    owner          LowCardinality(String) COMMENT 'of the known group',
    parent         String COMMENT 'the cluster it split from',
    merged_into    String,
    sentence       String,
    sql            String COMMENT 'returns the numbers of the sentence from the table events',
    raster_sql     String COMMENT 'who acted when: account, epoch ms and object, from the table events',
    incident_id    String,
    policy_version LowCardinality(String),
    stored_at      DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (cluster_id)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW clusters AS SELECT * FROM cluster_log FINAL;

-- Who belongs, or did.
CREATE TABLE cluster_member_log
(
    cluster_id  String,
    account_id  String,
    org_id      LowCardinality(String),
    joined_at   DateTime64(3, 'UTC'),
    version     UInt64,
    left_at     Nullable(DateTime64(3, 'UTC')),
    join_reason String,
    left_reason String,
    score       Float64,
    moments     UInt64 COMMENT 'distinct times it acted at, within memory',
    top_partner String COMMENT 'the member it is tied to most',
    top_tie     Float64 COMMENT 'score of that tie',
    stored_at   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (cluster_id, account_id, joined_at)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW cluster_members AS SELECT * FROM cluster_member_log FINAL;

-- Which members are tied, by what.
CREATE TABLE cluster_tie_log
(
    cluster_id   String,
    account_a    String,
    account_b    String,
    version      UInt64,
    score        Float64 COMMENT 'v: evidence over activity; 1 and more is a tie',
    sync         Float64 COMMENT 'weight of the coincidences at once',
    lag          Float64 COMMENT 'weight of the coincidences about one constant lag',
    lag_s        Float64 COMMENT 'that lag, b after a; 0 where they act at once',
    coincidences UInt32,
    kinds        Map(LowCardinality(String), UInt32) COMMENT 'coincidences by kind of the object',
    first_at     DateTime64(3, 'UTC'),
    last_at      DateTime64(3, 'UTC'),
    stored_at    DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (cluster_id, account_a, account_b)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW cluster_ties AS SELECT * FROM cluster_tie_log FINAL;

-- What happened to a cluster, in order: founded, joined, left, split, merged, silent, back, ended.
CREATE TABLE cluster_changes
(
    cluster_id String,
    at         DateTime64(3, 'UTC'),
    what       LowCardinality(String),
    account_id String,
    reason     String,
    other      String COMMENT 'the other cluster of a split, a merger or a move',
    stored_at  DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (cluster_id, at, what, account_id, other)
SETTINGS non_replicated_deduplication_window = 1000;

-- How far clusters are made of meetings: everything of slots up to here is stored.
CREATE TABLE cluster_marks
(
    timeline  DateTime64(3, 'UTC'),
    slot      DateTime64(3, 'UTC'),
    groups    UInt32,
    pairs     UInt64 COMMENT 'pairs of accounts with two or more coincidences',
    stored_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(stored_at)
ORDER BY (timeline, slot)
TTL toDateTime(stored_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;
