"""What the low-and-slow detector remembers of an account, and an hour judged by it.

Beside `detectors.low_and_slow`, which says what is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors import share_record
from detectors.base import HOUR_MS, BoolArray, FloatArray, Inputs, IntArray, State
from detectors.beta_binomial import tail
from detectors.concentration import concentration
from detectors.low_and_slow_parameters import SHARES, Parameters

__all__ = [
    "CONCENTRATION",
    "NEW",
    "SHORT",
    "STATE",
    "Judged",
    "first_day",
    "history",
    "judge",
    "shares",
]

SHORT, NEW, CONCENTRATION = range(len(SHARES))
_DAY: Final = 24  # hours
_LATELY: Final = 0.1  # share above the mean from which new templates came in numbers

STATE: Final = np.dtype(
    [
        *share_record.fields(len(SHARES)),
        ("learned", "<u4"),  # active hours
        ("first", "<u4"),  # hour, since 1970, that was learned first; 0: none
        # Discounted sums over hours, by share:
        ("count", "<f4", (len(SHARES),)),
        ("trials", "<f4", (len(SHARES),)),
        ("excess", "<f4", (len(SHARES),)),
        ("pairs", "<f4", (len(SHARES),)),
    ]
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One hour against what was known; (n, 3) by share."""

    count: FloatArray
    trials: FloatArray
    mean: FloatArray
    dispersion: FloatArray
    known: FloatArray  # R; 0: none
    strange: FloatArray  # e
    beyond: FloatArray  # r
    recent: FloatArray  # (n,) e of new_template, were short outputs up to the last half days' by it


def judge(
    state: State, inputs: Inputs, now_ms: int, parameters: Parameters, every: bool = False
) -> Judged:
    """The numbers behind `score`; templates are judged where outputs are short, else if `every`."""
    hour = (now_ms - 1) // HOUR_MS
    count, trials = shares(inputs)
    mean, dispersion = history(state, parameters)
    known, recent_share = share_record.record(state, hour, parameters.record_half_life_hours)
    known[:, NEW] = 0.0
    count[first_day(state, hour), NEW] = 0.0

    def strangeness(share_count: FloatArray, at: tuple[IntArray, ...]) -> FloatArray:
        return -np.log10(tail(share_count, trials[at], mean[at], dispersion[at]))

    enough = trials >= parameters.min_requests
    above = enough & (count > mean * trials)
    asked = above.copy()
    lately = recent_share[:, NEW] > mean[:, NEW] + _LATELY
    if not every:
        asked[:, CONCENTRATION] &= above[:, SHORT] | lately
    strange = np.zeros_like(mean)
    at = np.nonzero(asked)
    strange[at] = strangeness(count[at], at)
    beyond = strange.copy()
    again = np.nonzero(asked & (known > mean))
    before = strangeness(known[again] * trials[again], again)
    beyond[again] = np.maximum(strange[again] - before, 0.0)

    recent = np.zeros(len(mean))
    anew = enough[:, NEW] & (beyond[:, (SHORT, CONCENTRATION)] > 0.0).any(axis=1)
    late = np.flatnonzero(anew & lately)
    rows = (late, np.full(len(late), NEW))
    recent[late] = strangeness(
        np.minimum(recent_share[rows] * trials[rows], count[late, SHORT]), rows
    )
    return Judged(count, trials, mean, dispersion, known, strange, beyond, recent)


def first_day(state: State, hour: int) -> BoolArray:
    """(n,) accounts whose first day it is: all of their templates are new."""
    first = state["first"].astype(np.int64)
    result: BoolArray = (first == 0) | (first // _DAY == hour // _DAY)
    return result


def shares(inputs: Inputs) -> tuple[FloatArray, FloatArray]:
    """k and n of the three shares, (n, 3) each."""
    alike, total = concentration(inputs["template_counts"])
    outputs, short = inputs["outputs"], inputs["short_outputs"]
    new = np.minimum(inputs["new_short_counts"].max(axis=1), short)
    trials = np.stack([outputs, outputs, total], axis=1)
    count = np.stack([short, new, alike * total], axis=1)
    return np.minimum(count, trials), trials


def history(state: State, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Mean share and dispersion (n, 3), the prior included."""
    prior = parameters.prior_requests
    mean = (state["count"] + prior * np.array(parameters.prior_mean)) / (state["trials"] + prior)
    pairs = parameters.prior_hours * parameters.hour_requests * (parameters.hour_requests - 1.0)
    excess = state["excess"] + pairs * np.array(parameters.prior_dispersion)
    dispersion: FloatArray = np.clip(
        excess / (state["pairs"] + pairs), *parameters.dispersion_limits
    )
    return mean, dispersion
