"""The minutes of small charts: an account's own, or those of a cluster's members."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from dashboards.live.against import against_usual
from dashboards.live.minutes import minutes_of
from dashboards.live.model import Incident, Row
from dashboards.live.rows import LEAST
from streams.storage.chdb_store import ChdbStore
from tests.support.notifying import put_cluster
from tests.support.stores import fresh_store
from tests.unit.test_page_fleet import reader
from tests.unit.test_page_words import worker

MINUTE = 60_000
NOW = 20_000 * 24 * 60 * MINUTE
STARTED = NOW - 10 * MINUTE

#: Four accounts, a request a minute each, ten a minute for the first two in the last ten minutes.
_MINUTES = """
INSERT INTO account_minute_parts (account_id, minute, requests, prompt_tokens, completion_tokens)
SELECT concat('acct-', toString(number % 4)) AS account,
    toDateTime({end} - 60 - intDiv(number, 4) * 60, 'UTC') AS at,
    if(number % 4 < 2 AND number < 40, 10, 1), 5, 7
FROM numbers(4 * 300)"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    with fresh_store(tmp_path) as made:
        yield made


def incident(name: str, account: str, detector: str) -> Incident:
    made = {
        "incident_id": name,
        "account_id": account,
        "detector": detector,
        "metric": "requests" if account else "joint_actions",
        "window_s": 300 if account else 10,
        "started_at": STARTED,
        "last_seen_at": NOW,
        "expected": 5.0,
        "threshold": 20.0,
    }
    return cast(Incident, made)


RING = incident("ring", "", "coordination")
OWN = incident("own", "acct-3", "burst")
FLEET = incident("fleet", "", "platform")


def found(store: ChdbStore, *incidents: Incident) -> dict[str, list[Row]]:
    store.command(_MINUTES, {"end": NOW // 1000})
    put_cluster(store, "ring", "high", "acct-0", "acct-1", "acct-2")
    status = worker(now=NOW, watermark=NOW)
    rows = asyncio.run(minutes_of(reader(store), status, incidents, LEAST))
    by = defaultdict(list)
    for row in rows:
        by[row["account_id"]].append(row)
    return by


def test_a_clusters_minutes_are_the_sums_of_its_members(store: ChdbStore) -> None:
    by = found(store, RING, OWN, FLEET)
    assert set(by) == {"ring", "acct-3"}, "the whole platform has no minutes of its own"
    sent = {int(row["at"]): float(row["requests"]) for row in by["ring"]}
    assert sent[NOW - MINUTE] == 21
    assert sent[STARTED - MINUTE] == 3
    assert {float(row["requests"]) for row in by["acct-3"]} == {1.0}


def test_a_ring_is_drawn_over_five_minutes_against_its_own_usual(store: ChdbStore) -> None:
    rows = found(store, RING)["ring"]
    plot = against_usual(worker(now=NOW, watermark=NOW), RING, rows, LEAST)
    assert plot.points[-1] == (NOW, 105.0)
    assert plot.band == (15.0, 15.0)
    assert plot.threshold is None, "joint actions are no requests"
    assert plot.label == "its members: requests in 5 minutes"


def test_nothing_is_asked_where_nothing_can_be_drawn(store: ChdbStore) -> None:
    asked: list[str] = []
    status = worker(now=NOW, watermark=NOW)
    assert asyncio.run(minutes_of(reader(store, asked), status, [FLEET], LEAST)) == []
    assert asked == []
