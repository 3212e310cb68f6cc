"""What practitioners use, on the same account-minutes: limit, EWMA z-score, Poisson tail, forest.

Beside the fold in the lab. Three judge the sum of the last five minutes, every minute, by what
went before; the forest judges the raw features of whole hours. None has a threshold of its own: it
is set on one half at a budget and carried to the other.

References: EWMA control chart, Roberts, "Control chart tests based on geometric moving averages",
Technometrics 1, 1959; Isolation Forest, Liu, Ting and Zhou, ICDM 2008, as PyOD runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

__all__ = ["MINUTE_BASELINES", "forest_scores", "hourly", "minute_scores"]

Floats = NDArray[np.float64]
Scores = NDArray[np.float32]

_WINDOW: Final = 5  # minutes
_HALF_LIFE: Final = 1440.0  # minutes, of the trailing mean and variance
_WARM_UP: Final = 1440  # minutes since the first request without a score
_LEAST_MEAN: Final = 0.05  # requests per five minutes
_LEAST_DEVIATION: Final = 1.0  # requests per five minutes
_BLOCK: Final = 128  # accounts at once
_TREES: Final = 100
_SAMPLE: Final = 20_000  # account-hours that a forest is fitted on


def _fixed_limit(sums: Floats, mean: Floats, deviation: Floats) -> Floats:
    """The count itself: a limit is a threshold on it."""
    return sums


def _ewma_z(sums: Floats, mean: Floats, deviation: Floats) -> Floats:
    """How many standard deviations above the exponentially weighted mean."""
    score: Floats = np.maximum((sums - mean) / np.maximum(deviation, _LEAST_DEVIATION), 0.0)
    return score


def _poisson_tail(sums: Floats, mean: Floats, deviation: Floats) -> Floats:
    """-log10 P(X >= sum) of a Poisson with the trailing mean, by Chernoff's bound; 0 below it."""
    mean = np.maximum(mean, _LEAST_MEAN)
    above = np.maximum(sums, mean)
    bound: Floats = (above * np.log(above / mean) - above + mean) / np.log(10.0)
    return bound


MINUTE_BASELINES: Final[dict[str, Callable[[Floats, Floats, Floats], Floats]]] = {
    "fixed_limit": _fixed_limit,
    "ewma_z": _ewma_z,
    "poisson_tail": _poisson_tail,
}


def minute_scores(requests: NDArray[Any]) -> Iterator[tuple[slice, dict[str, Floats]]]:
    """Scores (minutes, some accounts) by baseline, a slice of the accounts at a time.

    Row i knows requests (minutes, n) up to minute i only; NaN while the account warms up or when
    the five minutes are empty.
    """
    for start in range(0, requests.shape[1], _BLOCK):
        which = slice(start, start + _BLOCK)
        own = requests[:, which].astype(np.float64)
        sums = _rolling(own)
        mean, deviation = _trailing(sums)
        young = np.cumsum(np.cumsum(own > 0, axis=0) > 0, axis=0) <= _WARM_UP
        scores = {}
        for name, judge in MINUTE_BASELINES.items():
            unscored = sums <= 0 if name == "fixed_limit" else (sums <= 0) | young
            scores[name] = np.where(unscored, np.nan, judge(sums, mean, deviation))
        yield which, scores


def hourly(scores: Floats) -> Scores:
    """The largest score of each clock hour (hours, n); NaN where there is none."""
    filled = np.where(np.isnan(scores), -np.inf, scores)
    best = filled.reshape(-1, 60, scores.shape[1]).max(axis=1)
    return np.where(np.isneginf(best), np.nan, best).astype(np.float32)


def forest_scores(
    train: NDArray[np.float32], test: NDArray[np.float32], seed: int
) -> NDArray[np.float32]:
    """Anomaly scores (m,) of hours `test` (m, features) by a forest grown on the hours `train`."""
    from pyod.models.iforest import IForest

    rng = np.random.default_rng([seed, 23])
    if len(train) > _SAMPLE:
        train = train[rng.choice(len(train), _SAMPLE, replace=False)]
    forest = IForest(n_estimators=_TREES, random_state=seed)
    forest.fit(train)
    scores: NDArray[np.float32] = forest.decision_function(test).astype(np.float32)
    return scores


def _rolling(requests: Floats) -> Floats:
    total = np.cumsum(requests, axis=0)
    sums = total.copy()
    sums[_WINDOW:] -= total[:-_WINDOW]
    return sums


def _trailing(sums: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and standard deviation of the sums that ended before the window began."""
    keep = 0.5 ** (1.0 / _HALF_LIFE)
    weight = lfilter([1.0], [1.0, -keep], np.ones(len(sums)))[:, None]
    mean = lfilter([1.0], [1.0, -keep], sums, axis=0) / weight
    square = lfilter([1.0], [1.0, -keep], sums**2, axis=0) / weight
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    return _lagged(mean), _lagged(deviation)


def _lagged(values: Floats) -> Floats:
    late = np.zeros_like(values)
    late[_WINDOW:] = values[:-_WINDOW]
    return late
