"""Fetches that a seek overtakes are known as such, and a dropped one is missed by the next."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

from faust.types import TP

from streams.ingest.seeks import Seeks

A, B = TP("events", 0), TP("events", 1)


def records(tp: TP, first: int, last: int) -> Mapping[TP, list[SimpleNamespace]]:
    return {tp: [SimpleNamespace(offset=offset) for offset in range(first, last + 1)]}


def test_fetches_follow_each_other() -> None:
    seeks = Seeks()
    for first, follows in ((0, None), (10, 10), (25, 20)):
        seeks.fetched(records(A, first, first + 9), seeks.counted())
        assert seeks.follows(A) == follows
        assert not seeks.overtaken(A)


def test_a_fetch_after_a_seek_follows_it() -> None:
    seeks = Seeks()
    with seeks.under_way({A}):
        seeks.read_to[A] = 100
    seeks.fetched(records(A, 103, 110), seeks.counted())  # 100 to 102 were compacted away
    assert (seeks.follows(A), seeks.overtaken(A)) == (100, False)


def test_a_fetch_that_began_before_or_during_a_seek_is_overtaken() -> None:
    seeks = Seeks()
    before = seeks.counted()
    with seeks.under_way({A}):
        during = seeks.counted()
        seeks.fetched(records(A, 50, 59), during)
        assert seeks.overtaken(A)
    for begun in (before, during):
        seeks.read_to[A] = 0
        seeks.fetched(records(A, 50, 59), begun)
        assert seeks.overtaken(A)
        seeks.fetched(records(A, 60, 69), seeks.counted())
        assert (seeks.follows(A), seeks.overtaken(A)) == (None, False)


def test_a_seek_overtakes_what_was_fetched_and_not_yet_handed_out() -> None:
    seeks = Seeks()
    seeks.fetched(records(A, 0, 9), seeks.counted())
    seeks.fetched(records(B, 0, 9), seeks.counted())
    with seeks.under_way({A}):
        seeks.read_to[A] = 5
    assert seeks.overtaken(A)
    assert not seeks.overtaken(B)


def test_a_dropped_fetch_is_missed_by_the_next() -> None:
    seeks = Seeks()
    seeks.fetched(records(A, 0, 9), seeks.counted())
    seeks.dropped(records(A, 10, 19))
    seeks.fetched(records(A, 20, 29), seeks.counted())
    assert seeks.follows(A) is None
