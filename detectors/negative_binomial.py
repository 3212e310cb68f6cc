"""The negative binomial: tail and moment estimate for counts that vary more than Poisson's.

A count has mean m and variance m + a * m**2; a is the dispersion, its inverse r the size. Used by
the detectors that ask "how far out in this account's own tail is that?".
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, betaincc

from detectors.base import FloatArray

__all__ = ["P_VALUE_MIN", "moments", "tail"]

P_VALUE_MIN = 1e-300  # smaller tails are reported as this: their logarithm stays finite


def tail(count: FloatArray, mean: FloatArray, size: FloatArray) -> FloatArray:
    """P(X >= count) for X with mean `mean` and variance mean + mean**2 / size.

    It is I_x(count, size), x = mean / (mean + size), the regularised incomplete beta function
    (Johnson, Kemp and Kotz, "Univariate Discrete Distributions", 3rd ed., 2005, 5.6.1). Of x and
    1 - x the smaller is handed over, so neither loses digits.

    >>> tail(np.array([0.0, 1.0, 3.0]), np.ones(3), np.ones(3)).tolist()  # geometric: 2**-n
    [1.0, 0.5, 0.125]
    """
    total = mean + size
    near, far = mean / total, size / total
    at = np.maximum(count, 1.0)
    p = np.where(near < 0.5, betainc(at, size, near), betaincc(size, at, far))
    p = np.where(count <= 0.0, 1.0, p)
    clipped: FloatArray = np.clip(p, P_VALUE_MIN, 1.0)
    return clipped


def moments(
    total: FloatArray,
    squares: FloatArray,
    weight: FloatArray,
    prior_windows: float,
    prior_mean: FloatArray,
    prior_dispersion: FloatArray,
    dispersion_limits: tuple[float, float],
) -> tuple[FloatArray, FloatArray]:
    """Mean and size from discounted sums of x and x**2, as if `prior_windows` had come before.

    Method of moments: the excess of the variance over the mean, divided by the squared mean
    (Anscombe, "Sampling theory of the negative binomial and logarithmic series distributions",
    Biometrika 37, 1950). The prior adds n0 windows of its mean and its dispersion, so that a
    young account borrows from the others and an old one speaks for itself.

    >>> one = np.ones(1)
    >>> mean, size = moments(30 * one, 200 * one, 10 * one, 0.0, one, one, (1e-3, 1e3))
    >>> float(mean[0]), float(size[0].round(6))  # variance 11 = 3 + 9 / size
    (3.0, 1.125)
    """
    windows = weight + prior_windows
    mean = (total + prior_windows * prior_mean) / windows
    excess = squares - 2.0 * mean * total + weight * mean * mean - total
    spread = windows * mean * mean
    prior = prior_windows * prior_dispersion * mean * mean
    dispersion = np.clip((excess + prior) / spread, *dispersion_limits)
    return mean, 1.0 / dispersion
