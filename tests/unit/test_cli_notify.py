"""`pulse notify`: does a channel work, what was sent, and what to send again."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path

import pytest

from streams.alerting.notify.again import performed
from streams.alerting.notify.outbox import Message, Outbox, message_id
from streams.errors import UsageError
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from streams.storage.readers import EmbeddedReader
from streams.storage.socket import SOCKET_NAME, serve
from tests.support.command import good, run
from tests.support.notifying import NOW, ROUTE, channel
from tests.support.receivers import hook


def message(name: str, **changed: object) -> Message:
    values: dict[str, object] = {
        "notification_id": name,
        "version": 1,
        "incident_id": f"incident-{name}",
        "event": "opened",
        "channel": "on-call",
        "state": "due",
        "severity": "high",
        "account_id": f"acct-{name}",
        "org_id": "org",
        "kind": "burst",
        "title": f"title of {name}",
        "body": "body",
        "suppression_id": "",
        "attempts": 0,
        "next_at": NOW,
        "error": "",
        "made_at": NOW,
        "sent_at": 0,
    }
    return Message(**(values | changed))  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store with a message of every kind."""
    store = ChdbStore(tmp_path / "data")
    migrate(store)
    Outbox(store).write(
        [
            message("sent", state="sent", attempts=1, sent_at=NOW + 500),
            message("dead", state="failed", attempts=80, error="channel on-call: error=500."),
            message("late", attempts=3, error="channel on-call: error=503.", next_at=NOW * 2),
            message("held", state="silenced", suppression_id="quiet"),
        ]
    )
    store.close()
    return tmp_path / "data"


