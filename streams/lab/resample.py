"""Intervals by resampling source clients: accounts of one client are not independent of each other.

The non-parametric bootstrap over clusters (Davison and Hinkley, "Bootstrap Methods and their
Application", 1997, section 3.8); percentile intervals of 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bootstrap", "Figure"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_DRAWS: Final = 1000
_LEVELS: Final = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure with its interval, and what it rests on; NaN where nothing was measured."""

    value: float
    low: float
    high: float
    n: int  # attacks, or whatever is counted below the line


class Bootstrap:
    """Draws clients with replacement; `clients` is their number, they are named 0 .. clients-1."""

    def __init__(self, clients: int, seed: int, draws: int = _DRAWS) -> None:
        rng = np.random.default_rng([seed, 24])
        chance = np.full(clients, 1.0 / clients)
        self._times: Floats = rng.multinomial(clients, chance, draws).astype(np.float64)

    def ratio(self, client: Integers, over: Floats, under: Floats, scale: float = 1.0) -> Figure:
        """sum(over) / sum(under) * scale, of rows (m,) that belong to `client` (m,)."""
        size = self._times.shape[1]
        above = np.bincount(client, over, size)
        below = np.bincount(client, under, size)
        total = below.sum()
        if total <= 0:
            return Figure(float("nan"), float("nan"), float("nan"), 0)
        counted = self._times @ below
        drawn = self._times @ above / np.where(counted > 0, counted, np.nan)
        low, high = np.nanquantile(drawn * scale, _LEVELS)
        value = above.sum() / total * scale
        return Figure(float(value), float(low), float(high), round(float(total)))

    def median(self, client: Integers, values: Floats) -> Figure:
        """Median of `values` (m,)."""
        if not len(values):
            return Figure(float("nan"), float("nan"), float("nan"), 0)
        order = np.argsort(values, kind="stable")
        weight = np.cumsum(self._times[:, client[order]], axis=1)
        total = weight[:, -1]
        drawn = values[order][(weight >= total[:, None] / 2).argmax(axis=1)]
        low, high = np.quantile(drawn[total > 0], _LEVELS)
        return Figure(float(np.median(values)), float(low), float(high), len(values))
