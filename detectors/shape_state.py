"""What the shape detector remembers of an account, and the changes it sees; see `detectors.shape`.

For each feature the mean and the variance of its logarithm over the active hours, with exponential
forgetting; an hour teaches at most a change of three spreads, a strange one nothing for a while.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import FloatArray, Inputs, State
from detectors.forgetting import decay
from detectors.hours import hour_of, hours_since
from detectors.quarantine import learning, quarantined
from detectors.shape_features import FEATURES, features
from detectors.shape_parameters import Parameters

__all__ = ["STATE", "changes", "hours_weight", "learned", "spreads"]

STATE: Final = np.dtype(
    [
        ("mean", "<f4", (len(FEATURES),)),
        ("variance", "<f4", (len(FEATURES),)),
        ("hours", "<f4"),  # active hours, discounted
        ("hour", "<u4"),  # last hour learned, since 1970; 0: never seen
        ("quarantine", "u1"),  # see `detectors.quarantine`
    ]
)
_RISES: Final = np.array([feature.of is None for feature in FEATURES])


def hours_weight(state: State, now_ms: int, parameters: Parameters) -> FloatArray:
    """Active hours (n,) in the history, discounted."""
    weight: FloatArray = state["hours"] * decay(
        hours_since(state["hour"], now_ms), parameters.half_life_h
    )
    return weight


def spreads(state: State, weight: FloatArray, parameters: Parameters) -> FloatArray:
    """Standard deviation (n, 12) of each logarithm from hour to hour, with the prior in it."""
    p = parameters
    prior = p.prior_spread**2 * p.prior_spread_h
    known = (state["variance"] * weight[:, None] + prior) / (weight[:, None] + p.prior_spread_h)
    spread: FloatArray = np.sqrt(known) + p.spread_min
    return spread


def changes(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> FloatArray:
    """Change (n, 12) of each feature against the account's own history, in its spreads.

    Levels count rises only: the running hour is not over, so a low one says nothing.
    """
    values, says = features(inputs, parameters)
    spread = spreads(state, hours_weight(state, now_ms, parameters), parameters)
    change = (values - state["mean"]) * says / spread
    change[:, _RISES] = np.maximum(change[:, _RISES], 0.0)
    limited: FloatArray = np.clip(change, -parameters.change_max, parameters.change_max)
    return limited


def learned(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> State:
    """A new state with the finished hour folded in; an hour learned before, or idle, is not."""
    p = parameters
    steps = hours_since(state["hour"], now_ms)
    due = (inputs["requests"] > 0.0) & ((state["hour"] == 0) | (steps > 0))
    weight = hours_weight(state, now_ms, p)
    change = changes(state, inputs, now_ms, p)
    # Many middling changes are strange too; and what began to be adopted is adopted thoroughly.
    used_up = quarantined(state["quarantine"], steps, p.quarantine_half_life_h) > p.quarantine_h
    limit = np.where(used_up, 0.5 * p.strange_from, p.strange_from)
    strange = np.sqrt((change * change).sum(axis=1)) >= limit
    strange &= weight >= p.warm_up_h
    keep, gain, quarantine = learning(
        state["quarantine"],
        steps,
        strange,
        weight,
        p.quarantine_h,
        p.quarantine_half_life_h,
        p.adoption,
    )
    values, says = features(inputs, p)
    first = (state["hour"] == 0)[:, None]
    mean = np.where(first, values, state["mean"])
    most = p.winsor * spreads(state, weight, p)
    # What is adopted is learned whole: the old mean is no yardstick for it any more.
    whole = (strange & (gain > 0.0))[:, None]
    moved = np.where(whole, values - mean, np.clip(values - mean, -most, most))
    total = weight * keep + gain
    rate = (gain / np.maximum(total, 1e-9))[:, None] * says
    new = state.copy()
    new["mean"] = mean + rate * moved
    squared = np.minimum(np.abs(moved), most) ** 2
    new["variance"] = state["variance"] + rate * (squared - state["variance"])
    new["hours"] = total
    new["quarantine"] = quarantine
    new["hour"] = hour_of(now_ms)
    new[~due] = state[~due]
    return new
