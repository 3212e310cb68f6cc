"""Waiting for a store: longer and longer, never for nothing, and not beyond a stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from streams.errors import StoreError, StoreUnavailable
from streams.storage.base import Parameters
from streams.storage.retry import RetryingStore, Stopped

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
    """An event whose waits pass at once and are remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        return self.is_set()


def away(count: int) -> list[StoreError]:
    return [StoreUnavailable(f"refused {n}") for n in range(count)]


def test_waits_double_up_to_the_longest_and_are_spread() -> None:
    clock = Clock()
    below = Refusing(*away(12))
    RetryingStore(below, clock, 2.0).insert("events", ROWS, "token")
    assert below.taken == [("events", "token")]
    assert len(clock.waits) == 12
    for number, wait in enumerate(clock.waits):
        usual = min(2.0, 0.05 * 2**number)
        assert 0.8 * usual <= wait <= 1.2 * usual
    assert len(set(clock.waits)) == 12
    again = Clock()
    RetryingStore(Refusing(*away(1)), again, 2.0).command("X")
    assert again.waits[0] <= 0.06  # the next trouble begins anew


def test_every_kind_of_call_is_tried_again() -> None:
    for call in ("query", "command"):
        below = Refusing(*away(2))
        getattr(RetryingStore(below, Clock(), 1.0), call)("SELECT 1")
        assert below.taken == [("SELECT 1", None)]
    assert RetryingStore(Refusing(*away(1)), Clock(), 1.0).query("SELECT 1").equals(ROWS)


def test_the_trouble_is_told_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    class Watching(Clock):
        def wait(self, timeout: float | None = None) -> bool:
            told.append(store.trouble)
            return super().wait(timeout)

    store = RetryingStore(Refusing(*away(2)), Watching(), 1.0)
    assert store.trouble == ""
    with caplog.at_level(logging.WARNING):
        store.insert("events", ROWS)
    assert told == ["refused 0; trying again", "refused 1; trying again"]
    assert store.trouble == ""
    assert "refused 0; trying again in 0.1 s" in caplog.text


def test_what_would_be_refused_again_is_not_tried_again() -> None:
    clock = Clock()
    below = Refusing(StoreError("no such column"))
    store = RetryingStore(below, clock, 1.0)
    with pytest.raises(StoreError, match="no such column"):
        store.insert("events", ROWS)
    assert (clock.waits, below.taken, store.trouble) == ([], [], "")


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
    while len(below.refusals) > 9_995:  # by now a wait takes a second or more
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
