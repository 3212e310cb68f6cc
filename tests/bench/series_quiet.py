"""Series in which nothing deserves an alarm. Part of `tests.bench.series_kinds`."""

from __future__ import annotations

import numpy as np

from tests.bench.series_parts import Made, Rng, ar, hops, hump, weekend

__all__ = [
    "quiet_counts",
    "quiet_days",
    "quiet_growth",
    "quiet_heavy",
    "quiet_hops",
    "quiet_noise",
    "quiet_walk",
    "quiet_weeks",
]


def quiet_heavy(rng: Rng) -> Made:
    return rng.pareto(2.2, 4032) * 10.0, []


def quiet_hops(rng: Rng) -> Made:
    return hops(rng, 4032), []


def quiet_growth(rng: Rng) -> Made:
    """Every day higher than the last: growth is no anomaly."""
    rows = 6000
    x = (100.0 + 200.0 * hump(rows, 300)) * np.linspace(1.0, 3.0, rows)
    return x * (1.0 + 0.05 * ar(rng, rows, 0.8)), []


def quiet_weeks(rng: Rng) -> Made:
    rows = 8000
    week = np.where(weekend(rows, 900), 0.35, 1.0)
    return 200.0 + 900.0 * hump(rows, 900) * week + 40.0 * ar(rng, rows, 0.8), []


def quiet_noise(rng: Rng) -> Made:
    return rng.normal(0.0, 1.0, 4032), []


def quiet_days(rng: Rng) -> Made:
    rows = 4032
    x = 50.0 + 250.0 * hump(rows, 300) * (1 + 0.1 * ar(rng, rows, 0.95))
    return x + rng.normal(0.0, 8.0, rows), []


def quiet_walk(rng: Rng) -> Made:
    return 100.0 + 0.3 * np.cumsum(rng.normal(size=4032)), []


def quiet_counts(rng: Rng) -> Made:
    mean = 4 + 20 * hump(4032, 300)
    return rng.negative_binomial(3, 3 / (3 + mean)).astype(np.float64), []
