"""Nothing is forgotten and nothing told twice, whoever starts, ends or writes late."""

from __future__ import annotations

import threading
from pathlib import Path

from streams.storage.base import Store
from tests.support.notifying import (
    MINUTE,
    NOW,
    ROUTE,
    Desk,
    channel,
    desk,
    incident,
    policy,
    put,
    rows,
)
from tests.support.receivers import Hook, Taken, hook


def test_a_restart_tells_nothing_twice_and_forgets_nothing(
    either: Store, tmp_path: Path, web: Hook
) -> None:
    at = desk(either, tmp_path, web)
    at.put(incident("a"))
    at.settle(1000)
    assert len(web.taken) == 1
    at.put(incident("b"), incident("gone", state="resolved", resolved_at=at.now))
    after = Desk(either, at.policy, now=at.now + 5000)
    after.settle()
    assert sorted(one.split()[2] for one in web.titles()) == ["acct-a", "acct-b", "acct-gone"]
    third = Desk(either, at.policy, now=after.now + 100_000)
    third.settle()
    third.settle(70_000)
    assert len(web.taken) == 3


def test_what_a_dead_process_was_sending_is_sent_under_the_same_identity(
    either: Store, tmp_path: Path, web: Hook
) -> None:
    at = desk(either, tmp_path, web)
    at.put(incident("a"))
    at.settle(1000)
    either.command(
        "INSERT INTO notification_log SELECT * REPLACE (version + 1 AS version, 'sending' AS state,"
        f" fromUnixTimestamp64Milli({at.now + 10_000}, 'UTC') AS next_at) FROM notifications"
    )
    after = Desk(either, at.policy, now=at.now)
    after.settle(5000)
    assert len(web.taken) == 1, "perhaps it lives, and is sending still"
    after.settle(6000)
    assert len(web.taken) == 2
    assert len({one.identity for one in web.taken}) == 1
    assert rows(either, "state") == [("sent",)]


def test_rows_that_come_to_light_late_are_told(store: Store, tmp_path: Path, web: Hook) -> None:
    at = desk(store, tmp_path, web)
    early = at.now
    at.settle(10 * MINUTE)
    at.put(incident("new"))
    at.settle(1000)
    put(store, [incident("late")], early + 1000)
    at.settle(1000)
    assert [one.split()[2] for one in web.titles()] == ["acct-new"]
    at.settle(2 * MINUTE)
    assert [one.split()[2] for one in web.titles()] == ["acct-new", "acct-late"]
    at.settle(2 * MINUTE)
    assert len(web.taken) == 2


def test_routes_that_come_later_do_not_tell_the_past(
    store: Store, tmp_path: Path, web: Hook
) -> None:
    at = desk(store, tmp_path, web, routes="")
    at.put(incident("a", state="resolved", resolved_at=at.now), incident("b"))
    at.settle(1000)
    at.policy = policy(channel(tmp_path, "hook", web.address()) + ROUTE)
    at.settle(1000)
    at.settle(2 * MINUTE)
    assert web.all == []
    at.put(incident("b", version=2, state="ongoing"))
    at.settle(1000)
    assert [one.split()[2] for one in web.titles()] == ["acct-b"], "it goes on: that is news"


def test_the_first_notifier_of_a_store_begins_with_what_comes(
    store: Store, tmp_path: Path, web: Hook
) -> None:
    put(store, [incident("old"), incident("older")], NOW - 3_600_000)
    at = desk(store, tmp_path, web)
    at.settle(2 * MINUTE)
    assert web.all == []


def test_what_is_being_sent_is_left_to_who_sends_it(store: Store, tmp_path: Path) -> None:
    released = threading.Event()

    def answer(_: Taken) -> int:
        released.wait(20)
        return 200

    with hook(answer) as web:
        at = desk(store, tmp_path, web)
        at.put(incident("a"))
        at.notifier.step()
        assert rows(store, "state") == [("sending",)]
        other = Desk(store, at.policy, now=at.now + 1000)
        other.settle()
        released.set()
        at.settle()
        other.settle(20_000)
        assert len(web.all) == 1
