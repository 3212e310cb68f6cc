"""Waiting for a store: longer and longer, never for nothing, and not beyond a stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from streams.errors import StoreError, StoreUnavailable
from streams.storage import retry
from streams.storage.base import Parameters
from streams.storage.retry import Interrupted, RetryingStore, Stopped

ROWS = pa.table({"x": [1]})


class Refusing:
    """A store that refuses its first calls, and remembers what it took."""

    def __init__(self, *refusals: StoreError) -> None:
        self.refusals = list(refusals)
        self.taken: list[tuple[str, str | None]] = []
        self.closed = False

    def _answer(self, what: str, token: str | None = None) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken.append((what, token))

    def query(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        self._answer(sql)
        return ROWS

    def stream(self, sql: str, parameters: Parameters | None = None) -> Iterator[pa.RecordBatch]:
        self._answer(sql)
        return iter(ROWS.to_batches())

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        self._answer(sql)

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        self._answer(table, token)

    def close(self) -> None:
        self.closed = True


class Clock(threading.Event):
    """The stop event and the clock of a worker, without real waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.now = 100.0
        faked = SimpleNamespace(monotonic=lambda: self.now, time_ns=self.ns)
        monkeypatch.setattr(retry, "time", faked)

    def ns(self) -> int:
        """The same as wall time."""
        return round(self.now * 1e9)

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        return self.is_set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def away(count: int) -> list[StoreError]:
    return [StoreUnavailable(f"refused {n}") for n in range(count)]


def test_waits_double_up_to_the_longest_and_are_spread(clock: Clock) -> None:
    tries: list[float] = []

    class Timed(Refusing):
        def _answer(self, what: str, token: str | None = None) -> None:
            tries.append(clock.now)
            super()._answer(what, token)

    below = Timed(*away(12))
    store = RetryingStore(below, clock, 2.0)
    store.insert("events", ROWS, "token")
    assert below.taken == [("events", "token")]
    waits = np.diff(tries)
    usual = np.minimum(2.0, 0.05 * 2.0 ** np.arange(12))
    assert ((0.799 * usual <= waits) & (waits <= 1.201 * usual)).all()
    assert len(set(np.round(waits / usual, 9))) == 12
    below.refusals, tries[:] = away(1), []
    store.command("X")
    assert np.diff(tries)[0] <= 0.061  # the next trouble begins anew


def test_every_kind_of_call_is_tried_again(clock: Clock) -> None:
    for call in ("query", "command"):
        below = Refusing(*away(2))
        getattr(RetryingStore(below, clock, 1.0), call)("SELECT 1")
        assert below.taken == [("SELECT 1", None)]
    assert RetryingStore(Refusing(*away(1)), clock, 1.0).query("SELECT 1").equals(ROWS)


def test_the_trouble_is_told_while_it_lasts(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    begun: list[int | None] = []
    store = RetryingStore(Refusing(*away(2)), clock, 1.0)
    passing = clock.wait

    def wait(timeout: float | None = None) -> bool:
        told.append(store.trouble)
        begun.append(store.trouble_since)
        return passing(timeout)

    monkeypatch.setattr(clock, "wait", wait)
    assert store.trouble == ""
    with caplog.at_level(logging.WARNING):
        store.insert("events", ROWS)
    assert list(dict.fromkeys(told)) == ["refused 0; trying again", "refused 1; trying again"]
    assert store.trouble == ""
    assert (set(begun), store.trouble_since, store.retries) == ({100_000}, None, 2)
    assert "refused 0; trying again in 0.1 s" in caplog.text


def test_what_would_be_refused_again_is_not_tried_again(clock: Clock) -> None:
    below = Refusing(StoreError("no such column"))
    store = RetryingStore(below, clock, 1.0)
    with pytest.raises(StoreError, match="no such column"):
        store.insert("events", ROWS)
    assert (clock.now, below.taken, store.trouble) == (100.0, [], "")


def test_a_partition_that_goes_ends_the_wait_for_it_alone() -> None:
    below = Refusing(*away(3))
    store = RetryingStore(below, threading.Event(), 3600.0)
    store.interrupt.set()
    with pytest.raises(Interrupted, match="went to another worker"):
        store.insert("events", ROWS)
    assert len(below.refusals) == 2  # a write that needs no waiting may still pass
    store.interrupt.clear()
    store.insert("events", ROWS)
    store.interrupt.set()
    store.insert("events", ROWS)
    assert len(below.taken) == 2


def test_a_stop_ends_the_wait_at_once() -> None:
    stop = threading.Event()
    below = Refusing(*away(10_000))
    store = RetryingStore(below, stop, 3600.0)
    ended: list[float] = []

    def write() -> None:
        with pytest.raises(Stopped, match="Kafka keeps the rest"):
            store.insert("events", ROWS)
        ended.append(time.monotonic())

    thread = threading.Thread(target=write)
    thread.start()
    while len(below.refusals) > 9_994:  # by now a wait takes a second or more
        time.sleep(0.01)
    asked = time.monotonic()
    stop.set()
    thread.join(10)
    assert ended
    assert ended[0] - asked < 0.5
    assert below.taken == []


def test_nothing_is_begun_after_a_stop_and_closing_closes() -> None:
    stop = threading.Event()
    stop.set()
    below = Refusing()
    store = RetryingStore(below, stop, 1.0)
    with pytest.raises(Stopped):
        store.insert("events", ROWS)
    assert below.taken == []
    store.close()
    assert below.closed


def test_a_call_cut_off_by_closing_is_a_stop_and_not_an_error() -> None:
    class ClosedMeanwhile(Refusing):
        def command(self, sql: str, parameters: Parameters | None = None) -> None:
            store.close()
            raise StoreError("the store is closed")

    store = RetryingStore(ClosedMeanwhile(), threading.Event(), longest_wait_s=1.0)
    with pytest.raises(Stopped):
        store.command("SELECT 1")
