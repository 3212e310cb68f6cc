"""What practitioners use on a single series, to be measured beside `detectors.series`.

Each returns one finite, causal score a row; the scale is a number of deviations, which is what
people set thresholds on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["BASELINES", "ewma_z", "rolling_mad", "seasonal_z"]

Values = NDArray[np.float64]
DAY_S: Final = 86_400.0


def ewma_z(times: Values, values: Values, half_life: float = 288.0) -> Values:
    """Deviations from an exponentially weighted mean (half-life in rows), judged, then learned."""
    keep = 0.5 ** (1.0 / half_life)
    mean, square, out = float(values[0]), 0.0, np.zeros(len(values))
    for row, value in enumerate(values.tolist()):
        share = max(1.0 - keep, 1.0 / (row + 1))
        gap = value - mean
        out[row] = abs(gap) / (square**0.5 + 1e-9) if row > 10 else 0.0
        mean += share * gap
        square = (1.0 - share) * (square + share * gap * gap)
    return out


def rolling_mad(times: Values, values: Values, rows: int = 288) -> Values:
    """Deviations (1.4826 MAD) from the median of the last `rows` values."""
    padded = np.concatenate([np.full(rows, values[0]), values])
    out = np.empty(len(values))
    for first in range(0, len(values), 2000):
        last = min(first + 2000, len(values))
        past = sliding_window_view(padded[first : last + rows - 1], rows)
        middle = np.median(past, axis=1)
        spread = 1.4826 * np.median(np.abs(past - middle[:, None]), axis=1)
        floor = 0.1 * past.std(axis=1) + 1e-9
        out[first:last] = np.abs(values[first:last] - middle) / np.maximum(spread, floor)
    return out


def seasonal_z(times: Values, values: Values) -> Values:
    """Deviations from the mean of the same hour of the day (half-life of 7 days)."""
    hour = ((times % DAY_S) // 3600).astype(int)
    keep = 0.5 ** (1.0 / (7 * max(1.0, 3600.0 / float(np.median(np.diff(times))))))
    mean, square, seen = np.full(24, values[0]), np.zeros(24), np.zeros(24)
    out = np.zeros(len(values))
    for row, (h, value) in enumerate(zip(hour.tolist(), values.tolist(), strict=True)):
        share = max(1.0 - keep, 1.0 / (seen[h] + 1.0))
        gap = value - mean[h]
        out[row] = abs(gap) / (square[h] ** 0.5 + 1e-9) if seen[h] > 5 else 0.0
        mean[h] += share * gap
        square[h] = (1.0 - share) * (square[h] + share * gap * gap)
        seen[h] += 1.0
    return out


BASELINES: Final[dict[str, Callable[[Values, Values], Values]]] = {
    "EWMA z-score": ewma_z,
    "rolling median/MAD": rolling_mad,
    "seasonal z-score": seasonal_z,
}
