"""A replay that starts before everything known opens a timeline of its own, crash or no crash."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from streams.errors import StoreError
from streams.ingest.partition import Partition
from streams.ingest.recovery import register_stream
from streams.ingest.times import TimeRules
from streams.storage.chdb_store import ChdbStore
from tests.support.bursts import END, START, burst_stream, heartbeat
from tests.support.folding import encoded
from tests.support.partitions import context, feed
from tests.support.states import fold_state
from tests.support.stores import emptied, fresh_store

FIRST = [*burst_stream([f"acct-{n}" for n in range(4)], seed=1, label="first"), heartbeat(END)]
SECOND = [
    *burst_stream([f"acct-{n}" for n in (2, 3, 0, 1)], seed=2, label="second"),
    heartbeat(END),
]
#: The first line to arrive is not the earliest: what it says of time holds for all that follow.
DISORDERED = encoded(
    [
        {"event_id": f"d{n}", "ts": START + 100_000 + ms, "account_id": "acct-1"}
        for n, ms in enumerate((500, -1000, -3000, 200, 4000, -2000, 60_000, 30_000))
    ]
)


class Dying(ChdbStore):
    """Stands before a real store; dies just after the n-th write of a table."""

    def __init__(self, store: ChdbStore, table: str, after: int) -> None:
        self.store, self.table, self.after = store, table, after

    def query(self, sql: str, parameters: Any = None) -> pa.Table:
        return self.store.query(sql, parameters)

    def stream(self, sql: str, parameters: Any = None) -> Iterator[pa.RecordBatch]:
        return self.store.stream(sql, parameters)

    def command(self, sql: str, parameters: Any = None) -> None:
        self.store.command(sql, parameters)

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        self.store.insert(table, rows, token)
        self.after -= table == self.table
        if self.after == 0:
            raise StoreError("killed")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with fresh_store(tmp_path_factory.mktemp("replays")) as store:
        yield store


def send(part: Partition, lines: list[bytes], *, start: int = 0, step: int = 400) -> None:
    for first in range(start, len(lines), step):
        feed(part, lines[first : first + step], first)


def alerts(store: ChdbStore) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.query(
        "SELECT account_id, metric, detected_at, observed, threshold, sentence FROM alerts "
        "ORDER BY ALL"
    ).to_pylist()
    return rows


@dataclass(frozen=True)
class Result:
    """What a trace brings forth."""

    alerts: list[dict[str, Any]]
    state: dict[str, bytes]
    too_late: int


@pytest.fixture(scope="module")
def alone(opened: ChdbStore) -> Result:
    """What the second trace brings forth in an empty store."""
    part = Partition(context(emptied(opened), "alone"), 0)
    send(part, SECOND)
    found = alerts(opened)
    assert [row["account_id"] for row in found] == ["acct-2", "acct-3"]
    return Result(found, without_ids(fold_state(part.fold)), too_late(opened, "alone"))


def without_ids(state: dict[str, bytes]) -> dict[str, bytes]:
    """A timeline has identities of its own, so that its incidents are not another one's."""
    incidents = re.sub(rb'"incident_id":"[0-9a-f]{16}"', b"", state["incidents"])
    assert incidents != state["incidents"]
    return state | {"incidents": incidents}


def too_late(store: ChdbStore, stream_id: str) -> int:
    sql = "SELECT count() AS n FROM events WHERE stream_id = {stream} AND late = 2"
    return int(store.query(sql, {"stream": stream_id}).to_pylist()[0]["n"])


def after_first(store: ChdbStore, lines: list[bytes]) -> list[dict[str, Any]]:
    part = Partition(context(emptied(store), "stream-1"), 0)
    send(part, lines)
    part.maybe_snapshot(at_once=True)
    time.sleep(0.002)  # streams are told apart by the millisecond of their registration
    return alerts(store)


