"""The views of one series that `detectors.series` averages: each turns rows into one number a row.

    value      the value itself                                      both tails
    recent     mean of the last rows (an hour of five-minute rows)   both tails
    residual   from the usual at this time of the day, in its sizes  both tails
    time       distance to anything seen at about this time of day   large is strange
    shape      distance of the last rows to any rows seen            large is strange
    roughness  log of the mean step between neighbours               both tails

Each notices what the others cannot: a night that is as busy as an afternoon (time), a beat that is
malformed though no value is new (shape), a sensor that is stuck or rattles (roughness).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from detectors.base import FloatArray
from detectors.series_season import Season
from detectors.series_shape import Shapes

__all__ = ["IN_VALUES", "ONE_SIDED", "VIEWS", "Rows", "Views"]

VIEWS: Final = ("value", "recent", "residual", "time", "shape", "roughness")
ONE_SIDED: Final = frozenset({"time", "shape"})
IN_VALUES: Final = frozenset({"value", "recent", "time", "shape"})  # in units of the values
LEARN_ROWS: Final = 16  # before the interval is known
DAY_S: Final = 86_400.0
WEEK_S: Final = 7 * DAY_S
_LONGEST_STEP_OF_A_DAY: Final = 3 * 3600.0  # rows further apart are compared by the week
_RECENT_ROWS: Final = 12
_RECENT_ROWS_OF_A_WEEK: Final = 7
_STILL: Final = 1e-3  # standard deviations: steps below this are no movement
_FARTHEST: Final = 1e9  # usual sizes of a residual
_TINY: Final = 1e-12  # of the size of the values: rounding

Rows = dict[str, FloatArray]  # by view


class Views:
    """The state that the views need; `step` any number of rows, `commit` at the end of a block."""

    def __init__(self, shape_rows: int, leaders: int, block: int) -> None:
        self._shapes = Shapes(shape_rows, leaders, block)
        self._shape_windows: list[FloatArray] = []
        self._season: Season | None = None
        self._recent = _RECENT_ROWS
        self._first: list[tuple[FloatArray, FloatArray]] = []  # rows until the interval is known
        self._rows = 0
        self._tails: Rows = {}
        self._squares = 0.0  # of all residuals
        self._compared = 0
        self._block_residuals: list[FloatArray] = []
        self._still = 0.0
        self._deviation = 0.0
        self._rounding = 0.0
        self._last = 0.0

    def step(self, times: FloatArray, values: FloatArray) -> Rows:
        """One number a view and row, NaN where a view knows nothing yet. Rows are judged by cycles
        that are over and, beyond the rows in the window, by what was known at the last `commit`.
        """
        if not self._rows:
            self._last = float(values[0])
        moves = np.abs(np.diff(values, prepend=self._last))
        self._last = float(values[-1])
        self._rows += len(values)
        residual, usual_error, distance = self._compare(times, values)
        size = 0.5 * usual_error + 0.5 * np.sqrt(self._squares / max(self._compared, 1))
        # In its second cycle nothing is known of residuals: the values' own deviation stands in.
        size = np.maximum(np.where(size == 0.0, self._deviation or 1.0, size), self._rounding)
        with np.errstate(over="ignore"):
            sizes = np.clip(residual / size, -_FARTHEST, _FARTHEST)
        shape, windows = self._shapes.step(values)
        self._shape_windows.append(windows)
        self._block_residuals.append(residual)
        return {
            "value": values,
            "recent": self._mean("recent", values),
            "residual": sizes,
            "time": self._known_mean("time", distance),
            "shape": shape,
            "roughness": self._roughness(moves),
        }

    def commit(self, deviation: float, magnitude: float) -> None:
        """The block is over; `deviation` and `magnitude` of all values so far."""
        self._shapes.add(np.concatenate(self._shape_windows))
        residuals = np.concatenate(self._block_residuals)
        residuals = residuals[~np.isnan(residuals)]
        self._squares += float(residuals @ residuals)
        self._compared += len(residuals)
        self._shape_windows, self._block_residuals = [], []
        self._deviation, self._rounding = deviation, _TINY * magnitude
        self._still = _STILL * deviation + self._rounding
        if self._season is None and self._rows >= LEARN_ROWS:
            self._learn_interval()

    def _compare(self, times: FloatArray, values: FloatArray) -> tuple[FloatArray, ...]:
        if self._season is None:
            self._first.append((times, values))
            unknown = np.full(len(values), np.nan)
            return unknown, unknown, unknown
        return self._season.step(times, values)

    def _learn_interval(self) -> None:
        """Median of the first intervals; rows with equal times say nothing about it."""
        times = np.concatenate([part[0] for part in self._first])
        values = np.concatenate([part[1] for part in self._first])
        steps = np.diff(times)
        steps = steps[steps > 0]
        if not steps.size:
            self._first = [(times[-1:], values[-1:])]
            return
        interval = float(np.median(steps))
        weekly = interval > _LONGEST_STEP_OF_A_DAY
        self._recent = _RECENT_ROWS_OF_A_WEEK if weekly else _RECENT_ROWS
        self._season = Season(WEEK_S if weekly else DAY_S, interval)
        self._season.step(times, values)
        self._first = []

    def _roughness(self, moves: FloatArray) -> FloatArray:
        """Unknown while nothing ever moved and nothing says how small a step would be."""
        mean = self._mean("roughness", moves) + self._still
        moved = mean > 0
        return np.log(mean, out=np.full(len(mean), np.nan), where=moved)

    def _known_mean(self, name: str, numbers: FloatArray) -> FloatArray:
        """Of a view that has no number for the first rows of a series."""
        unknown = int(np.isnan(numbers).sum())
        known = self._mean(name, numbers[unknown:]) if unknown < len(numbers) else numbers[:0]
        return np.concatenate([numbers[:unknown], known])

    def _mean(self, name: str, numbers: FloatArray) -> FloatArray:
        """Of the last rows, this one included; before there are as many, the first counts again."""
        tail = self._tails.get(name)
        if tail is None:
            tail = np.full(_RECENT_ROWS - 1, numbers[0])
        line = np.concatenate([tail, numbers])
        self._tails[name] = line[-(_RECENT_ROWS - 1) :]
        windows = sliding_window_view(line, self._recent)[_RECENT_ROWS - self._recent :]
        means: FloatArray = np.array(windows, order="C").mean(axis=1)
        return means
