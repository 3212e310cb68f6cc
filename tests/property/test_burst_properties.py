"""Burst against a naive reference: closed forms equal steps, more is never less suspicious."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import burst
from detectors.base import State
from detectors.burst_state import history, record

HOUR = 3_600_000
FIVE = 300_000
START = 1_700_006_400_000
PARAMETERS = burst.Parameters()
COUNTS = st.integers(0, 10**7)


@st.composite
def states(draw: st.DrawFn) -> State:
    """An account with any plausible past, warm at START + 3 days."""
    state = np.zeros(1, dtype=burst.STATE)
    state["first_seen_ms"] = START
    state["hour"] = (START + draw(st.integers(0, 71)) * HOUR) // HOUR
    state["closed"] = (START + draw(st.integers(0, 860)) * FIVE) // FIVE
    state["learned"] = draw(st.integers(0, 100_000))
    state["record"] = [[[draw(COUNTS), 500 * draw(COUNTS)] for _ in range(3)]]
    state["peak"] = [[[draw(COUNTS), 500 * draw(COUNTS)] for _ in range(3)]]
    state["record_age_h"] = draw(st.integers(0, 2_000))
    mean = np.array([draw(COUNTS), 500 * draw(COUNTS)]) / 300.0
    weight = min(float(state["learned"][0]), 800.0)
    state["total"] = mean * weight
    state["squares"] = mean**2 * weight * draw(st.floats(1.0, 500.0))
    return state


NOW = START + 72 * HOUR + 5_000


@settings(deadline=None)
@given(states(), st.lists(st.integers(0, 10**12), min_size=2, max_size=20), st.integers(0, 5))
def test_more_is_never_less_suspicious(state: State, counts: list[int], cell: int) -> None:
    window, series = divmod(cell, 2)
    ordered = np.sort(np.array(counts, dtype=np.float64))
    sums = np.zeros((len(ordered), 3, 2))
    sums[:, window, series] = ordered
    scores = burst.score(np.repeat(state, len(ordered)), sums, NOW, PARAMETERS)
    p = scores.p_value[:, window, series]
    assert (np.diff(p) <= 1e-9 * p[:-1]).all()
    assert (np.diff(scores.ratio[:, window, series]) >= 0.0).all()
    assert (np.diff(scores.alarm.astype(int)) >= 0).all()


@settings(deadline=None)
@given(states(), st.integers(0, 2), st.integers(0, 1), st.floats(0.0, 20.0))
def test_the_threshold_is_exact(state: State, window: int, series: int, ratio: float) -> None:
    parameters = burst.Parameters(ratio=ratio)
    at = (np.array([window]), np.array([series]))
    limit = burst.threshold(state, *at, NOW, parameters)[0]
    sums = np.zeros((2, 3, 2))
    sums[:, window, series] = limit, limit - 1.0
    alarm = burst.score(np.repeat(state, 2), sums, NOW, parameters).alarm
    assert alarm.tolist() == [True, False]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 150), COUNTS), min_size=1, max_size=15), st.integers(0, 150)
)
def test_windows_skipped_equal_windows_learned_as_zeros(
    visits: list[tuple[int, int]], idle: int
) -> None:
    first = np.zeros((1, 3, 2))
    first[:] = 1.0
    lazy = burst.observe(np.zeros(1, dtype=burst.STATE), first, START + 5_000, PARAMETERS)
    naive = lazy.copy()
    end = START
    weight, decay = 0.0, 0.5 ** (FIVE / 1000 / PARAMETERS.baseline_half_life_s)
    for skipped, count in visits:
        for _ in range(skipped):
            end += FIVE
            naive = burst.learn(naive, np.zeros((1, 2)), end, PARAMETERS)
        weight = (weight + sum(decay**-k for k in range(1, skipped + 1))) * decay**skipped
        weight = weight * decay + 1.0
        end += FIVE
        sums = np.array([[count, 500.0 * count]])
        naive = burst.learn(naive, sums, end, PARAMETERS)
        lazy = burst.learn(lazy, sums, end, PARAMETERS)
    np.testing.assert_allclose(history(lazy, end + 5_000, PARAMETERS)[2], weight, rtol=1e-9)
    later = end + idle * FIVE + 5_000
    for _ in range(idle):
        end += FIVE
        naive = burst.learn(naive, np.zeros((1, 2)), end, PARAMETERS)
    for left, right in zip(
        history(lazy, later, PARAMETERS), history(naive, later, PARAMETERS), strict=True
    ):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-200)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2_000), st.lists(COUNTS, min_size=1, max_size=4)),
        min_size=1,
        max_size=20,
    ),
    st.integers(0, 2_000),
)
def test_the_record_equals_one_kept_hour_by_hour(
    visits: list[tuple[int, list[int]]], idle: int
) -> None:
    decay = 0.5 ** (3600.0 / PARAMETERS.record_half_life_s)
    state = np.zeros(1, dtype=burst.STATE)
    hour, best = 0, 0.0
    now = START
    for skipped, counts in visits:
        hour += skipped
        for _ in range(skipped):
            best *= decay
        for tick, count in enumerate(counts):
            now = START + hour * HOUR + (tick + 1) * 5_000
            sums = np.full((1, 3, 2), float(count))
            got, value, age = record(state, now, PARAMETERS)
            np.testing.assert_allclose(got, best, rtol=1e-9, atol=1e-200)
            np.testing.assert_allclose(value * decay ** age.astype(float), got, rtol=1e-9)
            state = burst.observe(state, sums, now, PARAMETERS)
        hour += 1
        best = max(best * decay, float(max(counts)))
    best *= decay**idle
    got = record(state, START + (hour + idle) * HOUR + 5_000, PARAMETERS)[0]
    np.testing.assert_allclose(got, best, rtol=1e-9, atol=1e-200)


@settings(deadline=None, max_examples=20)
@given(st.lists(states(), min_size=2, max_size=6), st.randoms(use_true_random=False), COUNTS)
def test_scores_are_the_same_however_a_batch_is_cut(
    rows: list[State], random: object, count: int
) -> None:
    state = np.concatenate(rows)
    sums = np.full((len(state), 3, 2), float(count))
    whole = burst.score(state, sums, NOW, PARAMETERS)
    learned = burst.learn(state, sums[:, 1], NOW - 5_000, PARAMETERS)
    order = list(range(len(state)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for row in order:
        one = burst.score(state[[row]], sums[[row]], NOW, PARAMETERS)
        for name in ("p_value", "ratio", "expected", "alarm", "window", "series"):
            assert getattr(one, name).tobytes() == getattr(whole, name)[[row]].tobytes()
        single = burst.learn(state[[row]], sums[[row], 1], NOW - 5_000, PARAMETERS)
        assert single.tobytes() == learned[[row]].tobytes()
