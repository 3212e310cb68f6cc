"""When requests arrive: renewal processes of many clients over one span, drawn at once.

A client's inter-arrival times are Gamma or Weibull with the wanted coefficient of variation (CV).
They are drawn for a fixed number of requests and stretched to fill the span: for Gamma gaps that
is exactly the renewal process given its count, and the span's rate is met however bursty it is.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = ["arrival_times", "rounded"]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def rounded(rng: np.random.Generator, expected: Floats) -> Counts:
    """Whole numbers with the given means: the fraction is the chance of one more."""
    return np.floor(expected + rng.random(len(expected))).astype(np.int64)


def arrival_times(
    rng: np.random.Generator, counts: Counts, cv: Floats, weibull: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], Floats]:
    """(client, time) of `counts[c]` requests of each client c, by client; times in [0, 1)."""
    busy = np.flatnonzero(counts)
    if not len(busy):
        return np.empty(0, np.int32), np.empty(0)
    gaps_of = counts[busy] + 1  # one gap before each request, and one to the end
    client = np.repeat(busy.astype(np.int32), gaps_of)
    gaps = _gaps(rng, cv[client], weibull[client])
    ends = np.cumsum(gaps_of)
    running = np.cumsum(gaps)
    before = np.repeat(np.concatenate(([0.0], running[ends[:-1] - 1])), gaps_of)
    total = np.repeat(np.add.reduceat(gaps, ends - gaps_of), gaps_of)
    times = np.minimum((running - before) / total, np.nextafter(1.0, 0.0))
    inner = np.ones(len(gaps), bool)
    inner[ends - 1] = False
    return client[inner], np.maximum(times[inner], 0.0)


def _gaps(rng: np.random.Generator, cv: Floats, weibull: NDArray[np.bool_]) -> Floats:
    """Gaps with mean 1 per client's scale: Gamma shape 1/CV^2, or Weibull of the same CV."""
    shape = 1 / cv**2
    gaps = rng.standard_gamma(shape) / shape
    if weibull.any():
        grid_cv, grid_k = _weibull_shapes()
        k = np.interp(cv[weibull], grid_cv, grid_k)
        mean = np.exp(gammaln(1 + 1 / k))
        gaps[weibull] = rng.standard_exponential(len(k)) ** (1 / k) / mean
    # Very bursty gaps underflow; a floor keeps every total positive.
    return np.maximum(gaps, 1e-12)


@cache
def _weibull_shapes() -> tuple[Floats, Floats]:
    """CV -> shape k, from CV^2 = G(1 + 2/k) / G(1 + 1/k)^2 - 1, CV rising."""
    k = np.geomspace(5.0, 0.15, 400)
    cv = np.sqrt(np.expm1(gammaln(1 + 2 / k) - 2 * gammaln(1 + 1 / k)))
    return cv, k
