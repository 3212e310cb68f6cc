"""What quota, use case and shape share: tails of shares, quarantine, the logarithm, bisection."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from detectors.base import BoolArray, FloatArray
from detectors.bisection import smallest
from detectors.logarithm import log
from detectors.quarantine import COUNT_MAX, learning
from detectors.shares import P_VALUE_MIN, share_tail, student_tail, variance_ratio_tail


def test_share_tail_is_binomial_without_correlation() -> None:
    hits, of = np.array([0.0, 1.0, 7.0, 20.0]), np.full(4, 20.0)
    expected = stats.binom.sf(hits - 1, 20, 0.2)
    assert share_tail(hits, of, np.full(4, 0.2), 0.0) == pytest.approx(expected, rel=1e-9)


def test_correlated_hits_say_less() -> None:
    one = np.ones(1)
    tails = [share_tail(50 * one, 100 * one, 0.2 * one, r)[0] for r in (0.0, 0.03, 0.3)]
    assert tails == sorted(tails)
    assert tails[0] < 1e-9 < 1e-2 < tails[2]


def test_tails_match_scipy_and_never_reach_zero() -> None:
    t = np.array([-2.0, 0.0, 3.0])
    assert student_tail(t, np.full(3, 7.0)) == pytest.approx(stats.t.sf(t, 7), rel=1e-9)
    x = np.array([0.5, 2.0, 9.0])
    expected = stats.f.sf(x, 3, 12)
    assert variance_ratio_tail(x, np.full(3, 3.0), np.full(3, 12.0)) == pytest.approx(expected)
    one = np.ones(1)
    assert share_tail(1e6 * one, 1e6 * one, 1e-3 * one, 0.0)[0] == P_VALUE_MIN


def test_the_logarithm_is_accurate_over_the_whole_range() -> None:
    x = np.exp(np.random.default_rng(1).uniform(-600.0, 600.0, 10_000))
    assert np.abs(log(x) - np.log(x)).max() < 1e-11


def test_the_logarithm_does_not_depend_on_its_neighbours() -> None:
    x = np.random.default_rng(2).uniform(0.0, 9.0, 101)
    alone = np.array([log(x[i : i + 1])[0] for i in range(len(x))])
    assert log(x).tobytes() == alone.tobytes()


def test_quarantine_is_bounded_and_drains() -> None:
    count = np.zeros(1, np.uint8)
    gains = []
    for _ in range(10):
        _, gain, count = learning(
            count, np.ones(1, np.int64), np.ones(1, bool), 100 * np.ones(1), 6.0, 1e9, 0.25
        )
        gains.append(float(gain[0]))
    assert gains == [0.0] * 6 + [25.0] * 4
    rested = learning(count, np.full(1, 96), np.zeros(1, bool), 100 * np.ones(1), 6.0, 24.0, 0.25)
    assert rested[2][0] < count[0] / 10
    assert rested[1][0] == 1.0, "an ordinary hour is learned as it is"


def test_quarantine_fits_its_byte() -> None:
    count = np.full(1, 255, np.uint8)
    again = learning(count, np.zeros(1, np.int64), np.ones(1, bool), np.ones(1), 6.0, 9.0, 0.2)
    assert again[2][0] == 255
    assert COUNT_MAX == 255 / 16


@pytest.mark.parametrize("observed", [0.0, 3.0, 41.7, 1e9])
def test_smallest_alarms_and_one_less_does_not(observed: float) -> None:
    for limit in (0, 1, 17, 123_456):
        assert smallest(lambda x, at=limit: x >= at, observed, 1e10) == limit  # type: ignore[misc]


def test_smallest_is_never_above_an_observed_value_that_alarms() -> None:
    assert smallest(lambda x: x >= 0.9504, 0.95045, 1.0, per_unit=1000) == 0.95045


def test_smallest_looks_above_the_usual_when_less_is_strange_too() -> None:
    def both_sides(x: FloatArray) -> BoolArray:
        outside: BoolArray = np.abs(x - 100.0) >= 40.0
        return outside

    assert smallest(both_sides, 500.0, 1e9, usual=100.0) == 140.0
    assert smallest(both_sides, 500.0, 1e9) == 0.0
    assert smallest(lambda x: x < 0.0, 5.0, 1e9) == math.inf
