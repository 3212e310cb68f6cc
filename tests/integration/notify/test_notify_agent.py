"""The notifier as a thread: woken at once, only where it is its turn, whatever the store does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.alerting.notify.agent import NotifierAgent
from streams.policy.model import Policy
from streams.storage.base import Store
from tests.support.notifying import ROUTE, Shaky, channel, incident, policy, put, rows
from tests.support.receivers import Hook, Taken, hook
from tests.support.worker import wait_until


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def agent(store: Any, given: Policy, holds: Callable[[], bool] = lambda: True) -> NotifierAgent:
    found = NotifierAgent(store, lambda: given, now_ms, holds, str)
    found.start()
    return found


@pytest.fixture
def given(tmp_path: Path, web: Hook) -> Policy:
    return policy(channel(tmp_path, "hook", web.address()) + ROUTE)


def test_what_is_stored_is_sent_within_two_seconds(store: Store, web: Hook, given: Policy) -> None:
    notifier = agent(store, given)
    wait_until(lambda: store.query("SELECT 1 FROM notification_cursor").num_rows, "it has begun")
    put(store, [incident("a")], now_ms())
    started = time.monotonic()
    notifier.wake()
    wait_until(lambda: web.taken, "it is sent", every=0.01)
    assert web.taken[0].at - started < 2.0
    wait_until(lambda: rows(store, "state") == [("sent",)], "it is noted")
    wait_until(lambda: notifier.counts() == {"sent": 1}, "it is counted")
    notifier.close()


def test_a_store_that_is_away_is_waited_for(
    store: Store, web: Hook, given: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    shaky = Shaky(store)
    notifier = agent(shaky, given)
    wait_until(lambda: store.query("SELECT 1 FROM notification_cursor").num_rows, "it has begun")
    shaky.down = True
    put(store, [incident("a")], now_ms())
    wait_until(lambda: "notifications wait: the store is away" in caplog.text, "it says so")
    assert web.all == []
    shaky.down = False
    wait_until(lambda: rows(store, "state") == [("sent",)], "it goes on")
    assert len(web.taken) == 1
    notifier.close()


def test_a_store_that_goes_while_a_message_is_sent(store: Store, tmp_path: Path) -> None:
    shaky = Shaky(store)

    def answer(_: Taken) -> int:
        shaky.down = True
        return 200

    with hook(answer) as web:
        notifier = agent(shaky, policy(channel(tmp_path, "hook", web.address()) + ROUTE))
        wait_until(lambda: store.query("SELECT 1 FROM notification_cursor").num_rows, "begun")
        put(store, [incident("a")], now_ms())
        wait_until(lambda: web.taken, "it is sent")
        time.sleep(1.5)
        shaky.down = False
        wait_until(lambda: rows(store, "state") == [("sent",)], "it is noted")
        assert len(web.all) == 1, "what was sent is known, though the store was away"
        notifier.close()


def test_only_who_holds_the_first_partition_sends(store: Store, web: Hook, given: Policy) -> None:
    mine = threading.Event()
    notifier = agent(store, given, mine.is_set)
    other = agent(store, given, lambda: not mine.is_set())
    wait_until(lambda: store.query("SELECT 1 FROM notification_cursor").num_rows, "it has begun")
    put(store, [incident("a")], now_ms())
    wait_until(lambda: rows(store, "state") == [("sent",)], "the other sends")
    mine.set()
    put(store, [incident("b")], now_ms())
    wait_until(lambda: rows(store, "state") == [("sent",)] * 2, "now it is our turn")
    assert len(web.all) == 2
    assert other.counts() == {}
    for one in (notifier, other):
        one.close()


def test_a_stop_waits_two_seconds_for_a_channel_and_no_longer(store: Store, tmp_path: Path) -> None:
    for seconds, state in ((0.5, "sent"), (6.0, "sending")):
        store.command("TRUNCATE TABLE incident_log")
        store.command("TRUNCATE TABLE notification_log")

        released = threading.Event()

        def answer(_: Taken, seconds: float = seconds, released: Any = released) -> int:
            released.wait(seconds)
            return 200

        with hook(answer) as web:
            notifier = agent(store, policy(channel(tmp_path, "hook", web.address()) + ROUTE))
            time.sleep(1.0)
            put(store, [incident(f"a-{state}")], now_ms())
            wait_until(lambda: rows(store, "state") == [("sending",)], "it is being sent")
            started = time.monotonic()
            notifier.close()
            assert time.monotonic() - started < 3.0
            assert rows(store, "state") == [(state,)]
            released.set()
            wait_until(lambda web=web: web.all, "nothing hangs any more")


def test_an_address_that_is_missing_is_known_before_the_first_alert(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    text = '[[channels]]\nname = "hook"\nurl_env = "NOT_SET_IN_TESTS"\n' + ROUTE
    text += '[[channels]]\nname = "unused"\nurl_env = "NOR_THIS"\n'
    notifier = agent(store, policy(text))
    wait_until(lambda: "NOT_SET_IN_TESTS is empty" in caplog.text, "it says so")
    assert "NOR_THIS" not in caplog.text
    notifier.close()
    assert logging.getLogger("apprise").propagate is False
