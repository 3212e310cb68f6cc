"""The beta-binomial: tail and moment estimate for shares that vary more than a coin's would.

Of n requests k have a property; from hour to hour the share itself moves. With mean p and
dispersion d (the correlation of two requests of one hour, 0..1) the count has the variance
n p (1 - p) (1 + (n - 1) d). Used by the detectors that ask "is this share too much for this
account?"; `detectors.negative_binomial` is its sibling for counts without an upper end.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import betaln

from detectors.base import FloatArray
from detectors.negative_binomial import P_VALUE_MIN

__all__ = ["TRIALS_MAX", "excess_and_pairs", "tail"]

TRIALS_MAX: Final = 64  # more trials are taken as so many with a share of the same variance
_KEPT_MIN: Final = 1.0 / TRIALS_MAX  # so few trials near a binomial would have too light a tail
_SHAPE_MIN: Final = 1e-6


def tail(
    count: FloatArray, trials: FloatArray, mean: FloatArray, dispersion: FloatArray
) -> FloatArray:
    """P(K >= count) of whole `trials`; mean share and dispersion strictly between 0 and 1.

    The sum over j >= k of C(n, j) B(a + j, b + n - j) / B(a, b) with a = p (1 - d) / d and
    b = (1 - p) (1 - d) / d (Skellam, "A probability distribution derived from the binomial
    distribution by regarding the probability of success as variable between the sets of trials",
    JRSS B 10, 1948). Exact up to `TRIALS_MAX` trials. Beyond, the share is nearly continuous and
    its variance nearly d: the same share of `TRIALS_MAX` trials, with the dispersion that keeps the
    variance of the share, the tail between two whole counts interpolated on the log scale.
    Far out, and for dispersions below 2 / `TRIALS_MAX`, that errs, on the side of silence.

    >>> half = np.full(2, 0.5)
    >>> tail(np.array([3.0, 0.0]), np.full(2, 3.0), half, np.full(2, 1 / 3)).round(9).tolist()
    [0.25, 1.0]
    """
    fewer = np.clip(trials, 1.0, TRIALS_MAX)
    exact = trials <= TRIALS_MAX
    spread = dispersion + (1.0 - dispersion) / np.maximum(trials, 1.0)  # of the share / (p (1-p))
    kept = np.maximum((spread - 1.0 / TRIALS_MAX) / (1.0 - 1.0 / TRIALS_MAX), _KEPT_MIN)
    kept = np.where(exact, dispersion, kept)
    at = np.where(exact, count, count * fewer / np.maximum(trials, 1.0))
    above = np.ceil(at)
    last, result = _terms(above, fewer, mean, kept)
    part = above - at
    between = np.flatnonzero((part > 0.0) & (result > 0.0))
    if between.size:
        below = result[between] + last[between]
        result[between] *= np.exp(part[between] * np.log(below / result[between]))
    clipped: FloatArray = np.clip(np.where(count <= 0.0, 1.0, result), P_VALUE_MIN, 1.0)
    return clipped


def excess_and_pairs(
    count: FloatArray, trials: FloatArray, mean: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What one hour says about the dispersion: the sums of both over hours have the quotient d.

    E[(k - n p)**2] = n p (1 - p) (1 + (n - 1) d), so (k - n p)**2 / (p (1 - p)) - n has the mean
    d n (n - 1) (Kleinman, "Proportions with extraneous variance: single and independent samples",
    JASA 68, 1973). With p as it was known before the hour its error counts as dispersion too, as it
    should for a prediction.

    >>> excess_and_pairs(np.array([9.0]), np.array([10.0]), np.array([0.5]))
    (array([54.]), array([90.]))
    """
    residual = count - trials * mean
    return residual * residual / (mean * (1.0 - mean)) - trials, trials * (trials - 1.0)


def _terms(
    count: FloatArray, trials: FloatArray, mean: FloatArray, dispersion: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Probability of count - 1, and the sum of those from count up; for whole numbers."""
    total = (1.0 - dispersion) / dispersion
    a, b = mean * total, (1.0 - mean) * total
    j = np.maximum(count - 1.0, 0.0)
    # log C(n, j) = -log(n + 1) - log B(n - j + 1, j + 1)
    log_first = betaln(j + a, trials - j + b) - betaln(a, b)
    log_first -= np.log(trials + 1.0) + betaln(trials - j + 1.0, j + 1.0)
    first = np.exp(np.minimum(log_first, 0.0))
    term = first
    result = np.zeros_like(first)
    while (more := j < trials).any():  # at most TRIALS_MAX times
        step = (trials - j) * (a + j) / ((j + 1.0) * np.maximum(b + trials - j - 1.0, _SHAPE_MIN))
        term = np.where(more, term * step, 0.0)
        result += term
        j = j + 1.0
    return first, result
