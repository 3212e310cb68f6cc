"""The natural logarithm, the same to the last bit on every processor: for what is remembered.

Vectorised `log` differs in the last bit between processors, and the state that a worker rebuilds
must not depend on the machine it runs on (see `detectors.forgetting`). This one uses +, -, * and /
alone, which IEEE 754 rounds the same everywhere.

Formula: x = m * 2**e with m in [1/sqrt(2), sqrt(2)), s = (m - 1) / (m + 1), and
log m = 2 * (s + s**3 / 3 + s**5 / 5 + ...), |s| < 0.172 (Abramowitz and Stegun, "Handbook of
Mathematical Functions", 1964, 4.1.27). Up to s**13 the error is below 1e-12, far below the
float32 in which states are kept.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.base import FloatArray

__all__ = ["log"]

_LN2: Final = math.log(2.0)
_SQRT_HALF: Final = math.sqrt(0.5)


def log(x: FloatArray) -> FloatArray:
    """Natural logarithm of finite x > 0, any shape.

    >>> log(np.array([1.0, 2.0, 0.001])).round(9).tolist()
    [0.0, 0.693147181, -6.907755279]
    """
    mantissa, exponent = np.frexp(x)
    low = mantissa < _SQRT_HALF
    mantissa = np.where(low, mantissa * 2.0, mantissa)
    power = exponent - low.astype(exponent.dtype)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    series = np.full_like(s, 1.0 / 13.0)
    for odd in (11.0, 9.0, 7.0, 5.0, 3.0, 1.0):
        series = series * square + 1.0 / odd
    result: FloatArray = 2.0 * s * series + power * _LN2
    return result
