"""A snapshot just where a span ends: what is decided right after it is stored once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.partition import Partition
from streams.storage.chdb_store import ChdbStore
from tests.support.bursts import END, HOUR, START, burst_stream, heartbeat, quiet
from tests.support.folding import encoded
from tests.support.partitions import context, feed, tables
from tests.support.stores import fresh_store

LATENESS = 2000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    with fresh_store(tmp_path / "store") as opened:
        yield opened


def snapshot_at(part: Partition, tick: int, offset: int) -> None:
    feed(part, [heartbeat(tick + LATENESS)], offset)
    assert part.fold.closed == tick
    assert part.maybe_snapshot(at_once=True)


def test_an_incident_that_ends_with_the_snapshot_is_resolved_once(store: ChdbStore) -> None:
    setting = context(store)
    part = Partition(setting, 0)
    lines = burst_stream([f"acct-{n}" for n in range(5)])
    lines = [line for line in lines if json.loads(line)["ts"] < START + 2 * HOUR]
    feed(part, lines, 0)
    end = part.fold.incidents.next_expiry()
    assert end is not None
    assert part.fold.closed < end < END
    snapshot_at(part, end, len(lines))
    assert part.fold.incidents.next_expiry() == end, "still open in the snapshot"
    feed(part, [heartbeat(end + 60_000)], len(lines) + 1)
    resolved = store.query("SELECT toUnixTimestamp64Milli(resolved_at) AS at FROM incident_log")
    assert end in resolved["at"].to_pylist()

    before = tables(store)
    again = Partition(setting, 0)
    assert tables(store) == before
    assert again.fold.incidents.dump() == part.fold.incidents.dump()


def test_what_a_stride_finds_at_the_tick_of_the_snapshot_is_stored_once(store: ChdbStore) -> None:
    setting = context(store)
    part = Partition(setting, 0)
    events: list[dict[str, Any]] = quiet([f"acct-{n}" for n in range(12)], hours=9.1)
    for event in events:
        event["key_id"] = "key-1"
    attack = START + 9 * HOUR
    hopping = [
        {"event_id": f"h{n}", "ts": attack + 10_000 * n, "account_id": "acct-0"}
        | {"key_id": f"key-{n}", "status": 429 if n % 2 else 200}
        for n in range(40)
    ]
    events = sorted([*events, *hopping], key=lambda event: event["ts"])
    feed(part, encoded(events), 0)
    boundary = attack + 600_000
    snapshot_at(part, boundary, len(events))
    feed(part, [heartbeat(boundary + 60_000)], len(events) + 1)
    found = store.query(
        "SELECT detector FROM alerts WHERE account_id = 'acct-0' "
        f"AND detected_at = fromUnixTimestamp64Milli({boundary}, 'UTC')"
    ).to_pylist()
    assert found, "the stride that ends with the snapshot is judged after it"

    before = tables(store)
    Partition(setting, 0)
    assert tables(store) == before
