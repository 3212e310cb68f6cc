"""What the quota detector remembers of an account; judged by `detectors.quota`.

Sums over the account's active hours with exponential forgetting, and which of the last eight clock
hours it was active in and near its limit. Idle time is made good in closed form when the account is
next looked at: every sum fades alike, so shares and means do not move, only their weight.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import BoolArray, FloatArray, Inputs, IntArray, State
from detectors.forgetting import decay
from detectors.hours import hour_of, hours_since
from detectors.logarithm import log
from detectors.quarantine import learning
from detectors.quota_parameters import Parameters

__all__ = [
    "STATE",
    "SUMS",
    "WINDOW_H",
    "history",
    "is_near",
    "learned",
    "leaving",
    "pace",
    "recent",
]

WINDOW_H: Final = 6  # clock hours, the running one among them
_BITS: Final = 8
_WINDOW: Final = (1 << WINDOW_H) - 1
SUMS: Final = (
    "hours",  # active hours
    "near_hours",  # of them near the limit and quiet
    "level",  # largest share of the quota in use
    "pace",  # logarithm of the hourly pace
    "pace_squares",
    "requests",
    "throttled",
    "throttled_ticks",
    "retried_ticks",
    "keys",  # beyond the first
)

STATE: Final = np.dtype(
    [
        ("hour", "<u4"),  # last hour learned, since 1970; 0: never seen
        ("near", "u1"),  # bit k: k hours before `hour` was near the limit
        ("active", "u1"),  # bit k: k hours before `hour` had requests
        ("quarantine", "u1"),  # see `detectors.quarantine`
        ("reserved", "u1"),
        *((name, "<f4") for name in SUMS),
    ]
)


def history(state: State, now_ms: int, parameters: Parameters) -> dict[str, FloatArray]:
    """Every sum (n,) as it stands in the hour of `now_ms`."""
    left = decay(hours_since(state["hour"], now_ms), parameters.half_life_h)
    return {name: state[name] * left for name in SUMS}


def pace(inputs: Inputs, parameters: Parameters) -> FloatArray:
    """How much of the quota this hour has used (n,); at least the floor, also when unknown."""
    first, largest = inputs["quota_first"], inputs["quota_max"]
    used: FloatArray = np.where(first > 0.0, largest - first, 0.0)
    return np.maximum(used, parameters.pace_floor)


def is_near(inputs: Inputs, parameters: Parameters) -> BoolArray:
    """(n,) true where the hour so far rides just under the limit: near it, yet hardly a 429."""
    near: BoolArray = (
        (inputs["quota_max"] >= parameters.near_limit)
        & (inputs["throttled"] <= parameters.quiet_share * inputs["requests"])
        & (inputs["requests"] >= parameters.min_requests)
    )
    return near


def recent(bits: np.ndarray[tuple[int], np.dtype[np.uint8]], steps: IntArray) -> IntArray:
    """How many of the WINDOW_H - 1 hours before the running one have their bit set (n,)."""
    shifted = bits.astype(np.int64) << np.minimum(steps, _BITS)
    count: IntArray = sum(
        ((shifted >> k) & 1 for k in range(1, WINDOW_H)), np.zeros(len(bits), dtype=np.int64)
    )
    return count


def leaving(bits: np.ndarray[tuple[int], np.dtype[np.uint8]], steps: IntArray) -> IntArray:
    """How many set bits (n,) are in the window before `steps` more hours, and not after them."""
    window = bits.astype(np.int64) & _WINDOW
    gone = window >> np.maximum(WINDOW_H - np.minimum(steps, WINDOW_H), 0)
    count: IntArray = sum(((gone >> k) & 1 for k in range(WINDOW_H)), np.zeros_like(window))
    return count


def learned(
    state: State,
    inputs: Inputs,
    strange: BoolArray,
    crowded: BoolArray,
    now_ms: int,
    parameters: Parameters,
) -> State:
    """A new state with the finished hour folded in; an hour learned before, or idle, is not.

    An hour near the limit is learned when it leaves the window in which such hours are counted; if
    the window is `crowded` with them (n,), only once the quarantine is used up.
    """
    steps = hours_since(state["hour"], now_ms)
    due = (inputs["requests"] > 0.0) & ((state["hour"] == 0) | (steps > 0))
    sums = history(state, now_ms, parameters)
    keep, gain, quarantine = learning(
        state["quarantine"],
        steps,
        strange,
        sums["hours"],
        parameters.quarantine_h,
        parameters.quarantine_half_life_h,
        parameters.adoption,
    )
    near = is_near(inputs, parameters)
    scale = np.minimum(1.0, parameters.requests_max / np.maximum(inputs["requests"], 1.0))
    log_pace = log(pace(inputs, parameters))
    hour: dict[str, FloatArray] = {
        "hours": np.ones(len(state)),
        "near_hours": np.where(
            crowded & (gain == 1.0), 0.0, leaving(state["near"], steps).astype(np.float64)
        ),
        "level": inputs["quota_max"],
        "pace": log_pace,
        "pace_squares": log_pace * log_pace,
        "requests": inputs["requests"] * scale,
        "throttled": inputs["throttled"] * scale,
        "throttled_ticks": inputs["throttled_ticks"],
        "retried_ticks": inputs["retried_ticks"],
        "keys": np.maximum(inputs["keys"] - 1.0, 0.0),
    }
    new = state.copy()
    for name in SUMS:
        new[name] = np.where(due, sums[name] * keep + hour[name] * gain, state[name])
    new["quarantine"] = np.where(due, quarantine, state["quarantine"])
    shift = np.minimum(steps, _BITS)
    for name, bit in (("near", near.astype(np.int64)), ("active", np.ones(len(state), np.int64))):
        bits = ((state[name].astype(np.int64) << shift) | bit) & 0xFF
        new[name] = np.where(due, bits, state[name])
    new["hour"] = np.where(due, hour_of(now_ms), state["hour"])
    return new
