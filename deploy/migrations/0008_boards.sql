-- What boards ask of weeks of events at once: the fleet by minute, and which categories a request
-- was flagged for without reading its scores.

-- One word a request instead of a map: 'unscored', 'clean', or the categories with a score of 0.5 or
-- more in order of their names, joined with commas. Parts written before compute it when asked.
ALTER TABLE events ADD COLUMN IF NOT EXISTS verdict LowCardinality(String) MATERIALIZED multiIf(
        empty(moderation), 'unscored',
        arrayMax(mapValues(moderation)) < 0.5, 'clean',
        arrayStringConcat(arraySort(arrayFilter((name, score) -> score >= 0.5,
            mapKeys(moderation), mapValues(moderation))), ','))
    COMMENT 'categories with a score of 0.5 or more, joined with commas; or clean, or unscored'
    AFTER moderation;

-- A merge that drops a row seen twice makes the projection again from what is left; a deletion, too.
ALTER TABLE events MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild',
    lightweight_mutation_projection_mode = 'rebuild';

-- A projection is written with the part and dropped with it: it cannot count what the table does not
-- hold, so it needs no deduplication window and no mending. ClickHouse takes it by itself for sums by
-- minute that ask for no other column.
ALTER TABLE events ADD PROJECTION IF NOT EXISTS by_minute (
    SELECT toStartOfMinute(ts), use_case, model, endpoint, verdict,
        count(), sum(prompt_tokens), sum(completion_tokens),
        countIf(status >= 400 AND status != 429), countIf(status = 429),
        countIf(completion_tokens > 0), countIf(completion_tokens > 0 AND completion_tokens <= 32)
    GROUP BY toStartOfMinute(ts), use_case, model, endpoint, verdict);

-- In the background; until it is done, older parts answer from their rows.
ALTER TABLE events MATERIALIZE COLUMN verdict SETTINGS mutations_sync = 0;
ALTER TABLE events MATERIALIZE PROJECTION by_minute SETTINGS mutations_sync = 0;
