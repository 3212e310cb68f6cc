"""The five views of the use-case detector, between its state and its verdict.

Called by `detectors.use_case`: four mixes of the hour's requests against the profile, and the hour
of the day against the hours the account is active in. Evidence here is -log10 of a tail, before
Bonferroni. Formulas and sources stand in `detectors.use_case`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import FloatArray, Inputs, State
from detectors.forgetting import decay
from detectors.hours import hours_since
from detectors.shares import variance_ratio_tail
from detectors.use_case_parameters import Parameters
from detectors.use_case_state import (
    MIXES,
    deviance,
    expected_shares,
    part_of_day,
    row_sum,
    run_before,
    spread,
)

__all__ = ["day_shares", "freedom", "hours_evidence", "mixes_evidence", "usual_requests"]

_DULL: Final = 1.4  # an F below this has a tail above 1 / 5: no evidence after Bonferroni
_ALIKE: Final = 1.5  # parts of the day whose shares differ by less are equally likely


def freedom(shares: FloatArray) -> FloatArray:
    """Degrees of freedom (n,) of a mix: its bins, counted by how evenly they are used, less one.

    The inverse of Simpson's concentration (Hill, "Diversity and evenness", Ecology 54, 1973).
    """
    bins: FloatArray = 1.0 / row_sum(shares * shares)
    return np.maximum(bins - 1.0, 1.0)


def mixes_evidence(
    state: State, inputs: Inputs, weight: FloatArray, parameters: Parameters
) -> FloatArray:
    """Evidence (n, 4) of each mix."""
    p = parameters
    evidence = np.zeros((len(state), len(MIXES)))
    for mix, name in enumerate(MIXES):
        counts = inputs[name]
        total = row_sum(counts)
        shares = expected_shares(state, inputs, mix, p)
        free = freedom(shares)
        usual = 1.0 + np.maximum(total - 1.0, 0.0) * spread(state, weight, mix, p)
        ratio = row_sum(deviance(counts, total, shares, np.log)) / (free * usual)
        asked = np.flatnonzero((ratio > _DULL) & (total >= p.min_requests))
        p_value = variance_ratio_tail(ratio[asked], free[asked], weight[asked] + p.prior_spread_h)
        evidence[asked, mix] = -np.log10(p_value)
    return evidence


def day_shares(state: State, now_ms: int, parameters: Parameters) -> FloatArray:
    """Share of the account's active hours (n, 8) in each three hours of the day."""
    left = decay(hours_since(state["hour"], now_ms), parameters.half_life_h)
    active = state["hours"] * left[:, None] + parameters.prior_hours
    shares: FloatArray = active / row_sum(active)[:, None]
    return shares


def usual_requests(state: State, parameters: Parameters) -> FloatArray:
    """Requests (n,) of a usual active hour, at most `requests_max`."""
    total = row_sum(state["profile"][:, 0].astype(np.float64))
    active = np.maximum(row_sum(state["hours"].astype(np.float64)), 1.0)
    usual: FloatArray = np.minimum(total / active, parameters.requests_max)
    return usual


def hours_evidence(
    state: State, inputs: Inputs, weight: FloatArray, now_ms: int, parameters: Parameters
) -> tuple[FloatArray, FloatArray]:
    """Evidence of the hour of the day with the odd ones before it (n,), and the sum to remember."""
    p = parameters
    shares = day_shares(state, now_ms, p)
    here = shares[:, part_of_day(now_ms)][:, None]
    p_value = row_sum(np.where(shares <= here * _ALIKE, shares, 0.0))
    half = 0.5 * np.maximum(usual_requests(state, p), 1.0)
    odd = -np.log10(np.minimum(p_value, 1.0)) * np.minimum(1.0, inputs["requests"] / half)
    run = np.maximum(run_before(state, now_ms, p) + odd - p.hours_drift, 0.0)
    judged = (weight >= p.warm_up_hours_h) & (inputs["requests"] > 0.0)
    run = np.where(judged, run, 0.0)
    return run, run
