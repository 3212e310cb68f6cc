-- How many partitions the topic of events had under a policy: a budget in pages per shift counts the
-- whole platform, and a rebuild must divide it as it was divided then.

ALTER TABLE policy_log ADD COLUMN IF NOT EXISTS partitions UInt32 DEFAULT 1 COMMENT 'of the topic of events' AFTER toml;
