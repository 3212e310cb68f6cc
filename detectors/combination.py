"""One p-value for one account out of those of its detectors: the weighted Cauchy combination.

    T = sum_d w_d * tan((1/2 - p_d) * pi),    p = 1/2 - arctan(T) / pi,    sum of w_d = 1

It is valid however the detectors depend on each other, nearly exact in the tail, and shares a
budget by itself: a detector that stands alone alarms at w_d times the budget, several that agree
alarm together before any would alone. Large p-values are held at 0.99, so that a detector which
sees nothing takes little from one that does.

Reference: Liu and Xie, "Cauchy combination test: a powerful test with analytic p-value calculation
under arbitrary dependency structures", Journal of the American Statistical Association 115, 2020.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import BoolArray, FloatArray

__all__ = ["combine", "discoveries"]

_LARGEST: Final = 0.99
_SMALL: Final = 1e-8  # below, tan((1/2 - p) pi) is 1 / (p pi)


def combine(p: FloatArray, weight: FloatArray) -> FloatArray:
    """(n,) of p-values (n, detectors), NaN where one has no verdict; NaN where none has.

    >>> combine(np.array([[1e-4, 0.5], [1e-4, np.nan]]), np.array([0.5, 0.5])).round(7).tolist()
    [0.0002, 0.0001]
    """
    told = ~np.isnan(p)
    held = np.clip(np.where(told, p, 0.5), 1e-300, _LARGEST)
    share = np.where(told, weight, 0.0)
    total = share.sum(axis=1)
    far = 1.0 / (np.pi * held)
    near = np.tan((0.5 - np.maximum(held, _SMALL)) * np.pi)
    statistic = (share * np.where(held < _SMALL, far, near)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = statistic / total
        tail = np.where(
            statistic > 1e6, 1.0 / (np.pi * statistic), 0.5 - np.arctan(statistic) / np.pi
        )
    combined: FloatArray = np.where(total > 0.0, np.clip(tail, 1e-300, 1.0), np.nan)
    return combined


def discoveries(p: FloatArray, tested: int, rate: float) -> BoolArray:
    """Which of the smallest p-values of `tested` accounts to report, `rate` of them false at most.

    Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57, 1995.

    >>> discoveries(np.array([1e-6, 0.02, 0.2]), 10, 0.1).tolist()
    [True, True, False]
    """
    order = np.argsort(p, kind="stable")
    passes = p[order] <= rate * np.arange(1, len(p) + 1) / max(tested, 1)
    last = np.flatnonzero(passes)
    chosen = np.zeros(len(p), np.bool_)
    if len(last):
        chosen[order[: last[-1] + 1]] = True
    return chosen
