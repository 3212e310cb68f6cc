"""What the use-case detector remembers of an account: its profile; judged by `detectors.use_case`.

Four mixes of requests (endpoints, countries, prompt sizes, output sizes), the hours of the day it
is active in, and how much each mix varies from hour to hour. All fade with the same half-life; idle
time is made good in closed form when the account is next looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from detectors.base import FloatArray, Inputs, State
from detectors.forgetting import decay
from detectors.hours import hour_of, hours_since
from detectors.use_case_parameters import Parameters

__all__ = [
    "BINS",
    "MIXES",
    "RUN_UNIT",
    "STATE",
    "deviance",
    "expected_shares",
    "hours_weight",
    "part_of_day",
    "row_sum",
    "run_before",
    "spread",
]

MIXES: Final = ("endpoints", "countries", "prompt_sizes", "output_sizes")
BINS: Final = 8
_TINY: Final = 1e-300  # keeps the logarithm of an empty bin finite; it is multiplied by 0
RUN_UNIT: Final = 16.0  # the run of odd hours is kept in one byte, in sixteenths of a decade

STATE: Final = np.dtype(
    [
        ("profile", "<f4", (len(MIXES), BINS)),  # discounted requests
        ("hours", "<f4", (BINS,)),  # discounted active hours by three hours of the day (UTC)
        ("hour", "<u4"),  # last hour learned, since 1970; 0: never seen
        ("spread", "<f2", (len(MIXES),)),  # correlation of two requests of an hour; mean so far
        ("quarantine", "u1", (2,)),  # of the mixes, of the hours: see `detectors.quarantine`
        ("run", "u1"),  # sum of odd hours
    ]
)


def part_of_day(now_ms: int) -> int:
    """0 .. 7: the three hours of the day (UTC) that the clock hour of `now_ms` lies in."""
    return hour_of(now_ms) % 24 // 3


def hours_weight(state: State, now_ms: int, parameters: Parameters) -> FloatArray:
    """Active hours (n,) in the profile, discounted."""
    left = decay(hours_since(state["hour"], now_ms), parameters.half_life_h)
    weight: FloatArray = row_sum(state["hours"].astype(np.float64)) * left
    return weight


def run_before(state: State, now_ms: int, parameters: Parameters) -> FloatArray:
    """Sum of odd hours (n,) as the running hour began, in decades."""
    left = decay(hours_since(state["hour"], now_ms), parameters.hours_half_life_h)
    before: FloatArray = state["run"] / RUN_UNIT * left
    return before


def spread(state: State, weight: FloatArray, mix: int, parameters: Parameters) -> FloatArray:
    """Correlation (n,) of two requests of the same hour in a mix, with the prior in it."""
    p = parameters
    own = state["spread"][:, mix].astype(np.float64)
    known: FloatArray = (own * weight + p.prior_spread * p.prior_spread_h) / (
        weight + p.prior_spread_h
    )
    return np.maximum(known, p.spread_min)


def expected_shares(state: State, inputs: Inputs, mix: int, parameters: Parameters) -> FloatArray:
    """What an hour's mix should look like (n, 8): own profile, cohort where known, a little of all.

    The shares of an account never seen are those of its cohort, or uniform.
    """
    p = parameters
    counts = state["profile"][:, mix].astype(np.float64)
    cohort = inputs["cohort_profile"][:, mix * BINS : (mix + 1) * BINS]
    total, of_cohort = row_sum(counts), row_sum(cohort)
    known, grouped = total > 0.0, of_cohort > 0.0
    told = 1.0 - p.uniform_share
    from_cohort = np.where(grouped, np.where(known, p.cohort_share, told), 0.0)
    own = np.where(known, told - from_cohort, 0.0)
    uniform = (1.0 - own - from_cohort) / BINS
    shares: FloatArray = counts * (own / np.where(known, total, 1.0))[:, None]
    shares += cohort * (from_cohort / np.where(grouped, of_cohort, 1.0))[:, None]
    shares += uniform[:, None]
    return shares


def deviance(
    counts: FloatArray,
    total: FloatArray,
    shares: FloatArray,
    log: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Terms (n, 8) of the likelihood-ratio statistic G = 2 * sum n * log(n / (N * share)).

    Sokal and Rohlf, "Biometry", 1981, ch. 17. `total` (n,): N, the sum of the counts; `log`:
    vectorised, or `detectors.logarithm` for what is remembered.
    """
    expected = shares * np.maximum(total, 1.0)[:, None]
    terms: FloatArray = log(np.maximum(counts / expected, _TINY))
    terms *= 2.0 * counts
    return terms


def row_sum(rows: FloatArray) -> FloatArray:
    """Sum (n,) over the 8 bins: seven additions of columns cost a fifth of `sum(axis=1)`."""
    half = rows[:, :4] + rows[:, 4:]
    total: FloatArray = (half[:, 0] + half[:, 1]) + (half[:, 2] + half[:, 3])
    return total
