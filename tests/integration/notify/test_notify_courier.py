"""The courier: a process of its own, so that what ends the worker neither loses nor doubles."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from streams.alerting.notify.channels import Letter, NotDelivered
from streams.alerting.notify.courier import InDoubt, Posted
from streams.alerting.notify.recovery import AGAIN
from streams.policy.routes import Channel
from streams.storage.base import Store
from tests.support.notifying import ROUTE, Desk, Shaky, channel, incident, policy, rows
from tests.support.receivers import Hook, Taken, hook
from tests.support.worker import wait_until


class Gate:
    """A receiver that takes a message and answers when it is let."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()

    def answer(self, _: Taken) -> int:
        """One request."""
        self.reached.set()
        self.opened.wait(30)
        return 200


def posted(store: Any, folder: Path, web: Hook) -> Desk:
    """A notifier with a courier, on the same spool as the one before."""
    made = Desk(store, policy(channel(folder, "hook", web.address()) + ROUTE), spool=folder / "out")
    made.notifier.step()
    return made


@contextmanager
def held(store: Any, folder: Path) -> Iterator[tuple[Gate, Hook, Desk]]:
    """One message has reached the receiver, who does not answer before the gate is opened."""
    gate = Gate()
    with hook(gate.answer) as web:
        at = posted(store, folder, web)
        at.put(incident("a"))
        at.notifier.step()
        assert gate.reached.wait(30)
        yield gate, web, at


def until_state(store: Store, state: str, work: Callable[[], None]) -> None:
    """Work until the one message is in this state."""

    def reached() -> bool:
        work()
        return rows(store, "state") == [(state,)]

    wait_until(reached, f"the message is {state}")


def courier() -> psutil.Process:
    """The one that was started last."""
    found = [one for one in psutil.Process().children() if "delivering" in " ".join(one.cmdline())]
    return max(found, key=lambda one: one.create_time())


def test_a_message_goes_by_the_courier_whose_command_line_tells_no_secret(
    either: Store, tmp_path: Path, web: Hook
) -> None:
    at = posted(either, tmp_path, web)
    at.put(incident("a"))
    at.settle(1000)
    assert rows(either, "state") == [("sent",)]
    assert len(web.taken) == 1
    words = " ".join(courier().cmdline())
    assert str(web.port) not in words
    assert not list((tmp_path / "out").rglob("*.json")), "what the store knows needs no note"
    at.notifier.finish(5)


def test_a_worker_that_is_gone_before_the_answer_repeats_nothing(
    store: Store, tmp_path: Path
) -> None:
    with held(store, tmp_path) as (gate, web, at):
        at.notifier.finish(0)  # as far as its courier can tell, the worker is dead
        after = posted(store, tmp_path, web)
        after.now += 60_000
        after.notifier.step()
        assert rows(store, "state") == [("sending",)], "its courier is alive and has it"
        gate.opened.set()
        until_state(store, "sent", lambda: after.settle(1000))
        after.settle(60_000)
        assert len(web.all) == 1
        after.notifier.finish(5)


def test_a_courier_killed_on_the_way_is_replaced_and_the_message_says_it_may_be_a_repeat(
    store: Store, tmp_path: Path
) -> None:
    with held(store, tmp_path) as (gate, web, at):
        courier().kill()
        until_state(store, "due", at.notifier.record)
        gate.opened.set()
        at.settle(5000)
        assert rows(store, "state") == [("sent",)]
        wait_until(lambda: len(web.all) == 2, "both have come")
        assert len({one.identity for one in web.all}) == 1
        assert [one.body.endswith(AGAIN) for one in sorted(web.all, key=lambda t: t.at)] == [
            False,
            True,
        ]
        at.notifier.finish(5)


def test_with_both_killed_the_next_one_sends_again_and_says_so(
    store: Store, tmp_path: Path
) -> None:
    dying = Shaky(store)
    with held(dying, tmp_path) as (gate, web, _):
        dying.down = True
        courier().kill()
        assert list((tmp_path / "out").glob("courier-*/*.json")), "its note remains"
        gate.opened.set()
        after = posted(store, tmp_path, web)
        after.settle(1000)
        assert rows(store, "state") == [("sent",)], "before the lease ends: nobody else has it"
        assert web.all[-1].body.endswith(AGAIN)
        after.settle(60_000)
        assert len(web.all) == 2
        assert not list((tmp_path / "out").rglob("*.json"))
        after.notifier.finish(5)


def test_signals_for_the_group_do_not_cut_a_delivery_short(store: Store, tmp_path: Path) -> None:
    with held(store, tmp_path) as (gate, _, at):
        process = courier()
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(process.pid, one)
        gate.opened.set()
        at.settle(1000)
        assert rows(store, "state") == [("sent",)]
        at.notifier.finish(5)
        process.wait(20)


def test_what_goes_wrong_comes_back_in_words(tmp_path: Path) -> None:
    carrier = Posted(tmp_path / "out")
    letter = Letter("n-1", "i-1", "title", "body", "high", False)
    lost = Channel(name="lost", url_file=str(tmp_path / "missing"))
    with pytest.raises(NotDelivered, match=r"channel lost: .*missing: No such file") as caught:
        carrier.carry(lost, letter, 1)
    assert not isinstance(caught.value, InDoubt)
    carrier.close()


def test_a_courier_ends_with_its_worker(tmp_path: Path) -> None:
    carrier = Posted(tmp_path / "out")
    carrier.open()
    process = courier()
    carrier.close()
    started = time.monotonic()
    process.wait(20)
    assert time.monotonic() - started < 15
    carrier.open()
    assert courier().pid != process.pid
    carrier.close()


def test_a_spool_that_was_cleared_away_keeps_no_message_back(
    store: Store, tmp_path: Path, web: Hook
) -> None:
    at = posted(store, tmp_path, web)
    at.put(incident("a"))
    at.settle(1000)
    shutil.rmtree(tmp_path / "out")
    at.put(incident("b"))
    at.settle(1000)
    courier().kill()
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    at.put(incident("c"))
    at.settle(10_000)
    assert rows(store, "state") == [("sent",)] * 3
    assert len(web.taken) == 3
    at.notifier.finish(5)
