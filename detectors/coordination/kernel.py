"""What lags prove: the kernel and the evidence of a pair, which several loops here share.

One kernel for all time scales, so that there is no window to choose: any single window is good for
one kind of campaign and blind to the others. What a lag can prove ends where it is no shorter than
the time in which the like comes anyway (its horizon), and that is the least of

- two days;
- `crowd` mean gaps between accounts on the object: on a viral object many are near by chance;
- `spacing` times the time to a better coincidence of the same pair: who visits the same page an
  hour after another and shares five things from it has one lag, not five.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.compiled import Int, compiled

__all__ = ["evidence", "place", "weigh"]


@compiled
def weigh(lag_ms: Int, horizon_s: float, power: float, scale: float) -> float:
    """ln(H / (|d| + 1)) ** power / scale with d in seconds; 0 beyond the horizon.

    >>> [round(weigh(d * 1000, 172_800.0, 2.5, 10**1.5), 1) for d in (0, 60, -3600, 172_800)]
    [16.0, 5.6, 0.9, 0.0]
    """
    nearness = math.log(horizon_s / (np.abs(lag_ms) * 0.001 + 1.0))
    if nearness <= 0.0:
        return 0.0
    if power == 2.5:  # the default, four times as fast as the general power
        return nearness * nearness * math.sqrt(nearness) / scale
    return float(nearness**power / scale)


@compiled
def place(key: np.uint64, places: int) -> Int:
    """Where a key belongs among `places`, a power of two; keys need not be random.

    Reference: D. Stafford, "Better bit mixing", variant 13, the finaliser of splitmix64.
    """
    mixed = np.uint64(key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((mixed ^ (mixed >> np.uint64(31))) & np.uint64(places - 1))


@compiled
def evidence(
    time_a: NDArray[np.int64],
    time_b: NDArray[np.int64],
    popularity: NDArray[np.float32],
    horizon_s: float,
    power: float,
    scale: float,
    crowd: float,
    spacing: float,
) -> tuple[float, float, Int]:
    """sync, lag and the constant lag (ms) of the coincidences of one pair, best first.

    sync is the sum of the weights of their lags. lag is the same of their differences to the lag of
    one of them, the one for which it is largest; that one does not count.
    """
    count = len(time_a)
    sync, best = 0.0, 0.0
    constant: Int = 0
    for j in range(count):
        lag = time_b[j] - time_a[j]
        near = math.inf
        total = 0.0
        for e in range(count):
            if e == j:
                continue
            gap = 0.001 * min(abs(time_a[e] - time_a[j]), abs(time_b[e] - time_b[j]))
            if e < j:
                near = min(near, gap)
            due = min(horizon_s, crowd * horizon_s / popularity[e], spacing * gap)
            total += weigh(time_b[e] - time_a[e] - lag, due, power, scale)
        due = min(horizon_s, crowd * horizon_s / popularity[j], spacing * near)
        sync += weigh(lag, due, power, scale)
        if total > best or (total == best and abs(lag) < abs(constant)):
            best, constant = total, lag
    return sync, best, constant
