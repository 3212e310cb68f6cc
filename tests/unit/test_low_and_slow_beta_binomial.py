"""The beta-binomial tail against exact arithmetic, and the dispersion against what it was drawn."""

from __future__ import annotations

from fractions import Fraction
from math import comb, log10

import numpy as np
import pytest

from detectors.beta_binomial import TRIALS_MAX, excess_and_pairs, tail
from detectors.negative_binomial import P_VALUE_MIN


def exact_tail(count: int, trials: int, a: int, b: int) -> Fraction:
    """Polya's urn: a red, b black, each drawn ball goes back with another of its colour."""
    total = Fraction(0)
    for j in range(count, trials + 1):
        chance = Fraction(comb(trials, j))
        for i in range(j):
            chance *= Fraction(a + i, a + b + i)
        for i in range(trials - j):
            chance *= Fraction(b + i, a + b + j + i)
        total += chance
    return total


def tail_of(count: float, trials: int, a: float, b: float) -> float:
    one = np.ones(1)
    got = tail(count * one, trials * one, a / (a + b) * one, one / (a + b + 1))
    return float(got[0])


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 9), (3, 40), (20, 5)])
@pytest.mark.parametrize(("count", "trials"), [(1, 1), (1, 20), (7, 20), (20, 20), (40, 64)])
def test_tail_equals_exact_arithmetic_up_to_the_limit(
    count: int, trials: int, a: int, b: int
) -> None:
    expected = float(exact_tail(count, trials, a, b))
    assert tail_of(count, trials, a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("a", "b"), [(1, 9), (3, 40), (20, 5)])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.85])
@pytest.mark.parametrize("trials", [TRIALS_MAX + 1, 200, 600])
def test_many_trials_are_taken_as_fewer_of_the_same_variance(
    share: float, trials: int, a: int, b: int
) -> None:
    count = round(share * trials)
    expected = log10(exact_tail(count, trials, a, b))
    got = log10(tail_of(count, trials, a, b))
    if expected > -9.0:
        assert got == pytest.approx(expected, rel=0.15, abs=0.02)
    assert got >= expected * 1.02 - 0.02, "far out it errs, and on the side of silence"


@pytest.mark.parametrize("trials", [20, 64, 65, 1000])
def test_more_is_never_less_strange(trials: int) -> None:
    count = np.linspace(0.0, trials, 4 * trials + 1)  # whole counts and parts of them
    same = np.ones_like(count)
    p = tail(count, trials * same, 0.2 * same, 0.05 * same)
    assert (np.diff(p) <= 0.0).all()
    assert p[0] == 1.0
    assert ((p >= P_VALUE_MIN) & (p <= 1.0)).all()


def test_no_jump_where_the_approximation_begins() -> None:
    one = np.ones(1)
    at = [
        log10(tail(0.6 * n * one, n * one, 0.2 * one, 0.05 * one)[0])
        for n in (TRIALS_MAX, TRIALS_MAX + 1, TRIALS_MAX + 6)
    ]
    assert at == pytest.approx([at[0]] * 3, abs=0.25)


def test_the_dispersion_is_found_again() -> None:
    rng = np.random.default_rng(1)
    trials = rng.integers(5, 60, 200_000).astype(np.float64)
    share = rng.beta(2.0, 6.0, len(trials))  # mean .25, dispersion 1 / 9
    count = rng.binomial(trials.astype(np.int64), share).astype(np.float64)
    excess, pairs = excess_and_pairs(count, trials, np.full(len(trials), 0.25))
    assert excess.sum() / pairs.sum() == pytest.approx(1 / 9, rel=0.03)
