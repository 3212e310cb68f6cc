"""Counterfactuals by bisection, some dozens of values at a time.

A threshold in a sentence is found on the very rule that scores, so it is never an approximation of
it. Where the evidence does not grow with the value everywhere, the answer is a value that alarms
and just below which it is silent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from detectors.base import BoolArray, FloatArray, Inputs, IntArray, State

__all__ = ["LARGEST", "repeated", "smallest"]

LARGEST: Final = 2.0**53  # a ceiling for counts: integers above are not exact in float64

_POINTS: Final = 33  # tried together: a detector costs much the same for one row and for dozens


def smallest(
    reaches: Callable[[FloatArray], BoolArray],
    observed: float,
    ceiling: float,
    per_unit: int = 1,
    usual: float = 0.0,
) -> float:
    """Smallest k / per_unit in 0 .. `ceiling` for which `reaches` is true; inf if none is.

    `reaches` takes values (m,) and answers each. The search starts at `observed`. Where less than
    usual is strange as well, the answer lies above `usual`, unless that alarms too.

    >>> smallest(lambda x: x >= 17.2, 100.0, 1e6), smallest(lambda x: x >= 0.9, 0.95, 9.0, 1000)
    (18.0, 0.9)
    >>> smallest(lambda x: x > 9.0, 1.0, 9.0)
    inf
    """

    def fires(numbers: IntArray) -> BoolArray:
        return reaches(numbers / per_unit)

    top = math.floor(ceiling * per_unit)
    high = min(max(math.ceil(observed * per_unit), 1), top)
    while not fires(np.array([high]))[0]:
        if high >= top:
            return math.inf
        high = min(high * 4, top)
    low = math.floor(usual * per_unit)
    if not 0 <= low < high or fires(np.array([low]))[0]:
        low = -1
    while high - low > 1:
        points = np.unique(np.linspace(low + 1, high, _POINTS).astype(np.int64))
        first = int(np.argmax(fires(points)))
        low, high = (int(points[first - 1]) if first else low), int(points[first])
    found = high / per_unit
    return observed if 0.0 <= observed < found and reaches(np.array([observed]))[0] else found


def repeated(state: State, inputs: Inputs, times: int) -> tuple[State, dict[str, FloatArray]]:
    """One account's row `times` over: what a counterfactual holds constant."""
    return np.repeat(state, times), {k: np.repeat(v, times, axis=0) for k, v in inputs.items()}
