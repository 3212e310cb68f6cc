"""Every alert rule, run for real: it fires on what it is for and is silent on the rest."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.boards.parts import UIDS
from dashboards.model.macros import Span, expand
from dashboards.model.rule import Rule
from dashboards.rules.all import all_rules, rule
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate

_INCIDENT = (
    "INSERT INTO incident_log (incident_id, version, kind, account_id, state, severity, sentence, "
    "started_at, stored_at) VALUES ('{id}', {version}, 'burst', 'acct-1', '{state}', '{severity}', "
    "'acct-1 sent 900 requests', now64(3), now64(3))"
)
_BATCH = (
    "INSERT INTO ingest_log (stream_id, kafka_partition, first_offset, next_offset, watermark, "
    "events, stored, dead, broker_time, stored_at) VALUES ('s', 1, {offset}, {offset} + 1, "
    "now64(3) - toIntervalSecond({behind}), 1000, 990, {dead}, "
    "now64(3) - toIntervalSecond({delay} + {ago}), now64(3) - toIntervalSecond({ago}))"
)


def batch(offset: int = 0, dead: int = 0, delay: int = 1, ago: int = 5, behind: int = 5) -> str:
    return _BATCH.format(offset=offset, dead=dead, delay=delay, ago=ago, behind=behind)


def incident(severity: str, state: str = "open", name: str = "i1", version: int = 1) -> str:
    return _INCIDENT.format(id=name, version=version, state=state, severity=severity)


def gap(ended_ago: int) -> str:
    return (
        "INSERT INTO pipeline_gaps VALUES ('g', 's', 1, 5, 9, now64(3) - toIntervalSecond("
        f"{ended_ago} + 60), now64(3) - toIntervalSecond({ended_ago}), 'lost', 'four were gone')"
    )


def message(state: str, event: str = "opened", incident_id: str = "i1") -> str:
    return (
        "INSERT INTO notification_log (notification_id, version, incident_id, event, channel, "
        f"state, error, made_at, next_at) VALUES ('n-{state}', 1, '{incident_id}', '{event}', "
        f"'pager', '{state}', 'refused', now64(3), now64(3))"
    )


def said(action: str, name: str = "i1") -> str:
    return f"INSERT INTO incident_actions VALUES ('{name}', now64(3), '{action}', 'ann', '', '')"


def member(severity: str, left: str = "NULL") -> list[str]:
    """acct-1 is in an open cluster with an incident of this severity."""
    return [
        "INSERT INTO cluster_log (cluster_id, version, state, incident_id, severity) "
        f"VALUES ('c', 1, 'open', 'i9', '{severity}')",
        "INSERT INTO cluster_member_log (cluster_id, account_id, version, left_at) "
        f"VALUES ('c', 'acct-1', 1, {left})",
    ]


MANY = [incident("high", name=f"i{number}") for number in range(20)]
#: Rule, rows on which it must fire, rows on which it must be silent.
CASES: list[tuple[str, list[str], list[list[str]]]] = [
    (
        "pulse-incident-high",
        [incident("high")],
        [
            [incident("medium")],
            [incident("high"), incident("high", "resolved", version=2)],
            [incident("high"), said("resolved")],
            [incident("high"), message("silenced")],
            [incident("high"), message("grouped")],
            [incident("high"), *member("high")],
        ],
    ),
    ("pulse-incident-high", [incident("high"), *member("medium")], [[]]),
    ("pulse-incident-high", [incident("high"), *member("high", "now64(3)")], [[]]),
    ("pulse-incident-medium", [incident("medium")], [[incident("high")], []]),
    ("pulse-silent", [batch(ago=130)], [[batch(ago=100)], [batch(ago=500), batch(1, ago=3)]]),
    ("pulse-delay", [batch(delay=31)], [[batch(delay=29)], [batch(delay=90, ago=900)], []]),
    ("pulse-scoring-behind", [batch(behind=400)], [[batch(behind=200)], []]),
    ("pulse-dead-letters", [batch(dead=20)], [[batch(dead=5)], [batch(dead=20, ago=900)], []]),
    ("pulse-blind", [gap(60)], [[gap(3700)], []]),
    ("pulse-budget", MANY, [MANY[:19], [incident("medium", name=f"m{n}") for n in range(30)]]),
    ("pulse-channel", [message("failed")], [[message("sent")], [message("silenced")], []]),
]
SILENT = [(uid, rows) for uid, _, lists in CASES for rows in lists]
TABLES = (
    *("incident_log", "ingest_log", "pipeline_gaps", "notification_log", "incident_actions"),
    *("cluster_log", "cluster_member_log"),
)


@pytest.fixture(scope="module")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    store = ChdbStore(tmp_path_factory.mktemp("rules") / "data")
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def store(_store: ChdbStore) -> ChdbStore:
    for table in TABLES:
        _store.command(f"TRUNCATE TABLE {table}")
    return _store


def firing(store: ChdbStore, one: Rule) -> list[dict[str, object]]:
    now = time.time_ns() // 1_000_000 + 200
    rows = store.query(expand(one.query.sql, Span(now - one.span_s * 1000, now))).to_pylist()
    for row in rows:
        assert list(row) == [column.name for column in one.query.columns]
        assert isinstance(row["value"], float)
        assert all(isinstance(row[label], str | bytes) for label in one.labels)
    return [row for row in rows if one.fires(row["value"])]


@pytest.mark.parametrize(("uid", "rows"), [(uid, rows) for uid, rows, _ in CASES])
def test_it_fires(store: ChdbStore, uid: str, rows: list[str]) -> None:
    for row in rows:
        store.command(row)
    assert len(firing(store, rule(uid))) == 1


@pytest.mark.parametrize(("uid", "rows"), SILENT)
def test_it_stays_silent(store: ChdbStore, uid: str, rows: list[str]) -> None:
    for row in rows:
        store.command(row)
    assert firing(store, rule(uid)) == []


def test_every_rule_has_cases_both_ways() -> None:
    assert {uid for uid, _, _ in CASES} == {one.uid for one in all_rules()}
    assert all(silent for _, _, silent in CASES)


def test_texts_name_labels_that_exist() -> None:
    for one in all_rules():
        named = set(re.findall(r"\$labels\.(\w+)", one.summary + one.description))
        assert named <= set(one.labels), one.uid
        assert one.board in UIDS


def test_a_silent_pipeline_without_any_batch_alarms_by_no_data() -> None:
    assert rule("pulse-silent").no_data == "alerting"


def test_sections_of_the_runbook_exist() -> None:
    path = Path(__file__).resolve().parents[2] / "dashboards" / "runbook.md"
    text = path.read_text(encoding="utf-8")
    sections = set(re.findall(r"^## .*\{#([\w-]+)\}$", text, re.MULTILINE))
    assert {one.runbook for one in all_rules()} <= sections
