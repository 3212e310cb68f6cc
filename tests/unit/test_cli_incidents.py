"""`pulse incidents`: what is open, what people say about it, and silences."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.alerting.people import People, perform
from streams.errors import UsageError
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from streams.storage.readers import EmbeddedReader
from streams.storage.socket import SOCKET_NAME, serve
from tests.support.command import good, run

_COLUMNS = (
    "incident_id, version, kind, detector, account_id, org_id, state, severity, started_at, "
    "last_seen_at, findings, metric, window_s, peak_observed, expected, p_value, threshold, "
    "sentence"
)


def incident(store: ChdbStore, name: str, state: str = "open", severity: str = "high") -> None:
    store.command(
        f"INSERT INTO incident_log ({_COLUMNS}) VALUES ('{name}', 1, 'burst', 'burst', "
        f"'acct-{name}', 'org-1', '{state}', '{severity}', '2026-01-02 03:04:05', "
        "'2026-01-02 03:09:05', 2, 'requests', 300, 900, 30, 0.00001, 118, "
        f"'acct-{name} sent 900 requests in 5 minutes')"
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two open incidents and one that the fold resolved."""
    store = ChdbStore(tmp_path / "data")
    migrate(store)
    incident(store, "mild", severity="medium")
    incident(store, "loud")
    incident(store, "past", state="resolved")
    store.close()
    return tmp_path / "data"


def names(data: Path, *more: str) -> list[str]:
    found = json.loads(good("incidents", "list", "--data", data, "--json", *more))
    return [str(row["incident_id"]) for row in found]


def test_open_ones_are_listed_the_worst_first(data: Path) -> None:
    assert names(data) == ["loud", "mild"]
    assert set(names(data, "--all")) == {"loud", "mild", "past"}
    text = good("incidents", "list", "--data", data)
    assert "acct-loud sent 900 requests in 5 minutes" in text
    assert "1 in 100,000" in text
    assert "2026-01-02T03:04:05Z" in text


def test_what_people_say_is_shown(data: Path) -> None:
    good("incidents", "ack", "loud", "--by", "ann", "--note", "on it", "--data", data)
    good("incidents", "assign", "loud", "bob", "--by", "ann", "--data", data)
    good("incidents", "label", "loud", "true", "--by", "bob", "--data", data)
    listed = good("incidents", "list", "--data", data)
    assert "acknowledged by ann, bob's" in listed
    found = json.loads(good("incidents", "show", "loud", "--data", data, "--json"))
    assert [(one["by"], one["action"]) for one in found["said"]] == [
        ("ann", "acknowledged"),
        ("ann", "assigned"),
    ]
    assert found["label"] == "true"
    shown = good("incidents", "show", "loud", "--data", data)
    assert "nothing below 118" in shown
    assert "labelled true" in shown


def test_what_somebody_resolved_is_not_listed_any_more(data: Path) -> None:
    good("incidents", "resolve", "loud", "--by", "ann", "--data", data)
    assert names(data) == ["mild"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "nobody"), 2, "incident nobody: there is none of this id"),
        (("ack", "nobody", "--by", "ann"), 2, "incident nobody: there is none of this id"),
        (("ack", "loud", "--by", " "), 2, "by: a name is missing"),
        (("label", "loud", "perhaps"), 2, "'perhaps' is not one of"),
        (("silence", "--for", "2h", "--reason", "test"), 2, "must name an account"),
        (("silence", "--account", "**", "--for", "2h", "--reason", "test"), 2, "must name"),
        (("silence", "--account", "a", "--for", "2 weeks", "--reason", "test"), 2, "--for 2 weeks"),
        (("silence", "--account", "a", "--for", "91d", "--reason", "test"), 2, "90 days"),
        (("silence", "--account", "a", "--for", "1h", "--reason", " "), 2, "needs a reason"),
        (("unsilence", "nothing"), 2, "silence nothing: there is none of this id"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    data: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run("incidents", *arguments, "--data", data)
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    result = run("incidents", "ack", "x", "--data", tmp_path / "missing")
    assert result.exit_code == 2
    assert "no such data directory" in result.stderr
    assert not (tmp_path / "missing").exists()


def test_a_silence_from_begin_to_end(data: Path) -> None:
    said = good(
        *("incidents", "silence", "--account", "acct-*", "--kind", "burst", "--for", "2h"),
        *("--reason", "load test", "--owner", "ops", "--by", "ann", "--data", data),
    )
    name = said.split()[1]
    (found,) = json.loads(good("incidents", "silences", "--data", data, "--json"))
    assert (found["suppression_id"], found["owner"], found["held_back"]) == (name, "ops", 0)
    store = ChdbStore(data)
    now = time.time_ns() // 1_000_000
    people = People(store, lambda: now)
    assert people.silenced_by("acct-loud", "org-1", "burst", now) == name
    assert people.silenced_by("acct-loud", "org-1", "ramp", now) == ""
    assert people.silenced_by("other", "org-1", "burst", now) == ""
    assert people.silenced_by("acct-loud", "org-1", "burst", now + 3 * 3_600_000) == ""
    store.close()
    good("incidents", "unsilence", name, "--data", data)
    assert "no silence is in force" in good("incidents", "silences", "--data", data)


@pytest.fixture
def worker(data: Path) -> Iterator[ChdbStore]:
    """A process of ours that owns the directory and answers at its socket."""
    store = ChdbStore(data)
    people = People(store, lambda: time.time_ns() // 1_000_000)
    loop = asyncio.new_event_loop()
    ready, done = threading.Event(), asyncio.Event()

    async def main(reader: EmbeddedReader) -> None:
        path = data / SOCKET_NAME
        async with serve(path, reader.text, None, lambda message: perform(people, message)):
            ready.set()
            await done.wait()

    with EmbeddedReader(data) as reader:
        thread = threading.Thread(target=lambda: loop.run_until_complete(main(reader)))
        thread.start()
        assert ready.wait(10)
        yield store
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
    loop.close()
    store.close()


def test_beside_a_worker_it_is_the_worker_who_writes(data: Path, worker: ChdbStore) -> None:
    good("incidents", "ack", "loud", "--by", "ann", "--data", data)
    rows = worker.query("SELECT incident_id, action, by FROM incident_actions").to_pylist()
    assert rows == [{"incident_id": "loud", "action": "acknowledged", "by": "ann"}]
    result = run("incidents", "ack", "nobody", "--by", "ann", "--data", data)
    assert result.exit_code == 2
    assert "incident nobody: there is none of this id" in result.stderr
    assert "acknowledged by ann" in good("incidents", "list", "--data", data)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({}, "action ''"),
        ({"do": "drop"}, "action 'drop'"),
        ({"do": "silences", "at_ms": 1}, "action 'silences'"),
        ({"do": "acknowledge", "by": "x"}, "incident_id is missing"),
        ({"do": "acknowledge", "incident_id": 3, "by": "x"}, "incident_id has the wrong type"),
        ({"do": "acknowledge", "incident_id": "a", "by": "x", "sql": "y"}, "sql is not known"),
    ],
)
def test_only_listed_actions_go_through(message: dict[str, Any], said: str) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was called")

    with pytest.raises(UsageError, match=said):
        perform(Untouched(), message)  # type: ignore[arg-type]
