"""The SQL of every finding returns its observed number, and its threshold is where alarms begin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.alerting.findings import Finding, identity
from streams.ingest.partition import Partition
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.bursts import END, HOUR, START, burst_stream, heartbeat, quiet
from tests.support.folding import Driver, encoded, policy
from tests.support.partitions import context, feed

NAMES = [f"acct-{n}" for n in range(5)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    """What a partition made of a stream with bursts, late and doubled events."""
    directory: Path = tmp_path_factory.mktemp("findings")
    opened = ChdbStore(directory)
    try:
        fill(opened)
        yield opened
    finally:
        opened.close()


def fill(store: ChdbStore) -> None:
    migrate(store)
    part = Partition(context(store, late_limit_ms=HOUR // 2), 0)
    lines = [*burst_stream(NAMES), heartbeat(END)]
    totals = {"late": 0, "too_late": 0, "duplicates": 0}
    for first in range(0, len(lines), 97):
        counts = feed(part, [b"\n".join(lines[first : first + 97])], first)
        for name in totals:
            totals[name] += getattr(counts, name)
    assert min(totals.values()) >= 3, totals


def test_both_kinds_of_burst_are_found(store: ChdbStore) -> None:
    rows = store.query("SELECT account_id, metric FROM alerts ORDER BY ALL").to_pylist()
    assert rows == [
        {"account_id": "acct-0", "metric": "requests"},
        {"account_id": "acct-1", "metric": "tokens"},
    ]
    assert store.query("SELECT count() AS n FROM findings").to_pylist()[0]["n"] > 2


@pytest.mark.parametrize("table", ["findings", "alerts"])
def test_the_sql_of_every_row_returns_what_was_observed(store: ChdbStore, table: str) -> None:
    rows = store.query(f"SELECT * FROM {table}").to_pylist()
    assert rows
    for row in rows:
        assert store.query(row["sql"]).to_pylist() == [{"observed": row["observed"]}]
        assert row["observed"] >= row["threshold"] > row["expected"]
        assert 0 < row["p_value"] < 1e-6
        assert row["account_id"] in row["sentence"]


def test_alert_incident_and_finding_tell_the_same(store: ChdbStore) -> None:
    rows = store.query(
        "SELECT a.observed = f.observed AND a.sentence = f.sentence AND a.sql = f.sql "
        "AND a.detected_at = f.window_end AND a.started_at = f.window_start "
        "AND i.threshold = a.threshold AND i.started_at = a.started_at "
        "AND i.state = 'resolved' AS same "
        "FROM alerts AS a JOIN findings AS f ON f.incident_id = a.incident_id "
        "AND f.window_end = a.detected_at JOIN incidents AS i ON i.incident_id = a.incident_id"
    ).to_pylist()
    assert rows == [{"same": 1}, {"same": 1}]


def found_with(last: list[dict[str, Any]]) -> list[Finding]:
    """Findings of a quiet account that sends `last` two hours later."""
    driver = Driver(policy())
    driver.feed(encoded([*quiet(["a"]), *last]))
    driver.finish(START + int(2.6 * HOUR))
    return driver.found.findings


def requests(count: int) -> list[dict[str, Any]]:
    ts = START + int(2.5 * HOUR) + 1000
    return [{"event_id": f"b{n}", "ts": ts + n % 3000, "account_id": "a"} for n in range(count)]


def tokens(count: int) -> list[dict[str, Any]]:
    ts = START + int(2.5 * HOUR) + 1000
    return [
        {"event_id": "b", "ts": ts, "account_id": "a", "prompt_tokens": count - 7}
        | {"completion_tokens": 7}
    ]


@pytest.mark.parametrize(("burst", "loud"), [(requests, 3000), (tokens, 9_000_000)])
def test_one_below_the_threshold_is_silent_and_the_threshold_alarms(burst: Any, loud: int) -> None:
    (finding,) = found_with(burst(loud))
    assert finding.metric == burst.__name__
    before = round(finding.observed) - loud
    limit = round(finding.threshold)
    assert found_with(burst(limit - 1 - before)) == []
    (smallest,) = found_with(burst(limit - before))
    assert (smallest.observed, smallest.threshold) == (limit, limit)


def test_a_finding_has_one_name_for_ever() -> None:
    (finding,) = found_with(requests(3000))
    (again,) = found_with(requests(3000))
    assert finding == again
    assert identity("a", 1) == identity("a", 1) != identity("a", 2)
    assert len(identity()) == 16