def test_a_channel_that_works_says_so(tmp_path: Path) -> None:
    with hook() as web:
        file = tmp_path / "policy.toml"
        file.write_text(channel(tmp_path, "on-call", web.address()), encoding="utf-8")
        line = good("notify", "test", "on-call", "--policy", file)
        assert line.startswith("channel on-call: took the message in ")
        assert web.taken[0].title.startswith("[none] test: This is a test of Usage Pulse")
        assert web.taken[0].identity.startswith("test-")
        result = run("notify", "test", "oncall", "--policy", file)
        assert result.exit_code == 2
        assert f"{file}: unknown channel 'oncall'; did you mean 'on-call'?" in result.stderr


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("json://127.0.0.1:1/s3cret", "channel on-call: A Connection error occurred"),
        ("slack:/s3cret", "expected one address that Apprise knows"),
        ("json://127.0.0.1:1/s3cret json://127.0.0.1:1/s3cret", "expected one address"),
        (" \n", "on-call.address is empty"),
    ],
)
def test_a_channel_that_does_not_work_says_why_in_a_line(
    tmp_path: Path, address: str, said: str
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(channel(tmp_path, "on-call", address), encoding="utf-8")
    result = run("notify", "test", "on-call", "--policy", file)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "s3cret" not in result.output + result.stderr


def test_a_refusal_is_told_with_its_status(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    with hook(lambda _: 500) as web:
        file.write_text(channel(tmp_path, "on-call", web.address("s3cret")), encoding="utf-8")
        result = run("notify", "test", "on-call", "--policy", file)
    assert result.exit_code == 1
    assert "error=500" in result.stderr
    (tmp_path / "on-call.address").unlink()
    assert "No such file" in run("notify", "test", "on-call", "--policy", file).stderr
    result = run("notify", "test", "on-call")
    assert "the built-in policy: unknown channel 'on-call'; it has no [[channels]]" in result.stderr


def test_an_unknown_channel_is_refused_at_check(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(ROUTE, encoding="utf-8")
    result = run("policy", "check", file)
    assert result.exit_code == 2
    assert f"{file}:3: routes #1.channel: unknown channel 'hook'" in result.stderr
    file.write_text(channel(tmp_path, "hook", "x") + channel(tmp_path, "idle", "y") + ROUTE)
    text = good("policy", "explain", file)
    assert "idle: its address is in file" in text
    assert text.count("beware: no route leads to it") == 1


def test_messages_are_listed_with_what_became_of_them(data: Path) -> None:
    text = good("notify", "list", "--data", data)
    assert "on-call: failed after 80 attempts: channel on-call: error=500." in text
    assert "on-call: silenced by quiet" in text
    assert "title of sent" in text
    rows = json.loads(good("notify", "list", "--data", data, "--failed", "--json"))
    assert [row["notification_id"] for row in rows] == ["dead"]
    assert len(json.loads(good("notify", "list", "--data", data, "--last", 2, "--json"))) == 2


def states(store: ChdbStore) -> dict[str, tuple[str, int]]:
    found = store.query("SELECT notification_id, state, attempts FROM notifications").to_pylist()
    return {
        row["notification_id"]: (
            row["state"].decode() if isinstance(row["state"], bytes) else row["state"],
            row["attempts"],
        )
        for row in found
    }


def test_what_was_given_up_is_sent_again(data: Path) -> None:
    assert good("notify", "retry", "--failed", "--data", data) == "1 message due again\n"
    assert good("notify", "retry", "late", "dead", "--data", data) == "2 messages due again\n"
    assert good("notify", "retry", "--failed", "--data", data) == "0 messages due again\n"
    store = ChdbStore(data)
    assert states(store) == {
        "sent": ("sent", 1),
        "dead": ("due", 0),
        "late": ("due", 0),
        "held": ("silenced", 0),
    }
    due = {one.notification_id: one.next_at for one in Outbox(store).unfinished()}
    assert all(abs(at - time.time() * 1000) < 60_000 for at in due.values())
    store.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected ids of messages (pulse notify list), or --failed"),
        (("dead", "--failed"), "expected ids of messages"),
        (("nobody",), "notification nobody: there is none of this id"),
        (("sent",), "notification sent: is sent; only what failed or waits can be sent again"),
        (("held",), "notification held: is silenced"),
    ],
)
def test_what_cannot_be_sent_again(data: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run("notify", "retry", *arguments, "--data", data)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    result = run("notify", "retry", "--failed", "--data", tmp_path / "missing")
    assert (result.exit_code, (tmp_path / "missing").exists()) == (2, False)


def test_beside_a_worker_it_is_the_worker_who_does_it(data: Path) -> None:
    store = ChdbStore(data)
    loop = asyncio.new_event_loop()
    ready, done = threading.Event(), asyncio.Event()

    async def main(reader: EmbeddedReader) -> None:
        def act(given: object) -> str:
            assert isinstance(given, dict)
            return performed(store, lambda: NOW, given)

        async with serve(data / SOCKET_NAME, reader.text, None, act):
            ready.set()
            await done.wait()

    with EmbeddedReader(data) as reader:
        thread = threading.Thread(target=lambda: loop.run_until_complete(main(reader)))
        thread.start()
        assert ready.wait(10)
        assert good("notify", "retry", "dead", "--data", data) == "1 message due again\n"
        result = run("notify", "retry", "sent", "--data", data)
        assert (result.exit_code, "is sent" in result.stderr) == (2, True)
        assert states(store)["dead"] == ("due", 0)
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
    loop.close()
    store.close()


@pytest.mark.parametrize(
    "given",
    [
        {"do": "retry"},
        {"do": "retry", "ids": [], "failed": False},
        {"do": "retry", "ids": ["a"], "failed": True},
        {"do": "retry", "ids": [1], "failed": False},
        {"do": "retry", "ids": ["a"], "failed": False, "sql": "x"},
    ],
)
def test_a_request_of_another_shape_is_refused(given: dict[str, object]) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was called")

    with pytest.raises(UsageError, match="expected ids"):
        performed(Untouched(), lambda: NOW, given)  # type: ignore[arg-type]


def test_telling_twice_makes_the_same_rows(data: Path) -> None:
    store = ChdbStore(data)
    again = message("sent", state="sent", attempts=1, sent_at=NOW + 500)
    for _ in range(2):
        Outbox(store).write([again])
    assert len(states(store)) == 4
    (found,) = Outbox(store).of(["incident-sent"])["incident-sent"]
    assert found == again
    store.close()


def test_an_identity_is_of_the_change_and_the_channel() -> None:
    opened = message_id("a", "opened", "medium", "c")
    assert opened == message_id("a", "opened", "high", "c"), "it opens once, however grave"
    graves = {message_id("a", "escalated", grade, "c") for grade in ("medium", "high")}
    others = {message_id("b", "opened", "", "c"), message_id("a", "opened", "", "d")}
    assert len({opened, *graves, *others, message_id("a", "resolved", "", "c")}) == 6
