"""Tails for shares and for scaled deviations, honest about how little an account's history may be.

Used by the quota and use-case detectors. Where counts of one hour hang together (a correlation r of
any two), n of them tell as much as n / (1 + (n - 1) r) independent ones.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainc

from detectors.base import FloatArray

__all__ = ["P_VALUE_MIN", "share_tail", "student_tail", "variance_ratio_tail"]

P_VALUE_MIN = 1e-300  # smaller tails are reported as this: their logarithm stays finite


def share_tail(
    hits: FloatArray, of: FloatArray, share: FloatArray, correlation: FloatArray | float
) -> FloatArray:
    """P(at least `hits` of `of`) when each is one with probability `share`, any two correlated.

    The binomial tail I_share(k, n - k + 1) with k and n divided by the design effect
    1 + (of - 1) * correlation: Rao and Scott, "A simple method for the analysis of clustered binary
    data", Biometrics 48, 1992. With correlation 0 it is exact.

    >>> share_tail(np.array([0.0, 2.0]), np.full(2, 2.0), np.full(2, 0.5), 0.0).tolist()
    [1.0, 0.25]
    """
    effect = 1.0 + np.maximum(of - 1.0, 0.0) * correlation
    k, n = hits / effect, of / effect
    some = k > 0.0
    p = betainc(np.where(some, k, 1.0), np.maximum(n - k, 0.0) + 1.0, share)
    tail: FloatArray = np.clip(np.where(some, p, 1.0), P_VALUE_MIN, 1.0)
    return tail


def student_tail(t: FloatArray, freedom: FloatArray) -> FloatArray:
    """P(T >= t) of Student's t (Abramowitz and Stegun, 1964, 26.7.1); 1/2 and more for t <= 0.

    >>> student_tail(np.array([0.0, 12.706]), np.ones(2)).round(4).tolist()
    [0.5, 0.025]
    """
    half = 0.5 * betainc(0.5 * freedom, 0.5, freedom / (freedom + t * t))
    tail: FloatArray = np.clip(np.where(t >= 0.0, half, 1.0 - half), P_VALUE_MIN, 1.0)
    return tail


def variance_ratio_tail(x: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """P(F >= x) of the F distribution with `first` and `second` degrees of freedom (26.6.2).

    >>> variance_ratio_tail(np.array([0.0, 161.45]), np.ones(2), np.ones(2)).round(4).tolist()
    [1.0, 0.05]
    """
    at = second / (second + first * np.maximum(x, 0.0))
    tail: FloatArray = np.clip(betainc(0.5 * second, 0.5 * first, at), P_VALUE_MIN, 1.0)
    return tail
