"""The negative-binomial tail and the moments against independent arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from detectors.negative_binomial import P_VALUE_MIN, moments, tail


def exact_tail(count: int, mean: Fraction, size: int) -> Fraction:
    """1 - sum of the probabilities below `count`, in rational numbers."""
    success = size / (mean + size)
    term, below = success**size, Fraction(0)
    for k in range(count):
        below += term
        term *= Fraction(size + k, k + 1) * (1 - success)
    return 1 - below


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("mean", [Fraction(1, 100), Fraction(3), Fraction(250)])
@pytest.mark.parametrize("count", [1, 2, 30, 400])
def test_tail_equals_exact_arithmetic(count: int, mean: Fraction, size: int) -> None:
    expected = max(float(exact_tail(count, mean, size)), P_VALUE_MIN)
    got = tail(np.array([float(count)]), np.array([float(mean)]), np.array([float(size)]))
    assert got[0] == pytest.approx(expected, rel=1e-9)


def test_tail_is_a_probability_from_the_smallest_to_the_largest_counts() -> None:
    counts, means, sizes = np.meshgrid(
        [0.0, 1.0, 30.0, 1e6, 1e12], [1e-9, 1e-3, 1.0, 1e6, 1e12], [1e-4, 1.0, 20.0, 1e6]
    )
    p = tail(counts.ravel(), means.ravel(), sizes.ravel())
    assert np.isfinite(p).all()
    assert ((p >= P_VALUE_MIN) & (p <= 1.0)).all()


def test_moments_recover_a_negative_binomial() -> None:
    sample = np.random.default_rng(1).negative_binomial(2, 2 / 42, 200_000).astype(float)
    one = np.ones(1)
    mean, size = moments(
        sample.sum() * one, (sample**2).sum() * one, len(sample) * one, 0.0, one, one, (1e-3, 1e3)
    )
    assert mean[0] == pytest.approx(40.0, rel=0.02)
    assert size[0] == pytest.approx(2.0, rel=0.05)


def test_a_constant_count_meets_the_lower_limit_and_no_history_the_prior() -> None:
    one = np.ones(1)
    constant = moments(50 * one, 250 * one, 10 * one, 0.0, one, one, (0.05, 1e3))
    assert (constant[0][0], constant[1][0]) == (5.0, 20.0)
    none = moments(0 * one, 0 * one, 0 * one, 12.0, 3 * one, 4 * one, (0.05, 1e3))
    assert (none[0][0], none[1][0]) == (3.0, 0.25)


def test_tail_keeps_its_digits_where_the_mean_dwarfs_the_size() -> None:
    count = mean = np.array([1e12])  # size 1 is geometric: (mean / (mean + 1)) ** count
    expected = np.exp(-count * np.log1p(1.0 / mean))
    assert tail(count, mean, np.ones(1))[0] == pytest.approx(expected[0], rel=1e-9)
