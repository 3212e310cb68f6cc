"""The SQL of every finding returns its observed number, and its threshold is where alarms begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streams.alerting.findings import Finding, identity, reproducing_sql
from streams.features.fold import Policy
from streams.ingest.partition import Partition
from streams.policy.model import default_policy
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.bursts import END, HOUR, START, burst_stream, heartbeat, quiet
from tests.support.folding import Driver, encoded, policy
from tests.support.partitions import context, feed

DAY = 24 * HOUR
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
        {"account_id": "acct-1", "metric": "prompt_tokens"},
    ]
    assert store.query("SELECT count() AS n FROM findings").to_pylist()[0]["n"] > 2


@pytest.mark.parametrize("table", ["findings", "alerts"])
def test_the_sql_of_every_row_returns_what_was_observed(store: ChdbStore, table: str) -> None:
    rows = store.query(f"SELECT * FROM {table}").to_pylist()
    assert rows
    for row in rows:
        assert store.query(row["sql"]).to_pylist() == [{"observed": row["observed"]}]
        assert row["account_id"] in row["sentence"]
        assert row["threshold"] > row["expected"]
        assert 0 < row["p_value"] < 0.05


def test_what_reached_its_threshold_alarmed_and_nothing_else(store: ChdbStore) -> None:
    rows = store.query("SELECT * FROM findings").to_pylist()
    assert rows
    for row in rows:
        alarmed = row["observed"] >= row["threshold"]
        assert (row["held"] == "") == alarmed == bool(row["severity"]) == bool(row["incident_id"])
        assert row["held"] in ("", "budget")
        assert row["detector"] in dict(row["parts"])


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


def test_a_template_counts_as_novel_on_the_day_it_was_first_sent(store: ChdbStore) -> None:
    """As in the hourly features."""
    midnight = (START // DAY + 1) * DAY
    sent = [("ab", -DAY - HOUR), ("cd", -2 * HOUR), ("ab", -HOUR), ("cd", -HOUR), ("cd", HOUR)]
    events = [
        {"event_id": f"n{number}", "ts": midnight + after, "account_id": "n", "template": name}
        for number, (name, after) in enumerate(sent)
    ]
    feed(Partition(context(store), 1), [*encoded(events), heartbeat(midnight + 3 * HOUR)], 0)
    hours = [midnight - HOUR - 60_000, midnight + HOUR - 60_000]
    asked = [reproducing_sql("n", "novel", start, start + HOUR, hours=True) for start in hours]
    found = [store.query(sql).to_pylist()[0]["observed"] for sql in asked]
    assert found == [1, 0]


def found_with(
    last: list[dict[str, Any]], rules: Policy | None = None, began: int = 0
) -> list[Finding]:
    """Findings of a quiet account that sends `last` two hours later."""
    driver = Driver(rules or policy(), began=began)
    driver.feed(encoded([*quiet(["a"]), *last]))
    driver.finish(START + int(2.6 * HOUR))
    return driver.found.findings


def only(detector: str) -> Policy:
    """A policy under which one detector counts: nothing else moves with the counts it judges."""
    others = default_policy().detectors.items()
    return policy(
        detectors={name: replace(other, enabled=name == detector) for name, other in others}
    )


def requests(count: int) -> list[dict[str, Any]]:
    ts = START + int(2.5 * HOUR) + 1000
    return [{"event_id": f"b{n}", "ts": ts + n % 3000, "account_id": "a"} for n in range(count)]


def prompt_tokens(count: int) -> list[dict[str, Any]]:
    ts = START + int(2.5 * HOUR) + 1000
    return [
        {"event_id": "b", "ts": ts, "account_id": "a", "prompt_tokens": count}
        | {"completion_tokens": 7}
    ]


BURSTS = [(requests, 3000), (prompt_tokens, 9_000_000)]


@pytest.mark.parametrize(
    ("burst", "loud", "detector"),
    [*((*each, "burst") for each in BURSTS), (requests, 30_000, "cold_start")],
)
def test_one_below_the_threshold_is_silent_and_the_threshold_alarms(
    burst: Any, loud: int, detector: str
) -> None:
    rules = only(detector)
    began = 1 if detector == "cold_start" else 0  # a new account, or one that was there
    (finding,) = found_with(burst(loud), rules, began)
    assert (finding.metric, finding.detector) == (burst.__name__, detector)
    before = round(finding.observed) - loud
    limit = round(finding.threshold)
    (below,) = found_with(burst(limit - 1 - before), rules, began)
    assert (below.observed, below.threshold) == (limit - 1, limit)
    assert (below.held, below.severity, below.incident_id) == ("budget", "", "")
    (smallest,) = found_with(burst(limit - before), rules, began)
    assert (smallest.observed, smallest.threshold) == (limit, limit)
    assert (finding.held, smallest.held) == ("", "")


@pytest.mark.parametrize(("burst", "loud"), BURSTS)
def test_below_the_threshold_is_silence_whoever_else_saw_something(burst: Any, loud: int) -> None:
    """The threshold is for the evidence of the others as it was, which falls with the counts."""
    (finding,) = found_with(burst(loud), began=1)
    assert len(finding.parts) > 1
    before = round(finding.observed) - loud
    below = found_with(burst(round(finding.threshold) - 1 - before), began=1)
    assert finding.held == ""
    assert all(item.held for item in below)


def test_a_finding_has_one_name_for_ever() -> None:
    (finding,) = found_with(requests(3000))
    (again,) = found_with(requests(3000))
    assert finding == again
    assert identity("a", 1) == identity("a", 1) != identity("a", 2)
    assert len(identity()) == 16
