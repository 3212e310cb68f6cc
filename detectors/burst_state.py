"""What the burst detector remembers of an account, and how it learns; judged by `detectors.burst`.

Three memories. `observe` keeps the record (largest window sums, an hour at a time); the peaks of an
hour that alarmed wait in quarantine before they become a record, so that a second attack is still
news; `learn` keeps the baseline (five-minute sums, winsorised). All take a state and return a new
one. Time that passed while the account was idle is made good in closed form when it is next looked
at.

A tick that ends at `now_ms` belongs to the hour and to the five minutes it closes: 11:00:00 is the
last tick of the hour from 10 to 11. Event times are above zero.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import HOUR_MS, BoolArray, FloatArray, IntArray, State
from detectors.burst_parameters import SERIES, WINDOWS_S, Parameters
from detectors.forgetting import decay, discounted_steps

__all__ = [
    "BASELINE_MS",
    "STATE",
    "age_days",
    "baseline_mean",
    "history",
    "is_warm",
    "learn",
    "observe",
    "record",
]

BASELINE_MS: Final = 300_000
_FIVE_MINUTES: Final = WINDOWS_S.index(300)
_AGE_MAX: Final = int(np.iinfo(np.uint16).max)
_SHAPE: Final = (len(WINDOWS_S), len(SERIES))
_DAY_MS: Final = 86_400_000.0

# The record is kept as a value and its age rather than decayed in place: the largest decayed value
# is always some hour's own peak, so a person can be told what it was and when.
STATE: Final = np.dtype(
    [
        ("first_seen_ms", "<i8"),  # end of the first tick with a count; 0: never seen
        ("total", "<f4", (len(SERIES),)),  # discounted sum of the winsorised five-minute sums
        ("squares", "<f4", (len(SERIES),)),  # and of their squares
        ("hour", "<u4"),  # the running hour, since 1970
        ("closed", "<u4"),  # five-minute windows since 1970 that are learned, or passed over idle
        ("learned", "<u4"),  # how many of them since the account was first seen
        ("held_since", "<u4"),  # first hour whose peak is in quarantine; 0: none
        ("record", "<f4", _SHAPE),  # peak of the hour that holds the record
        ("peak", "<f4", _SHAPE),  # largest sums of the running hour
        ("held", "<f4", _SHAPE),  # peaks in quarantine
        ("record_age_h", "<u2", _SHAPE),  # whole hours between the record's and the running hour
        ("alarmed", "<u2"),  # 1: the running hour alarmed
    ]
)


def is_warm(state: State, now_ms: int, parameters: Parameters) -> BoolArray:
    """(n,) true once `warm_up_s` has passed since first seen."""
    first = state["first_seen_ms"]
    known: BoolArray = first > 0
    old_enough: BoolArray = now_ms - first >= parameters.warm_up_s * 1000.0
    return known & old_enough


def age_days(state: State, now_ms: int) -> FloatArray:
    """(n,) days since first seen, at least an hour's share of one."""
    days: FloatArray = (now_ms - state["first_seen_ms"]) / _DAY_MS
    return np.maximum(days, HOUR_MS / _DAY_MS)


def record(
    state: State, now_ms: int, parameters: Parameters
) -> tuple[FloatArray, FloatArray, IntArray]:
    """M as the hour of `now_ms` began, the peak it stems from, and its age (hours); (n, 3, 5) each.

    Hour by hour, M <- max(M * decay, peak of the finished hour), taken over all hours at once: when
    k hours ended since the account was last observed, the peak that waits has faded k - 1 times.
    A peak in quarantine joins when `quarantine_h` hours have passed since the first one held.
    """
    half_life = parameters.record_half_life_h
    passed = _hours_passed(state, now_ms)
    value = state["record"].astype(np.float64)
    age = state["record_age_h"].astype(np.int64)
    if passed.any():
        each = passed[:, None, None]
        age += each
        waiting = np.maximum(each - 1, 0)
        peak = np.where((each > 0) & (state["alarmed"] == 0)[:, None, None], state["peak"], 0.0)
        value, age = _larger(value, age, peak, waiting, half_life)
    due = _released(state, passed, parameters)
    if due.any():
        waited = state["hour"].astype(np.int64) + passed - _held_since(state, passed)
        ended = np.where(due, waited - 1, 0)[:, None, None]
        held = np.where(due[:, None, None], _held(state, passed), 0.0)
        value, age = _larger(value, age, held, ended, half_life)
    return value * decay(age, half_life), value, age


def _larger(
    value: FloatArray, age: IntArray, other: FloatArray, other_age: IntArray, half_life: float
) -> tuple[FloatArray, IntArray]:
    """Of two peaks the one that has more left."""
    beaten = (other > 0.0) & (other * decay(other_age, half_life) >= value * decay(age, half_life))
    return np.where(beaten, other, value), np.where(beaten, other_age, age)


def _held_since(state: State, passed: IntArray) -> IntArray:
    """(n,) first hour in quarantine, the running one when it alarmed and has ended; 0: none."""
    since = state["held_since"].astype(np.int64)
    starts = (since == 0) & (state["alarmed"] > 0) & (passed > 0)
    return np.where(starts, state["hour"].astype(np.int64), since)


