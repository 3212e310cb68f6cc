"""A migrated store with rows in every table that boards and rules read."""

from __future__ import annotations

import time
from pathlib import Path

from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.event_rows import event_rows

__all__ = ["MINUTE", "board_store", "fill"]

MINUTE = 60_000

_FILL = (
    """INSERT INTO events SELECT * REPLACE (concat(event_id, '-p') AS event_id,
        map('political_persuasion', toFloat32(0.9)) AS moderation) FROM events LIMIT 500""",
    # The same day's traffic on the seven days before, so that there is a usual.
    """INSERT INTO events SELECT * REPLACE (
        concat(event_id, '-', toString(day)) AS event_id, ts - toIntervalDay(day) AS ts,
        tick - toIntervalDay(day) AS tick)
    FROM events ARRAY JOIN range(1, 8) AS day""",
    """INSERT INTO incident_log (incident_id, version, kind, detector, account_id, org_id, state,
        severity, started_at, last_seen_at, findings, metric, window_s, peak_observed, expected,
        p_value, threshold, sentence, stored_at)
    SELECT concat('inc-', toString(number)), 1, 'burst', 'burst', concat('acct-', toString(number)),
        'org-1', if(number < 3, 'open', 'resolved'), if(number % 2 = 0, 'high', 'medium'),
        now64(3) - toIntervalMinute(number + 1), now64(3), 2, 'requests', 300, 900, 30, 1e-5, 118,
        'acct sent 900 requests in 5 minutes', now64(3)
    FROM numbers(6)""",
    """INSERT INTO findings (finding_id, detector, kind, account_id, org_id, metric, window_start,
        window_end, window_s, observed, expected, p_value, threshold, held, severity, sentence, sql,
        incident_id, stored_at)
    SELECT concat('f-', toString(number)), if(number < 4, 'burst', 'use_case'), 'burst',
        concat('acct-', toString(number)), 'org-1', 'requests',
        now64(3) - toIntervalMinute(number + 6), now64(3) - toIntervalMinute(number + 1), 300, 900,
        30, 1e-5, 118, if(number > 2, 'budget', ''), if(number > 2, '', 'high'), 'a sentence',
        'SELECT 1', concat('inc-', toString(number)), now64(3)
    FROM numbers(8)""",
    """INSERT INTO alerts (alert_id, incident_id, account_id, org_id, kind, detector, metric,
        started_at, detected_at, severity, p_value, sentence, stored_at)
    SELECT concat('inc-', toString(number)), concat('inc-', toString(number)), 'acct-1', 'org-1',
        'burst', 'burst', 'requests', now64(3) - toIntervalMinute(6), now64(3) -
        toIntervalMinute(1), 'high', 1e-5, 'a sentence', now64(3)
    FROM numbers(4)""",
    """INSERT INTO review_log SELECT concat('inc-', toString(number)), now64(3),
        if(number = 5, 'false', 'true'), 'ann', '' FROM numbers(4, 2)""",
    """INSERT INTO incident_actions VALUES ('inc-0', now64(3), 'acknowledged', 'ann', '', ''),
        ('inc-1', now64(3), 'resolved', 'ann', '', '')""",
    """INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, next_offset, watermark,
        messages, events, stored, duplicates, dead, late, too_late, broker_time, stored_at, worker)
    SELECT 's', number % 4, number, number + 1, now64(3) - toIntervalSecond(number * 10), 5, 1000,
        990, 5, 5, 3, 1, now64(3) - toIntervalSecond(number * 10 + 1),
        now64(3) - toIntervalSecond(number * 10), 'w-1'
    FROM numbers(200)""",
    """INSERT INTO dead_letters (letter_id, stream_id, topic, kafka_partition, kafka_offset, line,
        reason, sentence, bytes, broker_time, arrived_at)
    SELECT toString(number), 's', 'usage.events', 1, number, 0, 'not_json', 'no JSON', 'x',
        now64(3), now64(3) - toIntervalMinute(number) FROM numbers(5)""",
    """INSERT INTO pipeline_gaps VALUES ('g', 's', 2, 10, 20, now64(3) - toIntervalMinute(30),
        now64(3) - toIntervalMinute(20), 'lost', 'ten messages were gone')""",
    """INSERT INTO account_state (kafka_partition, generation, tick, account_id, requests_1m)
    VALUES (0, 1, now64(3), 'acct-1', 7)""",
    """INSERT INTO cluster_log (cluster_id, version, state, since, found_at, last_seen_at, members,
        joined, kinds, object_kinds, object_values, object_accounts, p_value, severity, sentence,
        incident_id)
    VALUES ('c-1', 1, 'open', now64(3) - toIntervalHour(2), now64(3), now64(3), 3, 1, ['template'],
        ['template', 'network'], ['abc', 'net-1'], [3, 2], 1e-9, 'high', '3 accounts', 'inc-c')""",
    """INSERT INTO cluster_member_log (cluster_id, account_id, joined_at, version, moments, score,
        top_partner)
    SELECT 'c-1', concat('acct-', toString(number)), now64(3) - toIntervalMinute(5), 1, 9, 20,
        'acct-0' FROM numbers(3)""",
    """INSERT INTO cluster_tie_log (cluster_id, account_a, account_b, version, score, coincidences,
        first_at, last_at) VALUES ('c-1', 'acct-0', 'acct-1', 1, 3.5, 9, now64(3), now64(3))""",
    """INSERT INTO cluster_changes (cluster_id, at, what, account_id, reason)
    VALUES ('c-1', now64(3) - toIntervalMinute(5), 'joined', 'acct-1', 'acts with acct-0')""",
    """INSERT INTO notification_log (notification_id, version, incident_id, event, channel, state,
        made_at, sent_at, next_at)
    VALUES ('n1', 1, 'inc-0', 'opened', 'pager', 'sent', now64(3), now64(3), now64(3)),
        ('n2', 1, 'inc-1', 'opened', 'mail', 'failed', now64(3), NULL, now64(3))""",
)


def board_store(directory: Path, events: int = 20_000) -> ChdbStore:
    """Events of the last minutes and of the same time on the days before, and all that follows."""
    store = ChdbStore(directory)
    migrate(store)
    start = time.time_ns() // 1_000_000 - 10 * MINUTE
    store.insert("events", event_rows(events, seed=3, accounts=40, start=start))
    fill(store)
    return store


def fill(store: ChdbStore) -> None:
    """Rows in every table, and the events there are on the seven days before as well."""
    for statement in _FILL:
        store.command(statement)
