"""How unlike anything before the last rows of a series are, as a shape: part of `detectors.series`.

The last rows, less their mean, are one vector; its distance to the nearest vector seen is the
left matrix profile (Yeh et al. 2016, "Matrix Profile I"; Lu et al. 2022, "DAMP") without its
normalisation, so that a larger swing is another shape. Instead of all vectors a few hundred
leaders are kept that cover them within a radius; when they become too many the radius grows
(Charikar et al. 1997, "Incremental clustering and dynamic information retrieval").
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from detectors.base import FloatArray

__all__ = ["Shapes"]

_GROWTH: Final = 1.4  # of the radius, each time the leaders became too many
_TINY: Final = 1e-290
_ROUNDING: Final = 1e-12  # of the squares: a difference of two large numbers is no distance
_SLACK: Final = 0.5  # share of the capacity that may be filled after that


class Shapes:
    """Leaders of all windows of `rows` rows. A window counts `rows` rows after its end: until then
    it overlaps with the running one and would always be near it.
    """

    def __init__(self, rows: int, capacity: int, block: int) -> None:
        self._rows = rows
        self._capacity = capacity
        self._block = block
        self._tail: FloatArray = np.empty(0)  # the last rows - 1 values
        self._leaders: FloatArray = np.empty((0, rows))
        self._squares: FloatArray = np.empty(0)
        self._radius = 0.0
        self._waiting: FloatArray = np.empty((0, rows))

    def step(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distance of each row's window to the nearest leader, per row of the window (0 while
        there is none), and the windows, to be given back to `add`.
        """
        if not self._tail.size:
            self._tail = np.full(self._rows - 1, values[0])
        line = np.concatenate([self._tail, values])
        self._tail = line[-(self._rows - 1) :]
        # A contiguous copy: a row's mean is summed in one order however many rows there are.
        windows = np.array(sliding_window_view(line, self._rows), order="C")
        windows -= windows.mean(axis=1, keepdims=True)
        return self._distance(windows) / np.sqrt(self._rows), windows

    def add(self, windows: FloatArray) -> None:
        """Remember the windows of a whole block."""
        waiting = np.concatenate([self._waiting, windows])
        ready = max(len(waiting) - self._rows, 0)
        self._waiting = waiting[ready:]
        fresh = waiting[:ready]
        if self._radius > 0.0:
            fresh = fresh[self._distance(fresh) > self._radius]
            fresh = fresh[_cover(fresh, self._radius)]
        if len(fresh):
            self._keep(np.concatenate([self._leaders, fresh]))

    def _keep(self, leaders: FloatArray) -> None:
        while len(leaders) > self._capacity:
            grown = self._radius * _GROWTH
            # Leaders lie further apart than the radius; only what is new may be as close as that.
            self._radius = grown if grown > _TINY else _typical(leaders)
            covered = leaders[_cover(leaders, self._radius)]
            if len(covered) <= _SLACK * self._capacity:
                leaders = covered
        self._leaders = leaders
        self._squares = (leaders * leaders).sum(axis=1)

    def _distance(self, windows: FloatArray) -> FloatArray:
        """To the nearest leader. The product always has the same shape: BLAS rounds differently
        for others, and a score must not depend on how many rows came at once.
        """
        if not len(self._leaders):
            return np.zeros(len(windows))
        out = np.empty(len(windows))
        padded = np.zeros((self._block, self._rows))
        for first in range(0, len(windows), self._block):
            part = windows[first : first + self._block]
            padded[: len(part)] = part
            product = (padded @ self._leaders.T)[: len(part)]
            squares = (part * part).sum(axis=1)
            nearest = (self._squares - 2.0 * product).min(axis=1) + squares
            nearest[nearest < _ROUNDING * squares] = 0.0
            out[first : first + len(part)] = np.sqrt(nearest)
        return out


def _cover(vectors: FloatArray, radius: float) -> list[int]:
    """Greedily, the vectors that have none chosen before within `radius`."""
    chosen: list[int] = []
    free = np.ones(len(vectors), dtype=np.bool_)
    for place in range(len(vectors)):
        if free[place]:
            chosen.append(place)
            gaps = vectors[place + 1 :] - vectors[place]
            free[place + 1 :] &= (gaps * gaps).sum(axis=1) > radius * radius
    return chosen


def _typical(vectors: FloatArray) -> float:
    """Median distance to the nearest other vector; where most are equal the smallest above 0."""
    squares = (vectors * vectors).sum(axis=1)
    gaps = squares[:, None] + squares - 2.0 * (vectors @ vectors.T)
    np.fill_diagonal(gaps, np.inf)
    nearest = np.sqrt(np.maximum(gaps.min(axis=1), 0.0))
    above = nearest[nearest > 0]
    median = float(np.median(nearest))
    return median or (float(above.min()) if above.size else 1e-300)
