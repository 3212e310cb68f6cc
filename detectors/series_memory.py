"""Everything a view of a series has ever shown, in bounded memory: `detectors.series` asks it how
far a number is from anything seen before, and how far out in the tail it lies.

The numbers are kept sorted with weights. When there are too many, neighbours that lie close
together become one (the extremes never do), so distances stay exact to about the width of the
range over the capacity, however long the series grows.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import FloatArray

__all__ = ["Memory"]

_QUANTILES: Final = np.array([0.005, 0.05, 0.95, 0.995])
_NORMAL_90: Final = 3.29  # standard deviations between the 5 % and 95 % quantiles of a normal
_NORMAL_99: Final = 5.15  # between the 0.5 % and 99.5 % quantiles
_FLOOR: Final = 0.1  # standard deviations: spread of a series that is almost always the same


class Memory:
    """Weighted sorted numbers; `freeze` what is asked, then `add` a block at a time."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: FloatArray = np.empty(0)
        self._weights: FloatArray = np.empty(0)
        self._below: FloatArray = np.zeros(1)  # weight of the first i values
        self._turn = 1
        self.spread = 0.0  # robust standard deviation; 0 when all were the same
        self.deviation = 0.0  # plain standard deviation

    @property
    def count(self) -> float:
        """Numbers remembered."""
        return float(self._below[-1])

    def nearest(self, numbers: FloatArray) -> FloatArray:
        """Distance of each number to the nearest one seen; inf while none was."""
        if not self._values.size:
            return np.full(len(numbers), np.inf)
        right = np.searchsorted(self._values, numbers)
        above = self._values[np.minimum(right, len(self._values) - 1)]
        below = self._values[np.maximum(right - 1, 0)]
        return np.minimum(np.abs(numbers - above), np.abs(numbers - below))

    def share_above(self, numbers: FloatArray) -> FloatArray:
        """Conformal p-value: (1 + how many were at least as large) / (1 + how many)."""
        reached = self.count - self._below[np.searchsorted(self._values, numbers, "left")]
        return (1.0 + reached) / (1.0 + self.count)

    def share_outside(self, numbers: FloatArray) -> FloatArray:
        """Twice the smaller of both one-sided p-values, at most 1."""
        under = self._below[np.searchsorted(self._values, numbers, "right")]
        lower = (1.0 + under) / (1.0 + self.count)
        return np.minimum(1.0, 2.0 * np.minimum(self.share_above(numbers), lower))

    def add(self, numbers: FloatArray) -> None:
        """Remember `numbers`; questions asked from now on know them."""
        fresh = np.sort(numbers)
        # One merge for both arrays: np.insert twice took a third of the detector's time.
        places = np.searchsorted(self._values, fresh) + np.arange(len(fresh))
        old = np.ones(len(self._values) + len(fresh), dtype=np.bool_)
        old[places] = False
        values, weights = np.empty(len(old)), np.ones(len(old))
        values[old], values[places] = self._values, fresh
        weights[old] = self._weights
        self._values, self._weights = values, weights
        if len(self._values) > self._capacity:
            self._thin()
        self._below = np.concatenate([[0.0], np.cumsum(self._weights)])
        self._measure()

    def _thin(self) -> None:
        """Of the closer half of the neighbours every second becomes one with the one beside it,
        by turns the one below and the one above, or all weight would wander down.
        """
        gaps = np.diff(self._values)
        middle = len(gaps) // 2
        close = np.flatnonzero(gaps <= np.partition(gaps, middle)[middle]) + 1
        gone = close[(close % 2 == 1) & (close < len(gaps))]
        self._turn = -self._turn
        # Nobody beside the gone goes, as only every second may.
        self._weights[gone + self._turn] += self._weights[gone]
        self._values = np.delete(self._values, gone)
        self._weights = np.delete(self._weights, gone)

    def _measure(self) -> None:
        places = np.searchsorted(self._below[1:], _QUANTILES * self.count)
        low, low_5, high_5, high = self._values[np.minimum(places, len(self._values) - 1)]
        mean = float(self._weights @ self._values) / self.count
        gaps = self._values - mean
        self.deviation = float(np.sqrt(self._weights @ (gaps * gaps) / self.count))
        self.spread = max(
            float(high_5 - low_5) / _NORMAL_90,
            float(high - low) / _NORMAL_99,
            _FLOOR * self.deviation,
        )
