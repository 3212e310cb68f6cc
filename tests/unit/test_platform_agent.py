"""The platform watch at work: waits for every partition, alerts once, goes on where it ended."""

from __future__ import annotations

import time

import pyarrow as pa

from streams.alerting.incidents import Rules
from streams.platform.agent import PlatformAgent
from streams.platform.totals import STEP_MS
from streams.storage.chdb_store import ChdbStore
from tests.unit.test_platform import FLOOD, PARAMETERS, store

__all__ = ["store"]  # the fixture: a store with a flood in it

_TIME = pa.timestamp("ms", "UTC")
_AFTER = FLOOD + STEP_MS


def passed(store: ChdbStore, partition: int, watermark: int) -> None:
    row = {
        "stream_id": ["s"],
        "kafka_partition": pa.array([partition], pa.uint32()),
        "first_offset": pa.array([0], pa.uint64()),
        "next_offset": pa.array([watermark % 1_000_000], pa.uint64()),
        "watermark": pa.array([watermark], _TIME),
        "broker_time": pa.array([watermark], _TIME),
        "stored_at": pa.array([time.time_ns() // 1_000_000], _TIME),
        "worker": ["w"],
    }
    for name in ("messages", "events", "stored", "duplicates", "dead", "late", "too_late"):
        row[name] = pa.array([0], pa.uint64())
    store.insert("ingest_log", pa.table(row))


def agent(store: ChdbStore) -> PlatformAgent:
    rules = Rules(resolve_after_ms=600_000, reopen_within_ms=1_800_000)
    return PlatformAgent(store, "s", rules, lambda: "v", lambda: 1, PARAMETERS)


def test_it_waits_for_all_partitions_alerts_once_and_a_new_worker_goes_on(store: ChdbStore) -> None:
    passed(store, 0, _AFTER + 3000)
    passed(store, 1, FLOOD - STEP_MS)
    watch = agent(store)
    assert not watch.follow(_AFTER + 3000)  # partition 1 is not there yet
    passed(store, 1, _AFTER + 1000)
    found = watch.follow(_AFTER + STEP_MS)
    assert {alert.finding.kind for alert in found.alerts} == {"platform"}
    metrics = sorted(alert.finding.metric for alert in found.alerts)
    assert "requests" in metrics
    assert len(metrics) == len(set(metrics))
    stored = store.query("SELECT metric, account_id FROM alerts ORDER BY metric").to_pylist()
    assert [row["metric"] for row in stored] == metrics
    assert {row["account_id"] for row in stored} == {""}

    again = agent(store)
    assert not again.follow(_AFTER + 3000).alerts
    assert {item.metric for item in again.incidents()} == set(metrics)
    for row in store.query("SELECT sql, observed FROM alerts").to_pylist():
        assert store.query(row["sql"]).to_pylist()[0]["observed"] == row["observed"]
