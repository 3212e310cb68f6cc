"""How rarely a series scores as high as this: a score of `detectors.series` becomes a rate.

A rank among the past scores cannot say less than one in their number, so an exponential tail is
laid beyond: block maxima, as high scores come in clusters (Coles 2001, "An Introduction to
Statistical Modeling of Extreme Values", chapter 3), with the tail of a Gumbel distribution. Level
and scale come from their median and upper quartile, because the incidents of the last weeks are
among them and must not hide the next. The rate is one of clusters: from about 1e-3 down it is
honest for single windows too (measured: 0.4 of nominal at 1e-3 and 1e-4, none of 48,000 at 1e-5);
above, where the scores of busy hours come together, it is no more than an order.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.base import FloatArray

__all__ = ["BLOCK", "rarity"]

BLOCK: Final = 24  # windows: longer than a single odd one echoes in the views of a series
_LEAST_SCALE: Final = 0.05  # strengths: a tail of equal scores is no cliff
_ONE: Final = 1.0 - 1e-12


def rarity(past: FloatArray, score: float) -> float:
    """p-value of `score` among the scores before it (n,), in (0, 1]; 1 while n < 2 BLOCK.

    >>> import numpy as np
    >>> past = np.tile(np.linspace(0.0, 0.5, 100), 10)
    >>> [round(rarity(past, s), 2) for s in (0.0, 0.25, 0.45)]
    [1.0, 0.5, 0.01]
    >>> rarity(past, 0.99) < 1e-6
    True
    """
    if past.size < 2 * BLOCK:
        return 1.0
    rank = (1.0 + float((past >= score).sum())) / (1.0 + past.size)
    strengths = -np.log1p(-np.minimum(past, _ONE))  # what the score was made of
    strength = -math.log1p(-min(score, _ONE))
    maxima = strengths[past.size % BLOCK :].reshape(-1, BLOCK).max(axis=1)
    level, upper = np.quantile(maxima, (0.5, 0.75))
    if strength <= level:
        return rank
    scale = max(float(upper - level) / math.log(2.0), _LEAST_SCALE)
    return 0.5 / BLOCK * math.exp(-(strength - float(level)) / scale)