def _released(state: State, passed: IntArray, parameters: Parameters) -> BoolArray:
    """(n,) whether the quarantine ends with the hours that `passed`."""
    since = _held_since(state, passed)
    hour = state["hour"].astype(np.int64) + passed
    over: BoolArray = (since > 0) & (hour > since + parameters.quarantine_h)
    return over


def _held(state: State, passed: IntArray) -> FloatArray:
    """Peaks in quarantine, that of an hour that alarmed and just ended among them."""
    joins = ((passed > 0) & (state["alarmed"] > 0))[:, None, None]
    held: FloatArray = np.maximum(state["held"], np.where(joins, state["peak"], 0.0))
    return held


def history(
    state: State, now_ms: int, parameters: Parameters
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Discounted sums of x and x**2 (n, 5) and their weight (n, 1) of windows closed before now."""
    closed = (now_ms - 1) // BASELINE_MS
    idle = np.where(state["first_seen_ms"] > 0, closed - state["closed"].astype(np.int64), 0)
    return _with_idle(state, np.maximum(idle, 0), parameters)


def baseline_mean(state: State, now_ms: int, parameters: Parameters) -> FloatArray:
    """(n, 5) mean of the series per five minutes, the prior counted in."""
    total, _, weight = history(state, now_ms, parameters)
    prior = parameters.prior_windows
    return (total + prior * np.array(parameters.prior_mean)) / (weight + prior)


def observe(
    state: State, sums: FloatArray, alarmed: BoolArray, now_ms: int, parameters: Parameters
) -> State:
    """A new state that remembers the window sums (n, 3, 5) of the tick that ends at `now_ms`.

    Call it after `score`, for the accounts scored; `alarmed` (n,) sends the running hour's peaks
    into quarantine. Sets `first_seen_ms` at the first touch.
    """
    new = state.copy()
    passed = _hours_passed(state, now_ms)
    if passed.any():
        _, new["record"], age = record(state, now_ms, parameters)
        new["record_age_h"] = np.minimum(age, _AGE_MAX)
        turned = passed > 0
        out = _released(state, passed, parameters)
        held = _held(state, passed)
        new["held"] = np.where(out[:, None, None], 0.0, held)
        new["held_since"] = np.where(out, 0, _held_since(state, passed))
        new["peak"][turned] = 0.0
        new["alarmed"][turned] = 0
        new["hour"] += passed.astype(np.uint32)
    fresh = (state["first_seen_ms"] == 0) & (sums > 0.0).any(axis=(1, 2))
    if fresh.any():
        new["first_seen_ms"][fresh] = now_ms
        new["hour"][fresh] = (now_ms - 1) // HOUR_MS
        new["closed"][fresh] = (now_ms - 1) // BASELINE_MS
    new["peak"] = np.maximum(new["peak"], sums)
    new["alarmed"] |= alarmed
    return new


def learn(state: State, sums: FloatArray, window_end_ms: int, parameters: Parameters) -> State:
    """A new state that has learned the five minutes `sums` (n, 5) that ended at `window_end_ms`.

    For accounts active in that window; windows skipped since the last one count as zeros. A window
    that is learned already, and an account that `observe` never saw, leave the row as it is. After
    the warm-up a sum counts as at most `winsor_factor` * M + `winsor_margin`.

    Raises:
        ValueError: `window_end_ms` is no multiple of five minutes.
    """
    if window_end_ms % BASELINE_MS:
        raise ValueError(f"burst: a window ends at a multiple of 300,000 ms, got {window_end_ms}")
    index = window_end_ms // BASELINE_MS
    steps = index - state["closed"].astype(np.int64)
    due = (steps > 0) & (state["first_seen_ms"] > 0)

    best = record(state, window_end_ms, parameters)[0][:, _FIVE_MINUTES, :]
    cap = parameters.winsor_factor * best + np.array(parameters.winsor_margin)
    warm = is_warm(state, window_end_ms, parameters)[:, None]
    counted = np.where(warm, np.minimum(sums, cap), sums)

    total, squares, _ = _with_idle(state, np.maximum(steps, 0), parameters)
    new = state.copy()
    new["total"] = np.where(due[:, None], total + counted, state["total"])
    new["squares"] = np.where(due[:, None], squares + counted * counted, state["squares"])
    new["closed"][due] = index
    new["learned"] += np.where(due, steps, 0).astype(np.uint32)
    return new


def _hours_passed(state: State, now_ms: int) -> IntArray:
    passed = (now_ms - 1) // HOUR_MS - state["hour"].astype(np.int64)
    seen: IntArray = np.where(state["first_seen_ms"] > 0, np.maximum(passed, 0), 0)
    return seen


def _with_idle(
    state: State, idle: IntArray, parameters: Parameters
) -> tuple[FloatArray, FloatArray, FloatArray]:
    half_life = parameters.baseline_half_life_windows
    kept = decay(idle, half_life)[:, None]
    weight = discounted_steps(state["learned"].astype(np.int64) + idle, half_life)[:, None]
    total, squares = state["total"].astype(np.float64), state["squares"].astype(np.float64)
    return total * kept, squares * kept, weight
