"""Bounded quarantine: what looks strange is not learned for some hours, and then learned quickly.

Used by the stride detectors when they learn a finished hour. Learning everything hides the second
attack of the same kind; learning nothing alarms for ever after an honest change. So an account has
a few strange hours that leave no trace in its history, counted with forgetting; once they are used
up, each further strange hour replaces a good part of the history, which falls silent within a day.

    ordinary hour      history * 1        + hour * 1
    in quarantine      history * 1        + hour * 0
    used up            history * (1 - a)  + hour * a * W     W: hours the history weighs

The last line keeps the weight of the history: it is an exponential average of gain a.

Reference: "selective update" and its deadlock in background models, Stauffer and Grimson, "Adaptive
background mixture models for real-time tracking", CVPR 1999; the quarantine bounds the deadlock.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import BoolArray, FloatArray, IntArray
from detectors.forgetting import decay

__all__ = ["COUNT_MAX", "learning", "quarantined"]

_UNIT: Final = 16.0  # the count is kept in one byte, in sixteenths of an hour
COUNT_MAX: Final = 255.0 / _UNIT  # hours


def learning(
    count: NDArray[np.uint8],
    steps: IntArray,
    strange: BoolArray,
    weight: FloatArray,
    hours: float,
    half_life_h: float,
    adoption: float,
) -> tuple[FloatArray, FloatArray, NDArray[np.uint8]]:
    """What to keep of the history, the gain of the finished hour, and the new count; (n,) each.

    `count` as stored; `steps` hours since it was; `weight` of the history in hours; `hours` of
    quarantine, which themselves count half after `half_life_h`; `adoption` in 0 .. 1 is a above.

    >>> byte, one = np.array([0, 0, 96], np.uint8), np.ones(3)
    >>> strange = np.array([False, True, True])
    >>> keep, gain, new = learning(byte, one.astype(int), strange, 40 * one, 6.0, 1e9, 0.25)
    >>> keep.tolist(), gain.tolist(), new.tolist()
    ([1.0, 1.0, 0.75], [1.0, 0.0, 10.0], [0, 16, 112])
    """
    left = quarantined(count, steps, half_life_h) + strange
    stored = np.minimum(np.rint(left * _UNIT), 255.0).astype(np.uint8)
    adopted = strange & (stored / _UNIT > hours)
    keep = np.where(adopted, 1.0 - adoption, 1.0)
    gain = np.where(adopted, adoption * np.maximum(weight, 1.0), np.where(strange, 0.0, 1.0))
    return keep, gain, stored


def quarantined(count: NDArray[np.uint8], steps: IntArray, half_life_h: float) -> FloatArray:
    """Hours (n,) of quarantine that are used, `steps` hours after `count` was stored."""
    left: FloatArray = count / _UNIT * decay(np.maximum(steps, 0), half_life_h)
    return left