def test_another_trace_of_the_same_hours_is_scored_from_a_fresh_state(
    opened: ChdbStore, alone: Result
) -> None:
    known = after_first(opened, FIRST)
    assert [row["account_id"] for row in known] == ["acct-0", "acct-1"]
    part = Partition(context(opened, "stream-2"), 0)
    assert len(part.fold.accounts) == 4
    send(part, SECOND)
    new = [row for row in alerts(opened) if row not in known]
    assert new == alone.alerts
    assert without_ids(fold_state(part.fold)) == alone.state
    assert too_late(opened, "stream-2") == alone.too_late


@pytest.mark.parametrize("snapshot", [False, True])
def test_the_new_timeline_is_what_is_rebuilt(
    opened: ChdbStore, alone: Result, snapshot: bool
) -> None:
    known = after_first(opened, FIRST[-500:])
    half = 800
    part = Partition(context(opened, "stream-2"), 0)
    send(part, SECOND[:half])
    if snapshot:
        part.maybe_snapshot(at_once=True)
    again = Partition(context(opened, "stream-2"), 0)
    assert fold_state(again.fold) == fold_state(part.fold)
    assert (again.marker, again.watermark.value) == (half, part.watermark.value)
    send(again, SECOND, start=half)
    assert [row for row in alerts(opened) if row not in known] == alone.alerts
    assert without_ids(fold_state(again.fold)) == alone.state
    rebuilt = Partition(context(opened, "stream-2"), 0)
    assert without_ids(fold_state(rebuilt.fold)) == alone.state


@pytest.mark.parametrize("table", ["fold_snapshots", "events"])
def test_a_death_while_the_timeline_is_opened_changes_nothing(
    opened: ChdbStore, table: str
) -> None:
    ticks = "SELECT event_id, tick, late FROM events WHERE stream_id = 'stream-2' ORDER BY ALL"
    after_first(opened, FIRST[-100:])
    undisturbed = Partition(context(opened, "stream-2"), 0)
    send(undisturbed, DISORDERED)
    wanted = opened.query(ticks)
    assert 1 in wanted["late"].to_pylist()

    after_first(opened, FIRST[-100:])
    with pytest.raises(StoreError, match="killed"):
        send(Partition(context(Dying(opened, table, 1), "stream-2"), 0), DISORDERED)
    again = Partition(context(opened, "stream-2"), 0)
    assert again.fresh
    send(again, DISORDERED)
    assert opened.query(ticks) == wanted
    assert fold_state(again.fold) == fold_state(undisturbed.fold)


def test_a_replay_that_goes_on_where_another_ended_keeps_the_state(opened: ChdbStore) -> None:
    emptied(opened)
    part = Partition(context(opened, "stream-1"), 0)
    send(part, FIRST[:1000])
    time.sleep(0.002)
    second = Partition(context(opened, "stream-2"), 0)
    send(second, FIRST)  # an embedded broker starts from nothing: all of it comes again
    rows = alerts(opened)
    assert [row["account_id"] for row in rows] == ["acct-0", "acct-1"]
    assert second.since == 0
    whole = Partition(context(emptied(opened), "stream-1"), 0)
    send(whole, FIRST)
    assert alerts(opened) == rows


def test_a_live_worker_never_turns_time_back(opened: ChdbStore) -> None:
    after_first(opened, FIRST[-100:])
    live = TimeRules(replay=False, max_ahead_ms=10**15, retention_ms=10**15)
    part = Partition(context(opened, "stream-2", times=live), 0)
    closed = part.fold.closed
    counts = feed(part, SECOND[:10], 0)
    assert (counts.stored, counts.too_late) == (10, 10)
    assert part.fold.closed == closed


def test_a_stream_is_registered_once(opened: ChdbStore) -> None:
    emptied(opened)
    first = register_stream(opened, "it's \\ one", "usage.events")
    time.sleep(0.003)
    assert register_stream(opened, "it's \\ one", "usage.events") == first
    assert register_stream(opened, "another", "usage.events") > first
