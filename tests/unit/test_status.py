"""What a worker says of itself: rates, lag and quantiles by its own clock, the hottest accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.events.columns import EVENT_SCHEMA
from streams.ingest.batch import Batch, Counts
from streams.ingest.partition import Partition
from streams.memory import memory
from streams.policy.model import Budget
from streams.status import Status
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.bursts import HOUR, START, heartbeat, quiet
from tests.support.folding import encoded
from tests.support.partitions import context, feed

NOW = 1_800_000_000_000
NAMES = [f"acct-{n:02d}" for n in range(20)]


class Clock:
    """Wall time that the test moves."""

    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def status(clock: Clock) -> Status:
    return Status("worker", clock)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Partition]:
    """Twenty quiet accounts; in the end some are hot, some were hot, and one is bursting."""
    directory: Path = tmp_path_factory.mktemp("status")
    store = ChdbStore(directory)
    try:
        migrate(store)
        partition = Partition(context(store), 0)
        events = quiet(NAMES)
        end = START + int(2.5 * HOUR)
        for number, name in enumerate(NAMES):
            was_hot = number >= 8
            count, ts = (90 + number, end - 540_000) if was_hot else (10 + number, end - 60_000)
            events += [event(name, f"h{n}", ts + n) for n in range(count)]
            if was_hot:
                events.append(event(name, "last", end - 285_000))
        events += [event("acct-00", f"b{n}", end - 50_000 + n) for n in range(500)]
        events.sort(key=lambda item: item["ts"])
        feed(partition, [*encoded(events), heartbeat(end + 2000)], 0)
        assert partition.fold.closed == end
        yield partition
    finally:
        store.close()


def event(name: str, event_id: str, ts: int) -> dict[str, Any]:
    return {"event_id": event_id, "ts": ts, "account_id": name, "prompt_tokens": 3}


def stored(status: Status, count: int, *, sent_ms: int, write_ms: float = 5.0, **more: int) -> None:
    empty = np.zeros(0, np.uint64)
    batch = Batch(
        0, 1, EVENT_SCHEMA.empty_table(), empty, empty.astype(np.uint32), empty, [], [], sent_ms
    )
    status.stored(batch, Counts(messages=1, events=count, stored=count, **more), write_ms)


def test_a_new_worker_has_nothing_to_tell_but_tells_it(status: Status) -> None:
    seen = status.snapshot()
    assert json.loads(json.dumps(seen)) == seen
    assert (seen["rate"], seen["stored"], seen["lag"], seen["accounts"]) == (0.0, 0, 0, 0)
    assert (seen["watermark"], seen["delay_ms"], seen["alert_ms"]) == (None, None, None)
    assert seen["store"] == {
        "ok": True,
        "sentence": "",
        "write_ms": 0.0,
        "since": None,
        "retries": 0,
    }
    assert seen["broker"] == {"ok": True, "sentence": "", "since": None}
    assert (seen["last_batch"], seen["rebuilding"]) == (None, [])


def test_the_rate_is_of_the_last_ten_seconds(status: Status, clock: Clock) -> None:
    stored(status, 500, sent_ms=NOW)
    assert status.rate() == 500.0  # of the first second
    for _ in range(20):
        clock.ms += 1000
        stored(status, 300, sent_ms=clock.ms)
    assert status.rate() == pytest.approx(300.0)
    clock.ms += 5000
    assert status.rate() == pytest.approx(150.0)
    clock.ms += 5000
    assert status.rate() == 0.0
    seen = status.snapshot()
    assert seen["stored"] == 500 + 20 * 300
    assert seen["rates"][0] == [NOW, 500]
    assert seen["rates"][-1] == [NOW + 20_000, 300]


def test_what_happens_within_a_second_is_one_point(status: Status, clock: Clock) -> None:
    for _ in range(4):
        stored(status, 10, sent_ms=NOW)
        clock.ms += 200
    assert status.snapshot()["rates"] == [[NOW, 40]]


def test_delays_are_quantiles_of_the_newest_message_of_a_batch(
    status: Status, clock: Clock
) -> None:
    for delay in range(1, 101):
        stored(status, 1, sent_ms=NOW - delay, write_ms=delay, alerts=delay % 2)
    stored(status, 0, sent_ms=NOW - 9999)  # nothing came through: no delay to tell
    seen = status.snapshot()
    assert seen["delay_ms"] == {"p50": 50, "p99": 99}
    assert seen["alert_ms"] == {"p50": 49, "p99": 99}
    assert 70 <= seen["store"]["write_ms"] <= 80
    clock.ms -= 10_000  # a clock that was set back
    stored(status, 1, sent_ms=NOW)
    assert min(seen["delay_ms"].values()) >= 0


def test_counts_add_up(status: Status) -> None:
    for _ in range(3):
        stored(status, 5, sent_ms=NOW, dead=1, duplicates=2, late=3, too_late=4)
    seen = status.snapshot()
    assert [seen[name] for name in ("stored", "dead", "duplicates", "late", "too_late")] == [
        15,
        3,
        6,
        9,
        12,
    ]


def test_lag_counts_messages_not_yet_stored(status: Status, part: Partition) -> None:
    status.partitions = lambda: {0: part}
    status.ends = {0: part.marker + 7, 3: 20}
    assert status.lag() == 27
    seen = status.snapshot()
    assert seen["partitions"] == [
        {
            "partition": 0,
            "lag": 7,
            "watermark": part.watermark.value,
            "next_offset": part.marker,
            "accounts": 20,
            "bytes": part.fold.accounts.state.nbytes,
        }
    ]
    assert seen["watermark"] == part.watermark.value
    status.ends = {0: part.marker - 5}
    assert status.lag() == 0


def test_troubles_are_told_with_their_beginning(status: Status, clock: Clock) -> None:
    status.store_trouble = lambda: "ClickHouse: no; trying again"
    status.store_waits = lambda: (NOW - 7_000, 12)
    status.broker = "Kafka is away"
    clock.ms += 3_000
    status.broker = "Kafka is still away"
    seen = status.snapshot()
    assert (seen["store"]["since"], seen["store"]["retries"]) == (NOW - 7_000, 12)
    expected = {"ok": False, "sentence": "Kafka is still away", "since": NOW}
    assert (seen["store"]["ok"], seen["store"]["sentence"]) == (
        False,
        "ClickHouse: no; trying again",
    )
    assert seen["broker"] == expected
    status.broker = ""
    clock.ms += 3_000
    assert status.snapshot()["broker"] == {"ok": True, "sentence": "", "since": None}
    status.broker = "Kafka is away again"
    assert status.snapshot()["broker"]["since"] == NOW + 6_000


def test_partitions_that_are_not_taken_over_yet_are_told(status: Status, part: Partition) -> None:
    status.partitions = lambda: {0: part}
    status.ends = {0: 10, 3: 20, 1: 5}
    status.rebuilding = lambda: {1: NOW - 4_000}
    assert status.snapshot()["rebuilding"] == [
        {"partition": 1, "since": NOW - 4_000},
        {"partition": 3, "since": None},
    ]


def test_the_last_batch_is_told_by_the_workers_clock(status: Status, clock: Clock) -> None:
    clock.ms += 1_500
    stored(status, 0, sent_ms=NOW)  # of heartbeats only
    clock.ms += 9_000
    assert status.snapshot()["last_batch"] == NOW + 1_500


def test_memory_is_the_process_and_its_containers_limit(status: Status, tmp_path: Path) -> None:
    told = status.snapshot()["memory"]
    assert 1 << 20 < told["rss"] < 1 << 40
    limit = tmp_path / "memory.max"
    limit.write_text("1073741824\n")
    assert memory(container=limit)["limit"] == 1 << 30
    limit.write_text("max\n")
    assert memory(container=limit)["limit"] is None
    assert memory(tmp_path / "none", tmp_path / "none") == {"rss": None, "limit": None}


def test_the_hottest_are_those_of_the_last_five_minutes(status: Status, part: Partition) -> None:
    """Accounts that were hot before, and sent one request since, do not push them aside."""
    status.partitions = lambda: {0: part}
    hottest = status.snapshot()["hottest"]
    assert [row["account_id"] for row in hottest[:8]] == [
        "acct-00",
        *(f"acct-{n:02d}" for n in range(7, 0, -1)),
    ]
    assert len(hottest) == 12
    assert hottest[0]["requests_5m"] == hottest[0]["requests_1m"] == 510
    assert hottest[0]["tokens_5m"] == 1530
    assert [row["requests_5m"] for row in hottest[1:9]] == [17, 16, 15, 14, 13, 12, 11, 1]
    assert all(row["usual_5m"] > 0 for row in hottest)


def test_incidents_carry_what_explains_them(status: Status, part: Partition) -> None:
    status.partitions = lambda: {0: part}
    seen = status.snapshot()
    assert json.loads(json.dumps(seen)) == seen
    opened = [item["account_id"] for item in seen["incidents"] if item["state"] != "resolved"]
    assert "acct-00" in opened
    item = next(item for item in seen["incidents"] if item["account_id"] == "acct-00")
    assert item["observed"] >= item["threshold"] > item["expected"]
    assert item["sentence"].startswith(
        "acct-00 sent 510 requests in 1 minute; its highest in 2 hours"
    )
    states = [item["state"] == "resolved" for item in seen["incidents"]]
    assert states == sorted(states)


def test_an_open_cluster_stands_among_the_incidents_and_its_members_are_parts_of_it(
    status: Status, part: Partition
) -> None:
    status.partitions = lambda: {0: part}
    own = next(one for one in part.fold.incidents.by_account.values() if one.state != "resolved")
    ring = replace(own, incident_id="ring", account_id="", kind="coordinated_accounts")
    status.groups = lambda: [(ring, frozenset({own.account_id, "acct-of-another-worker"}))]
    parts = {item["incident_id"]: item["part_of"] for item in status.snapshot()["incidents"]}
    assert parts["ring"] == ""
    assert parts[own.incident_id] == "ring"
    assert [name for name, whole in parts.items() if whole] == [own.incident_id]
    status.groups = lambda: [(replace(ring, state="resolved"), frozenset({own.account_id}))]
    assert not any(item["part_of"] for item in status.snapshot()["incidents"])
    assert own.severity == "high"
    mild = replace(ring, severity="medium")
    status.groups = lambda: [(mild, frozenset({own.account_id}))]
    parts = {item["incident_id"]: item["part_of"] for item in status.snapshot()["incidents"]}
    assert parts[own.incident_id] == "", "it is worse than the cluster"


def test_a_budget_of_pages_is_told_whole(status: Status, part: Partition) -> None:
    status.partitions = lambda: {0: part}
    assert status.snapshot()["policy"]["budget"] is None  # it counts by account-days
    told = Budget(unit="pages_per_shift", high=1, medium=2.5, cold_high=0.5, cold_medium=1)
    before = part.fold.policy
    part.fold.policy = replace(before, detection=before.detection.changed(budget=told))
    try:
        assert status.snapshot()["policy"]["budget"] == {"pages": 5.0, "hours": 8.0}
    finally:
        part.fold.policy = before


def test_an_account_too_young_has_no_usual(status: Status, part: Partition) -> None:
    other = Partition(part.context, 5)
    feed(other, [*encoded([event("young", "y", START)]), heartbeat(START + 60_000)], 0)
    status.partitions = lambda: {5: other}
    assert status.snapshot()["hottest"] == [
        {
            "account_id": "young",
            "requests_1m": 1,
            "requests_5m": 1,
            "tokens_5m": 3,
            "usual_5m": None,
        }
    ]
