"""What a series shows at this time of the day (or of the week, for daily rows): part of
`detectors.series`.

A cycle is cut into at most 288 cells. For each cell there is an exponentially weighted mean and
mean absolute error over the cycles before, and the cell's mean in each of the last cycles: so one
can ask both "how far from the usual at this time" and "how far from anything at this time".
A cycle counts when it is over; cycles without a row are passed over.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import FloatArray, IntArray

__all__ = ["Season"]

_CELLS: Final = 288
_CYCLES: Final = 28  # remembered cell by cell
_KEEP: Final = 0.5 ** (1.0 / 7.0)  # half-life of the usual: 7 cycles
_SMOOTHED: Final = 48  # cells from which on the usual is averaged with its two neighbours
_BESIDE: Final = (-1, 0, 1)  # cells that are about the same time


class Season:
    """Cells of one cycle of `period_s` seconds for rows `step_s` seconds apart."""

    def __init__(self, period_s: float, step_s: float) -> None:
        cells = int(np.clip(round(period_s / step_s), 1, _CELLS))
        self._period = period_s
        self._cells = cells
        self._cycle: int | None = None
        self._sums = np.zeros(cells)  # of the running cycle
        self._counts = np.zeros(cells)
        self._past = np.full((_CYCLES, cells), np.nan)  # a ring, cell means
        self._cycles = 0  # that are over
        self._totals = np.zeros(cells)
        self._errors = np.zeros(cells)
        self._weight = np.zeros(cells)
        self._usual = np.zeros(cells)
        self._error = np.zeros(cells)
        self._known = np.zeros(cells, dtype=np.bool_)

    def step(self, times: FloatArray, values: FloatArray) -> tuple[FloatArray, ...]:
        """Residual from the usual, usual size of it, and distance to the nearest value seen at
        about this time, per row; then remembers the rows. All NaN while no cycle is over, 0 at a
        time never seen.
        """
        cycles = np.floor(times / self._period).astype(np.int64)
        cells = ((times % self._period) / self._period * self._cells).astype(np.int64)
        cells = np.minimum(cells, self._cells - 1)
        cuts = np.flatnonzero(np.diff(cycles)) + 1
        parts = []
        for first, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(times)], strict=True):
            self._turn(int(cycles[first]))
            parts.append(self._compare(cells[first:end], values[first:end]))
            np.add.at(self._sums, cells[first:end], values[first:end])
            np.add.at(self._counts, cells[first:end], 1.0)
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    def _compare(self, cells: IntArray, values: FloatArray) -> tuple[FloatArray, ...]:
        filled = min(self._cycles, _CYCLES)
        if not filled:
            unknown = np.full(len(values), np.nan)
            return unknown, unknown, unknown
        residual = np.where(self._known[cells], values - self._usual[cells], 0.0)
        about = (cells[:, None] + np.array(_BESIDE)) % self._cells
        seen = self._past[:filled, about]  # (cycles, rows, 3)
        gaps = np.abs(np.where(np.isnan(seen), np.inf, seen) - values[None, :, None])
        nearest = gaps.min(axis=(0, 2))
        return residual, self._error[cells], np.where(np.isfinite(nearest), nearest, 0.0)

    def _turn(self, cycle: int) -> None:
        """Close the running cycle when another has begun."""
        if self._cycle is not None and cycle != self._cycle:
            seen = self._counts > 0
            means = np.where(seen, self._sums / np.maximum(self._counts, 1.0), 0.0)
            self._past[self._cycles % _CYCLES] = np.where(seen, means, np.nan)
            self._cycles += 1
            keep = np.where(seen, _KEEP, 1.0)
            learn = seen & self._known
            error = np.where(learn, np.abs(means - self._usual), 0.0)
            self._errors = np.where(learn, self._errors * _KEEP + error, self._errors)
            self._totals = self._totals * keep + means
            self._weight = self._weight * keep + seen
            weight = self._smooth(self._weight)
            self._known = weight > 0
            weight = np.maximum(weight, 1e-12)
            self._usual = self._smooth(self._totals) / weight
            self._error = self._smooth(self._errors) / weight
            self._sums[:] = 0.0
            self._counts[:] = 0.0
        self._cycle = cycle

    def _smooth(self, numbers: FloatArray) -> FloatArray:
        if self._cells < _SMOOTHED:
            return numbers
        return (np.roll(numbers, 1) + numbers + np.roll(numbers, -1)) / 3.0
