"""p-values mean what they say: on accounts not seen before, beyond the sample, by stratum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.calibration import LEVELS, Population, Reference


def heavy(rng: np.random.Generator, count: int, rate: float = 1.0) -> NDArray[np.float64]:
    """Evidence as detectors give it: mostly nothing, then an exponential tail."""
    return np.maximum(rng.exponential(rate, count) - rate, 0.0)


def one(count: int, stratum: int = 0) -> NDArray[np.int64]:
    return np.full(count, stratum)


def test_p_values_are_honest_on_others_down_to_one_in_ten_thousand() -> None:
    rng = np.random.default_rng(1)
    population = Population(1)
    population.learn(heavy(rng, 50_000), one(50_000))
    others = heavy(rng, 1_000_000)
    p = population.p_value(others, one(len(others)))
    for nominal in (0.1, 0.01, 1e-3, 1e-4):
        observed = float((p <= nominal).mean())
        assert nominal / 2 <= observed <= nominal * 2, nominal


def test_a_population_of_its_own_outweighs_the_reference() -> None:
    rng = np.random.default_rng(2)
    loud = Population(1)
    loud.learn(heavy(rng, 50_000, 3.0), one(50_000))
    quiet = Population(1, loud.as_reference(), reference_weight=2000.0)
    before = quiet.p_value(np.array([3.0]), one(1))[0]
    quiet.learn(heavy(rng, 200_000, 0.5), one(200_000))
    after = quiet.p_value(np.array([3.0]), one(1))[0]
    assert before == pytest.approx(loud.p_value(np.array([3.0]), one(1))[0], rel=0.2)
    assert after < before / 20


def test_a_reference_says_again_what_the_population_knew() -> None:
    rng = np.random.default_rng(3)
    population = Population(2)
    population.learn(heavy(rng, 30_000), one(30_000))
    population.learn(heavy(rng, 30_000, 4.0), one(30_000, 1))
    copy = Population(2, population.as_reference())
    for stratum in (0, 1):
        for evidence in (0.5, 2.0, 6.0, 15.0):
            a = population.p_value(np.array([evidence]), one(1, stratum))[0]
            b = copy.p_value(np.array([evidence]), one(1, stratum))[0]
            assert math.log10(a) == pytest.approx(math.log10(b), abs=0.15)


def test_strata_do_not_mix() -> None:
    population = Population(2)
    population.learn(np.full(5000, 9.0), one(5000, 1))
    p = population.p_value(np.array([8.0, 8.0]), np.array([0, 1]))
    assert p[0] < 1e-3
    assert p[1] > 0.5


def test_more_evidence_is_never_more_probable() -> None:
    rng = np.random.default_rng(4)
    population = Population(1)
    population.learn(heavy(rng, 4000), one(4000))
    p = population.p_value(np.linspace(0.0, 60.0, 2001), one(2001))
    assert (np.diff(p) <= 1e-12).all()
    assert ((p > 0.0) & (p <= 1.0)).all()


def test_the_limit_is_where_the_p_value_is_reached() -> None:
    rng = np.random.default_rng(5)
    population = Population(1)
    population.learn(heavy(rng, 20_000), one(20_000))
    for p in (0.05, 1e-3, 1e-5):
        limit = population.limit(p, 0)
        assert population.p_value(np.array([limit]), one(1))[0] <= p
        assert population.p_value(np.array([limit - 0.1]), one(1))[0] > p


def test_nan_stays_nan_and_nothing_is_nothing_unusual() -> None:
    population = Population(1)
    p = population.p_value(np.array([np.nan, 0.0]), one(2))
    assert np.isnan(p[0])
    assert p[1] == 1.0


def test_what_was_learned_fades() -> None:
    population = Population(1, half_life_h=10.0)
    population.learn(np.ones(1000), one(1000))
    population.pass_hours(20)
    assert population.hours.tolist() == [250.0]


def test_a_dump_brings_back_every_p_value() -> None:
    rng = np.random.default_rng(6)
    population = Population(3)
    population.learn(heavy(rng, 9000), rng.integers(0, 3, 9000))
    population.pass_hours(3)
    copy = Population(3)
    copy.load(population.dump())
    evidence, stratum = heavy(rng, 500, 5.0), rng.integers(0, 3, 500)
    assert (
        copy.p_value(evidence, stratum).tolist() == population.p_value(evidence, stratum).tolist()
    )


def test_a_reference_without_knowledge_takes_two_units_for_a_decade() -> None:
    reference = Reference.none(1)
    survival = reference.survival(np.array([0.0, 2.0, 4.0, 8.0, 12.0]), 0)
    assert np.log10(survival).tolist() == pytest.approx([0.0, -1.0, -2.0, -4.0, -6.0], abs=1e-6)
    assert len(reference.quantiles[0]) == len(LEVELS)
