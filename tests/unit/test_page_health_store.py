"""What the page `/health` reads from the store: letters, gaps, messages, other workers, lanes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.unit.health_cases import MINUTE, heading, healthy, listed, page, part, plain
from tests.unit.test_page_server import SCRIPT, Worker

#: A minute's batch of each of four partitions for 23 hours, to the last second.
_BATCHES = """INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, next_offset,
    watermark, messages, events, stored, late, too_late, dead, broker_time, stored_at, worker)
SELECT 's', number % 4, number, number + 1, stored_at - toIntervalSecond(2), 1, 50, 50, 0, 0, 0,
    stored_at - toIntervalSecond(1), fromUnixTimestamp64Milli({now}, 'UTC') -
        toIntervalMillisecond(intDiv(number, 4) * 60000) AS stored_at, 'w-1'
FROM numbers(5520)"""


class Stored(Worker):
    """A worker with partitions 0 to 3 beside a store of its own."""

    def __init__(self, store: ChdbStore) -> None:
        super().__init__()
        self.store = store
        self.at = int(store.query("SELECT toUnixTimestamp64Milli(now64(3)) AS at")["at"][0].as_py())
        self.change()

    def change(self, **changes: Any) -> None:
        """Its status, by the store's clock."""
        parts = [part(number, watermark=self.at - 2_000) for number in range(4)]
        times = {"now": self.at, "started": self.at - 60 * MINUTE, "watermark": self.at - 2_000}
        told = {**times, "last_batch": self.at - 400, "partitions": parts, "coordination": {}}
        self.now = healthy(**(told | changes))

    def put(self, sql: str) -> None:
        """Rows, with the worker's time for {now}."""
        self.store.command(sql, {"now": self.at})

    async def query(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.store.query(sql, dict(parameters) or None).to_pylist()
        return rows


@pytest.fixture(scope="module")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    made = ChdbStore(tmp_path_factory.mktemp("health"))
    migrate(made)
    yield made
    made.close()


@pytest.fixture
def state(_store: ChdbStore) -> Stored:
    for table in (
        *("ingest_log", "dead_letters", "pipeline_gaps", "notification_log", "suppression_log"),
        *("fold_snapshots", "incident_log"),
    ):
        _store.command(f"TRUNCATE TABLE {table}")
    made = Stored(_store)
    made.put(_BATCHES)
    return made


def lanes(text: str) -> dict[str, str]:
    """What is said of each lane."""
    told = re.findall(r'class="cells" role="img" aria-label="(Partition (\d+)[^"]*)"', text)
    return {number: html.unescape(words) for words, number in told}


def test_a_day_without_trouble_is_well_and_drawn(state: Stored) -> None:
    text = page(state)
    assert heading(text) == "All is well."
    checks = listed(text)
    assert "Every line of the last 10 minutes was understood." in checks["Dead letters"][1]
    assert "events in the last hour came late." in checks["Late events"][1]
    assert "No message was due in the last 24 hours." in checks["Notifications"][1]
    assert "4 of 4 partitions have no snapshot yet" in checks["Memory"][1]
    assert list(lanes(text)) == ["0", "1", "2", "3"]
    assert re.search(r"of 72 spans of 20 minutes, (69|70) stored in time, [23] nothing", text)
    running = re.findall(r'<i class="(\w+)"></i></div></li>', text)
    assert running == ["seen"] * 4, "the cell that has just begun is fresh"
    runs = plain(text[text.index('id="runs"') :])
    assert re.search(r"ClickHouse \d+\.\d+", runs)


def test_letters_are_told_by_reason_against_the_rules_share(state: Stored) -> None:
    state.put("""INSERT INTO dead_letters (letter_id, stream_id, kafka_offset, reason, sentence,
        arrived_at) SELECT toString(number), 's', number, if(number < 9, 'not_json', '<b>odd'), '',
        fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(2) FROM numbers(12)""")
    state.put("""INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, dead, stored_at,
        watermark, broker_time) SELECT 's', 0, 999999, 60, at, at, at
        FROM (SELECT fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(2) AS at)""")
    text = page(state)
    word, said = listed(text)["Dead letters"]
    assert word == "off"
    assert re.search(r"2\.\d % of all lines of the last 10 minutes could not be understood", said)
    assert "9 “not_json”, 3 “<b>odd”." in said
    assert "<b>odd" not in text
    assert 'href="/runbook#dead-letters"' in text


def test_blind_spans_are_counted_hatched_and_named_with_their_partition(state: Stored) -> None:
    state.put("""INSERT INTO pipeline_gaps SELECT toString(number), 's', number + 1, 10, 20,
        fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(300 + 90 * number),
        fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(290 + 30 * number), 'lost', 'gone'
        FROM numbers(2)""")
    text = page(state)
    word, said = listed(text)["Blind spans"]
    assert word == "watch"
    assert "Two spans were not seen in the last 24 hours, the longest 70 min on partition 2" in said
    assert heading(text) == "Nothing is off; to watch: blind spans."
    told = lanes(text)
    assert " blind; blind " in told["1"]
    assert "blind" not in told["0"]
    drawn = re.findall(r"<li><span class=\"lane\"[^>]*>(\d)</span>(.*?)</li>", text)
    hatched = {number: cells.count('<i class="blind">') for number, cells in drawn}
    assert hatched["0"] == hatched["3"] == 0
    assert hatched["1"] in (1, 2)
    assert hatched["2"] in (4, 5)
    rows = text[text.index('id="partitions"') :]
    assert [row.split()[-2:] for row in map(plain, re.findall(r"<tr>(.*?)</tr>", rows)[2:4])] == [
        ["10", "min"],
        ["70", "min"],
    ]
    state.put("""INSERT INTO pipeline_gaps VALUES ('new', 's', 3, 10, 20,
        fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(30),
        fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(20), 'lost', 'gone')""")
    assert listed(page(state))["Blind spans"][0] == "off"


def test_blind_spans_that_overlap_count_once(state: Stored) -> None:
    state.put("""INSERT INTO pipeline_gaps SELECT toString(number), 's', 0, number, 20,
        fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(300 - 5 * number),
        fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(290 - 5 * number), 'lost', 'gone'
        FROM numbers(2)""")
    rows = page(state).partition('id="partitions"')[2]
    assert plain(re.findall(r"<tr>(.*?)</tr>", rows)[1]).endswith(" 15 min")


def test_a_dead_channel_is_off_and_one_that_waits_is_watched(state: Stored) -> None:
    state.put(f"""INSERT INTO notification_log (notification_id, version, channel, state, error,
        made_at, sent_at, next_at)
        SELECT toString(number), 1, ['pager', '{SCRIPT}', 'mail', 'mail'][number + 1],
        ['failed', 'due', 'sent', 'silenced'][number + 1], if(number < 2, 'refused: 410', ''),
        fromUnixTimestamp64Milli({{now}}, 'UTC') - toIntervalMinute(3), now64(3), now64(3)
        FROM numbers(4)""")
    state.put("""INSERT INTO suppression_log SELECT toString(number), 1, [], [], [], '', '', '',
        now64(3), fromUnixTimestamp64Milli({now}, 'UTC') + toIntervalHour(number - 1),
        if(number = 3, now64(3), NULL), '' FROM numbers(4)""")
    text = page(state)
    checks = listed(text)
    assert heading(text) == "Channel pager did not take 1 message in the last hour: refused: 410."
    assert checks["Channel pager"][0] == "off"
    assert checks[f"Channel {SCRIPT}"][0] == "watch"
    assert "1 message waits; it last said: refused: 410." in checks[f"Channel {SCRIPT}"][1]
    assert SCRIPT not in text
    told = "1 sent, 1 waiting, 1 given up, 1 silenced in 24 hours over three channels; 1 silence is"
    assert told in checks["Notifications"][1]
    assert 'href="/runbook#channel"' in text


def test_a_shift_with_more_pages_than_allowed_is_watched_then_off(state: Stored) -> None:
    state.put("""INSERT INTO incident_log (incident_id, version, kind, started_at, last_seen_at)
        SELECT toString(number), 1, 'burst', fromUnixTimestamp64Milli({now} - 2000, 'UTC'),
        fromUnixTimestamp64Milli({now} - 2000, 'UTC') FROM numbers(6)""")
    for pages, word in ((7.0, "well"), (6.0, "watch"), (3.0, "off")):
        policy = {"version": "p1", "problem": "", "budget": {"pages": pages, "hours": 8.0}}
        state.change(policy=policy)
        found, said = listed(page(state))["Pages this shift"]
        assert (found, f"6 pages; the policy allows {pages:g} in 8 hours." in said) == (word, True)


def test_partitions_of_other_workers_are_told_from_the_store(state: Stored) -> None:
    state.change(partitions=[part(n, watermark=state.at - 2_000) for n in range(2)])
    state.put(f"""INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, next_offset,
        watermark, broker_time, stored_at, worker)
        SELECT 's', 5, 1, 7, at, at, at, '{SCRIPT}'
        FROM (SELECT fromUnixTimestamp64Milli({{now}}, 'UTC') - toIntervalMinute(12) AS at)""")
    text = page(state)
    assert heading(text) == f"Partition 5 is scored 12 min late; {SCRIPT} had it last."
    assert SCRIPT not in text
    rows = [plain(row) for row in re.findall(r"<tr>(.*?)</tr>", text[text.index("<table>") :])]
    assert [row.split()[:4] for row in rows[1:]] == [
        *(["0", "well", "this", "one"], ["1", "well", "this", "one"]),
        *(["2", "well", "w-1", "–"], ["3", "well", "w-1", "–"]),
        ["5", "off", SCRIPT, "–"],
    ]


def test_a_worker_that_reads_nothing_tells_that_others_are_late_in_one_line(state: Stored) -> None:
    state.put("TRUNCATE TABLE ingest_log")
    state.put("""INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, watermark,
        broker_time, stored_at) SELECT 's', number, 1, at, at, at FROM (SELECT number,
        fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(5 + number) AS at
        FROM numbers(5))""")
    state.change(partitions=[])
    late = "5 partitions that this worker does not read are scored late, partition 4 by 9 min."
    text = page(state)
    assert heading(text) == late
    assert text.count("<bdi>another</bdi>") == 5
    state.change(partitions=[part(n, watermark=state.at - 2_000) for n in range(4)])
    assert heading(page(state)) == "Partition 4 is scored 9 min late; this worker does not read it."


def test_of_its_own_partitions_a_worker_knows_better_than_the_store(state: Stored) -> None:
    state.put("TRUNCATE TABLE ingest_log")
    state.put("""INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, watermark,
        broker_time, stored_at, worker) SELECT 's', number, 1, at, at, at, 'w-1'
        FROM (SELECT number, fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(12) AS at
        FROM numbers(4))""")
    text = page(state)
    assert heading(text) == "All is well."
    assert "No event has arrived in the last hour." in listed(text)["Late events"][1]
    assert len(re.findall(r"<tr>", text[text.index('id="partitions"') :])) == 5


def test_partitions_of_an_earlier_stream_are_not_called_late(state: Stored) -> None:
    state.put("""INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, watermark,
        broker_time, stored_at, worker) SELECT 'older', 9, 1, at, at, at, 'w-0'
        FROM (SELECT fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalHour(5) AS at)""")
    assert heading(page(state)) == "All is well."


def test_late_batches_are_marked_by_the_boards_thresholds_and_snapshots_are_told(
    state: Stored,
) -> None:
    state.put("""INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, watermark,
        broker_time, stored_at, worker)
        SELECT 's', number, 900000 + number, at, at - toIntervalSecond([4, 6, 31][number + 1]), at,
        'w-1' FROM (SELECT number, fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalHour(5) AS at
        FROM numbers(3))""")
    state.put("""INSERT INTO fold_snapshots (kafka_partition, generation, tick, taken_at)
        SELECT number, 1, at, at FROM (SELECT number, fromUnixTimestamp64Milli({now}, 'UTC')
        - toIntervalMinute(number * 5) AS at FROM numbers(4))""")
    text = page(state)
    told = lanes(text)
    assert "late or more" not in told["0"]
    assert "1 5 s late or more" in told["1"]
    assert "1 30 s late or more" in told["2"]
    assert "the oldest snapshot is 15 min old" in listed(text)["Memory"][1]


def test_an_empty_store_says_what_would_stand_here(state: Stored) -> None:
    state.put("TRUNCATE TABLE ingest_log")
    state.change(partitions=[], stored=0, accounts=0, watermark=None, delay_ms=None)
    text = page(state)
    assert "What would stand here: a line a partition." in text
    assert "the store knows of none in the last 24 hours" in text
    assert heading(text) == "Waiting for the first events."
