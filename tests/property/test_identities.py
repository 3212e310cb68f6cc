"""Memory of recent identities against a plain set: what was stored is never called new."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.ingest.identities import RecentIdentities

SECOND = 1000
batches = st.lists(
    st.lists(
        st.tuples(st.integers(0, 60), st.just(0) | st.integers(0, 40) | st.integers(0, 900)),
        min_size=1,
        max_size=25,
    ),
    min_size=1,
    max_size=25,
)


def columns(batch: list[tuple[int, int]], now: int) -> tuple[Any, Any]:
    names = np.array([name for name, _ in batch], np.uint64) * np.uint64(2**57 + 1)
    ts = np.array([max(0, now - back * SECOND) for _, back in batch], np.int64)
    return names, ts


@settings(max_examples=250, deadline=None)
@given(batches, st.sampled_from((10, 60, 1000)), st.sampled_from((1, 30, 10_000)), st.data())
def test_never_wrongly_new(
    drawn: list[list[tuple[int, int]]], window_s: int, capacity: int, data: st.DataObject
) -> None:
    memory = RecentIdentities(window_s * SECOND, capacity)
    stored: set[int] = set()
    moments: dict[int, list[int]] = {}
    now = 1_000_000 * SECOND
    for batch in drawn:
        now += data.draw(st.integers(0, 30)) * SECOND
        names, ts = columns(batch, now)
        known_since = memory.known_since
        new = memory.certainly_new(names, ts)
        for name, time, is_new in zip(names.tolist(), ts.tolist(), new.tolist(), strict=True):
            remembered = any(then >= known_since for then in moments.get(name, ()))
            assert not (is_new and remembered)
            assert not (is_new and time < known_since)
            if name not in stored and time >= known_since:
                assert is_new  # what was never seen costs no look-up while it is recent
        memory.add(names, ts, now)
        assert memory.known_since >= known_since
        stored.update(names.tolist())
        for name, time in zip(names.tolist(), ts.tolist(), strict=True):
            moments.setdefault(name, []).append(time)


@settings(max_examples=100, deadline=None)
@given(batches)
def test_without_eviction_the_answer_is_exact(drawn: list[list[tuple[int, int]]]) -> None:
    memory = RecentIdentities(10**9 * SECOND, 10**9)
    stored: set[int] = set()
    for batch in drawn:
        names, ts = columns(batch, 10**6 * SECOND)
        assert memory.certainly_new(names, ts).tolist() == [n not in stored for n in names.tolist()]
        memory.add(names, ts, 10**6 * SECOND)
        stored.update(names.tolist())
    assert len(memory) == sum(len(batch) for batch in drawn)
