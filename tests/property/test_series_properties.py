"""What holds of the single-series detector for any series: causal, finite, cut as one likes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detectors.base import FloatArray
from detectors.series import Parameters, SeriesDetector, score

SHAPES = ("noise", "days", "steps", "counts", "constant", "walk", "wild")


@st.composite
def a_series(draw: st.DrawFn) -> tuple[FloatArray, FloatArray]:
    """Any rhythm, interval, gaps, equal times, missing values, outliers of any size."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(1, 700))
    step = draw(st.sampled_from([0.01, 1.0, 60.0, 300.0, 3600.0, 86400.0, 1e6]))
    times = draw(st.sampled_from([-1e9, 0.0, 1.7e9])) + np.arange(rows) * step
    if draw(st.booleans()):
        times = np.sort(times + rng.exponential(3 * step, rows) * (rng.random(rows) < 0.1))
    if draw(st.booleans()):
        times = np.repeat(times, 2)[:rows]
    shape = draw(st.sampled_from(SHAPES))
    makers: dict[str, Callable[[], FloatArray]] = {
        "noise": lambda: rng.normal(0.0, 1.0, rows),
        "days": lambda: np.sin(times / 86400 * 2 * np.pi) + rng.normal(0.0, 0.1, rows),
        "steps": lambda: np.repeat(rng.integers(0, 4, rows // 20 + 1), 20)[:rows].astype(float),
        "counts": lambda: rng.poisson(0.3, rows).astype(float),
        "constant": lambda: np.full(rows, 3.7),
        "walk": lambda: np.cumsum(rng.normal(0.0, 1.0, rows)),
        "wild": lambda: rng.normal(0.0, 1.0, rows) * 10.0 ** rng.uniform(-300, 300, rows),
    }
    values = makers[shape]()
    values[rng.random(rows) < draw(st.sampled_from([0.0, 0.05, 0.9]))] = np.nan
    return np.asarray(times, dtype=np.float64), values


@settings(max_examples=40, deadline=None)
@given(a_series())
def test_scores_are_finite_from_the_first_row_and_missing_ones_are_zero(
    series: tuple[FloatArray, FloatArray],
) -> None:
    times, values = series
    scores = score(times, values)
    assert scores.shape == values.shape
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (scores[np.isnan(values)] == 0).all()


@settings(max_examples=25, deadline=None)
@given(a_series(), st.data())
def test_a_row_sees_no_later_row(
    series: tuple[FloatArray, FloatArray], data: st.DataObject
) -> None:
    times, values = series
    end = data.draw(st.integers(1, len(values)))
    np.testing.assert_array_equal(score(times[:end], values[:end]), score(times, values)[:end])


@settings(max_examples=25, deadline=None)
@given(a_series(), st.data())
def test_how_rows_come_changes_nothing(
    series: tuple[FloatArray, FloatArray], data: st.DataObject
) -> None:
    times, values = series
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=8)))
    detector = SeriesDetector()
    parts = [
        detector.update(t, x)
        for t, x in zip(np.split(times, cuts), np.split(values, cuts), strict=True)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), score(times, values))


@settings(max_examples=8, deadline=None)
@given(a_series())
def test_the_input_is_not_changed(series: tuple[FloatArray, FloatArray]) -> None:
    times, values = series
    kept = times.copy(), values.copy()
    score(times, values)
    np.testing.assert_array_equal(times, kept[0])
    np.testing.assert_array_equal(values, kept[1])


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([2.0**-20, 0.25, 8.0, 2.0**30]),
)
def test_the_unit_does_not_matter(seed: int, unit: float) -> None:
    """Multiplied by a power of two a series gets the same scores."""
    rng = np.random.default_rng(seed)
    times = np.arange(700) * 300.0
    values = np.sin(times / 86400 * 2 * np.pi) + rng.normal(0.0, 0.2, 700)
    assume(np.ptp(values) > 0)
    np.testing.assert_allclose(
        score(times, unit * values), score(times, values), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("offset", [-1000.0, 50.0, 1e5])
def test_the_zero_does_not_matter(offset: float) -> None:
    rng = np.random.default_rng(1)
    times = np.arange(1500) * 300.0
    values = np.sin(times / 86400 * 2 * np.pi) + rng.normal(0.0, 0.2, 1500)
    values[1200] += 5.0
    np.testing.assert_allclose(score(times, values + offset), score(times, values), atol=1e-3)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_a_gap_is_no_anomaly_by_itself(seed: int, cycles: int) -> None:
    """A pause of whole days in a steady series raises nothing."""
    rng = np.random.default_rng(seed)
    times = np.arange(2016) * 300.0
    values = 10.0 + rng.normal(0.0, 1.0, 2016)
    times[1440:] += cycles * 86400.0
    scores = score(times, values)
    assert scores[1440:1500].max() <= max(scores[576:1440].max(), 0.6)


def test_small_blocks_and_large_ones_tell_the_same_story() -> None:
    rng = np.random.default_rng(9)
    times = np.arange(3000) * 300.0
    values = np.sin(times / 86400 * 2 * np.pi) + rng.normal(0.0, 0.1, 3000)
    values[2500:2510] += 3.0
    for block in (8, 64, 256):
        assert score(times, values, Parameters(block=block)).argmax() == 2500
