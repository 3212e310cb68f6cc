"""What stands beside the events in the panels' benchmark: findings, incidents, groups, the log.

As many rows as two weeks of a busy deployment leave: a batch every four seconds in each of four
partitions, twenty pages a shift and many more incidents that paged nobody, findings held back,
groups with their members and ties. `{end}` is the end of the stored time (epoch ms).
"""

from __future__ import annotations

from typing import Final

__all__ = ["ROWS"]

_AT: Final = "fromUnixTimestamp64Milli(toInt64({end} - %s), 'UTC')"
_SPAN: Final = "{days} * 86400000"
#: An incident's age in ms; the first sixty are the newest and stay open.
_AGE: Final = f"if(number < 60, 60000 * (1 + number * 7), cityHash64(number) % ({_SPAN}))"
_WHO: Final = "concat('acct-', lower(hex(toUInt32(1 + cityHash64(number, 2) % {accounts}))))"
_SENTENCE: Final = f"concat({_WHO}, ' sent 1,240 requests in 5 minutes; its highest so far was 96')"

#: Table and INSERT; `{day}` and `{partition}` stand for one of several.
ROWS: Final[tuple[tuple[str, str], ...]] = (
    (
        "incident_log",
        f"""INSERT INTO incident_log (incident_id, version, kind, detector, account_id, org_id,
        state, severity, started_at, last_seen_at, resolved_at, findings, metric, window_s,
        peak_observed, expected, p_value, threshold, sentence, policy_version, kafka_partition,
        stored_at)
    WITH arrayJoin([1, 2, 3]) AS step, {_AGE} AS age
    SELECT concat('inc-', toString(number)), step, ['burst', 'content', 'quota', 'shape'][1 +
        number % 4] AS kind, kind, {_WHO}, 'org-1', multiIf(step = 1, 'open', step = 2 OR
        number < 60, 'ongoing', 'resolved') AS state,
        ['high', 'medium', 'low', 'low'][1 + number % 4],
        {_AT % "age"}, {_AT % "greatest(age - 1800000, 60000)"},
        if(state = 'resolved', {_AT % "greatest(age - 2400000, 60000)"}, NULL), 2 + step,
        'requests', 300, 1240, 31, 1e-5, 118, {_SENTENCE}, 'p1', number % 4, {_AT % "age"}
    FROM numbers(20000)""",
    ),
    (
        "findings",
        f"""INSERT INTO findings (finding_id, detector, kind, account_id, org_id, metric,
        window_start, window_end, window_s, observed, expected, p_value, threshold, drivers, parts,
        severity, held, sentence, sql, policy_version, incident_id, kafka_partition, stored_at)
    WITH {_SPAN.replace("{days}", "least({days}, 27)")} AS all, cityHash64(number, 5) % all AS age
    SELECT concat('f-', toString(number)), ['burst', 'content', 'quota', 'use_case'][1 +
        number % 4] AS detector, detector, {_WHO}, 'org-1', 'requests', {_AT % "(age + 300000)"},
        {_AT % "age"}, 300, 1240, 31, (1 + number % 99) / 1e7, 118, map('record', 96, 'evidence',
        6.5), map('burst', 1e-5, 'content', 0.01), if(number % 10 = 0, 'high', ''),
        if(number % 10 = 0, '', ['budget', 'false discoveries', 'allow-list'][1 + number % 3]),
        {_SENTENCE}, 'SELECT count() AS observed FROM events FINAL WHERE account_id = 1', 'p1',
        if(number % 10 = 0, concat('inc-', toString(intDiv(number, 10))), ''), number % 4,
        {_AT % "age"}
    FROM numbers(200000)""",
    ),
    (
        "alerts",
        f"""INSERT INTO alerts (alert_id, incident_id, account_id, org_id, kind, detector, metric,
        started_at, detected_at, severity, observed, expected, p_value, threshold, window_s,
        sentence, sql, policy_version, kafka_partition, stored_at)
    WITH {_AGE} AS age
    SELECT concat('a-', toString(number)), concat('inc-', toString(number)), {_WHO}, 'org-1',
        ['burst', 'content', 'quota', 'shape'][1 + number % 4] AS kind, kind, 'requests',
        {_AT % "(age + 20000 + number % 90000)"}, {_AT % "age"}, 'high', 1240, 31, 1e-5, 118, 300,
        {_SENTENCE}, 'SELECT 1', 'p1', number % 4, {_AT % "age"}
    FROM numbers(20000)""",
    ),
    (
        "review_log",
        f"""INSERT INTO review_log SELECT concat('inc-', toString(60 + number * 5)),
        {_AT % "60000"}, ['true', 'true', 'false', 'unsure'][1 + number % 4], 'ann', ''
    FROM numbers(3000)""",
    ),
    (
        "incident_actions",
        f"""INSERT INTO incident_actions SELECT concat('inc-', toString(number * 3)),
        {_AT % "60000"}, ['acknowledged', 'assigned', 'noted'][1 + number % 3], 'ann', 'ann', ''
    FROM numbers(6000)""",
    ),
    (
        "notification_log",
        f"""INSERT INTO notification_log (notification_id, version, incident_id, event, channel,
        state, severity, account_id, kind, title, body, attempts, next_at, made_at, sent_at)
    WITH arrayJoin([1, 2, 3]) AS step, {_AGE} AS age
    SELECT concat('n-', toString(number)), step, concat('inc-', toString(number)), 'opened',
        ['pager', 'mail', 'chat'][1 + number % 3], ['due', 'sending', if(number % 500 = 0, 'failed',
        'sent')][step], 'high', {_WHO}, 'burst', {_SENTENCE}, {_SENTENCE}, step, {_AT % "age"},
        {_AT % "age"}, {_AT % "(age - 700)"}
    FROM numbers(20000)""",
    ),
    (
        "ingest_log",
        """INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, next_offset, watermark,
        messages, events, stored, duplicates, dead, late, too_late, broker_time, stored_at, worker)
    WITH toInt64({day}) + intDiv(number, 4) * 4000 AS at
    SELECT 'bench', number % 4, intDiv(at, 10), intDiv(at, 10) + 400, fromUnixTimestamp64Milli(
        at - 6000, 'UTC'), 1, 20 + number % 40, 20 + number % 40, number % 50 = 0,
        number % 9000 = 0, number % 30 = 0, 0, fromUnixTimestamp64Milli(at - 300 - number % 900,
        'UTC'), fromUnixTimestamp64Milli(at, 'UTC'), 'w-1'
    FROM numbers(toUInt64(({until} - {day}) / 4000) * 4)""",
    ),
    (
        "dead_letters",
        """INSERT INTO dead_letters (letter_id, stream_id, topic, kafka_partition, kafka_offset,
        line, reason, sentence, bytes, broker_time, arrived_at)
    WITH fromUnixTimestamp64Milli(toInt64({day} + cityHash64(number) % ({until} - {day})), 'UTC')
        AS at
    SELECT concat(toString({day}), '-', toString(number)), 'bench', 'usage.events', number % 4,
        {day} + number, 0, ['not_json', 'no_account', 'too_large'][1 + number % 3], 'no JSON', '{',
        at, at
    FROM numbers(400)""",
    ),
    (
        "pipeline_gaps",
        f"""INSERT INTO pipeline_gaps SELECT toString(number), 'bench', number % 4, number,
        number + 9, {_AT % f"(number * {_SPAN} / 20 + 600000)"}, {_AT % f"(number * {_SPAN} / 20)"},
        'lost', 'nine messages were gone' FROM numbers(20)""",
    ),
    (
        "account_state",
        f"""INSERT INTO account_state (kafka_partition, generation, tick, account_id, org_id,
        last_seen, requests_1m, requests_5m, requests_1h, requests_24h, prompt_tokens_24h,
        completion_tokens_24h, state)
    SELECT {{partition}}, 1, {_AT % "600000"}, concat('acct-', lower(hex(toUInt32(number)))),
        'org-1', {_AT % "600000"}, 3, 12, 130, 2000, 900000, 400000, randomString(600)
    FROM numbers(1, {{accounts}}) WHERE number % 4 = {{partition}}""",
    ),
    (
        "cluster_log",
        f"""INSERT INTO cluster_log (cluster_id, version, timeline, state, since, found_at,
        last_seen_at, members, joined, ties, coincidences, kinds, independent, object_kinds,
        object_values, object_accounts, within_s, score, p_value, chance_log10, severity, held,
        sentence, sql, incident_id, policy_version, stored_at)
    WITH arrayJoin([1, 2, 3, 4]) AS step, cityHash64(number) % ({_SPAN}) * (number > 20) AS age
    SELECT concat('c-', toString(number)), step, {_AT % _SPAN}, if(number % 7 = 0, 'watched',
        'open'), {_AT % "(age + 7200000)"}, {_AT % "(age + 3600000)"}, {_AT % "age"},
        if(number = 0, 500, 30), 6, 276, 1800, ['template', 'signup'], 3, ['template', 'network'],
        ['5be1c0de5be1c0de', 'AS77'], [24, 21], 10, 2.5, 2.5e-7, -6.6, if(number % 7 = 0, '',
        'high'), if(number % 7 = 0, 'timing', ''), '30 accounts sent the same 2 templates within 10
        seconds of each other', 'SELECT 1 AS observed', concat('inc-c-', toString(number)), 'p1',
        {_AT % "age"}
    FROM numbers(300)""",
    ),
    (
        "cluster_member_log",
        f"""INSERT INTO cluster_member_log (cluster_id, account_id, org_id, joined_at, version,
        join_reason, score, moments, top_partner, top_tie, stored_at)
    WITH if(number < 500, 0, 1 + intDiv(number - 500, 30)) AS cluster
    SELECT concat('c-', toString(cluster)), concat('acct-', lower(hex(toUInt32(
        5 + number * 13 % {{accounts}})))), 'org-1', {_AT % "7000000"}, 1,
        'acts with acct-5', 20 - number % 20, 9, 'acct-5', 2.5, {_AT % "60000"}
    FROM numbers(9500)""",
    ),
    (
        "cluster_tie_log",
        f"""INSERT INTO cluster_tie_log (cluster_id, account_a, account_b, version, score,
        coincidences, lag_s, first_at, last_at, stored_at)
    WITH intDiv(number, 8) AS member, if(member < 500, 0, 1 + intDiv(member - 500, 30)) AS cluster,
        member + 1 + number % 8 AS other
    SELECT concat('c-', toString(cluster)), concat('acct-', lower(hex(toUInt32(
        5 + member * 13 % {{accounts}})))), concat('acct-', lower(hex(toUInt32(
        5 + other * 13 % {{accounts}})))), 1, 1 + number % 9, 9, 0, {_AT % "7000000"},
        {_AT % "60000"}, {_AT % "60000"}
    FROM numbers(76000)""",
    ),
    (
        "cluster_changes",
        f"""INSERT INTO cluster_changes (cluster_id, at, what, account_id, reason, stored_at)
    WITH if(number < 500, 0, 1 + intDiv(number - 500, 30)) AS cluster
    SELECT concat('c-', toString(cluster)), {_AT % "(60000 + number * 7919 % 7000000)"},
        if(number % 30 = 0, 'founded', 'joined'), concat('acct-', lower(hex(toUInt32(
        5 + number * 13 % {{accounts}})))), 'acts with acct-5', {_AT % "60000"}
    FROM numbers(9500)""",
    ),
)
