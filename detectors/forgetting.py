"""Exponential forgetting in closed form: any number of idle steps costs as much as one.

Reference: R. G. Brown, "Smoothing, Forecasting and Prediction of Discrete Time Series", 1963,
chapter 7 (discounted sums). Powers come from tables made by the scalar `**` of Python, never from
vectorised `exp`: that differs in the last bit between processors, and the state that a worker
rebuilds must not depend on the machine it runs on.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from detectors.base import FloatArray, IntArray

__all__ = ["decay", "discounted_steps"]

_BITS = 10
_SIZE = 1 << _BITS


@lru_cache(maxsize=64)  # of a pure function: the tables depend on the half-life alone
def _tables(half_life: float) -> tuple[FloatArray, FloatArray]:
    ones = [0.5 ** (k / half_life) for k in range(_SIZE)]
    thousands = [0.5 ** (k * _SIZE / half_life) for k in range(_SIZE)]
    low, high = np.array(ones), np.array(thousands)
    low.setflags(write=False)
    high.setflags(write=False)
    return low, high


def decay(steps: IntArray, half_life: float) -> FloatArray:
    """Weight left after `steps` steps (>= 0), `half_life` in steps; from 2**20 steps on it stays.

    >>> decay(np.array([0, 1, 2, 2048]), 2.0).tolist()[:3]
    [1.0, 0.7071067811865476, 0.5]
    """
    low, high = _tables(half_life)
    weight: FloatArray = low[steps & (_SIZE - 1)]
    beyond = steps >> _BITS
    if beyond.any():
        weight *= high[np.minimum(beyond, _SIZE - 1)]
    return weight


def discounted_steps(steps: IntArray, half_life: float) -> FloatArray:
    """Weight of `steps` windows together, the newest counting 1: (1 - d**n) / (1 - d).

    >>> discounted_steps(np.array([0, 1, 2]), 1.0).tolist()
    [0.0, 1.0, 1.5]
    """
    of_all: FloatArray = (1.0 - decay(steps, half_life)) / (1.0 - 0.5 ** (1.0 / half_life))
    return of_all
