"""Detectors together: a budget shared, agreement rewarded, silence costing little."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from detectors.combination import combine, discoveries

NAN = float("nan")


def p_of(*values: float, weight: tuple[float, ...] = (0.4, 0.3, 0.3)) -> float:
    return float(combine(np.array([values]), np.array(weight))[0])


def test_one_that_stands_alone_pays_its_share() -> None:
    assert p_of(1e-5, 1.0, 1.0) == pytest.approx(1e-5 / 0.4, rel=0.01)


def test_those_that_agree_are_stronger_than_each() -> None:
    assert p_of(1e-3, 1e-3, 1e-3) == pytest.approx(1e-3, rel=0.01)
    assert p_of(1e-3, 1e-3, 1.0) < p_of(1e-3, 1.0, 1.0)


def test_who_has_no_verdict_takes_no_part() -> None:
    assert p_of(1e-4, NAN, NAN) == pytest.approx(1e-4, rel=1e-6)
    assert np.isnan(p_of(NAN, NAN, NAN))
    assert np.isnan(p_of(0.5, 0.5, weight=(0.0, 0.0)))


def test_tiny_p_values_stay_exact() -> None:
    assert p_of(1e-200, 0.5, 0.5) == pytest.approx(2.5e-200, rel=1e-6)


@pytest.mark.parametrize("together", [0.0, 0.9])
def test_it_is_uniform_in_the_tail_however_they_depend(together: float) -> None:
    rng = np.random.default_rng(1)
    count = 1_000_000
    shared = rng.normal(size=(count, 1))
    own = rng.normal(size=(count, 3))
    z = np.sqrt(together) * shared + np.sqrt(1 - together) * own
    p = combine(ndtr(-z), np.array([0.4, 0.3, 0.3]))
    for nominal in (1e-2, 1e-3):
        assert (p <= nominal).mean() == pytest.approx(nominal, rel=0.25)


def test_discoveries_grow_with_the_number_of_small_ones() -> None:
    few = discoveries(np.array([1e-4, 2e-3]), 1000, 0.1)
    assert few.tolist() == [True, False]
    many = discoveries(np.array([1e-4] * 25 + [2e-3]), 1000, 0.1)
    assert many.all()
    assert not discoveries(np.array([0.5, 0.9]), 10, 0.1).any()
    assert discoveries(np.zeros(0), 0, 0.1).tolist() == []
