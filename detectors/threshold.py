"""The counterfactual of an alarm: the smallest whole value that would have alarmed."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["smallest"]

_LARGEST = 2.0**53  # integers above are not exact in float64


def smallest(alarms: Callable[[float], bool], observed: float) -> float:
    """Smallest whole number >= 0 for which `alarms`, which grows from false to true; inf if none.

    >>> smallest(lambda value: value >= 17.5, 40.0)
    18.0
    """
    loud = max(1.0, math.ceil(observed))
    while not alarms(loud):
        loud *= 2.0
        if loud > _LARGEST:
            return math.inf
    silent = -1.0
    while loud - silent > 1.0:
        middle = math.floor((silent + loud) / 2.0)
        if alarms(middle):
            loud = middle
        else:
            silent = middle
    return float(loud)
