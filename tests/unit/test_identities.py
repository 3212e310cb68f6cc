"""Memory of recent identities: what it keeps, what it lets go, and what it then admits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.ingest.identities import RecentIdentities
from streams.ingest.recovery import identity_hashes

WINDOW = 400_000
NOW = 100_000_000


def ids(*names: int) -> NDArray[np.uint64]:
    return np.array(names, np.uint64)


def at(*times: int) -> NDArray[np.int64]:
    return np.array(times, np.int64)


def test_an_event_stays_known_for_the_whole_window() -> None:
    memory = RecentIdentities(WINDOW, 1000)
    memory.add(ids(1), at(NOW), NOW)
    memory.add(ids(2), at(NOW + WINDOW), NOW + WINDOW)
    assert memory.certainly_new(ids(1, 2, 3), at(NOW, NOW, NOW)).tolist() == [False, False, True]
    assert memory.known_since <= NOW


def test_what_is_forgotten_is_never_called_new() -> None:
    memory = RecentIdentities(WINDOW, 1000)
    memory.add(ids(1), at(NOW), NOW)
    memory.add(ids(2), at(NOW + 2 * WINDOW), NOW + 2 * WINDOW)
    assert len(memory) == 1
    assert memory.known_since > NOW
    assert memory.certainly_new(ids(1, 9), at(NOW, NOW)).tolist() == [False, False]
    assert memory.certainly_new(ids(9), at(memory.known_since)).tolist() == [True]


def test_the_capacity_is_kept_by_forgetting_the_oldest_first() -> None:
    memory = RecentIdentities(WINDOW, 100)
    rng = np.random.default_rng(1)
    for step in range(40):
        ts = NOW + 10_000 * step + rng.integers(0, 10_000, 20)
        memory.add(rng.integers(0, 2**63, 20).astype(np.uint64), ts, 0)
    assert len(memory) <= 100 + 10 * 20  # a slice of event time goes as a whole
    assert memory.known_since > NOW
    newest = NOW + 10_000 * 40
    assert memory.certainly_new(ids(7), at(newest)).tolist() == [True]
    assert memory.certainly_new(ids(7), at(NOW)).tolist() == [False]


def test_many_small_batches_are_searched_in_few_runs() -> None:
    memory = RecentIdentities(WINDOW, 10**6)
    for step in range(200):
        memory.add(ids(step, step + 1000), at(NOW, NOW), NOW)
    (part,) = memory._slices.values()
    assert len(part.runs) <= 4
    known = memory.certainly_new(np.arange(1300, dtype=np.uint64), np.full(1300, NOW))
    assert np.flatnonzero(known).tolist() == [*range(200, 1000), *range(1200, 1300)]


def test_nothing_asked_and_nothing_known() -> None:
    memory = RecentIdentities(WINDOW, 10)
    assert memory.certainly_new(ids(), at()).tolist() == []
    memory.add(ids(), at(), NOW)
    assert memory.certainly_new(ids(4), at(0)).tolist() == [True]


def test_identity_is_event_and_account_together() -> None:
    events = np.array([hash("e1"), hash("e1"), hash("e2"), hash("e1")], np.int64)
    mixed = identity_hashes(events, np.array([0, 1, 0, 0]), ["a", "b"])
    assert mixed[0] == mixed[3]
    assert len(set(mixed.tolist())) == 3
