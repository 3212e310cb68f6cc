"""Burst: has this account ever been near this? Its window sums against its own record.

Called once a tick (a few seconds of event time) for the accounts with a count. For five series
(requests, tokens in, tokens out, errors, 429s) over three windows (1, 5 and 60 minutes):

    ratio    = (S - M) / (M + offset)        S the window's sum, M the account's record
    evidence = decades * log10(1 + ratio) * weights / (1 + age_penalty / max(age, 1 day))

and the largest of the fifteen counts. M is the largest sum seen before this hour, fading by half
every `record_half_life_s`. A record is as firm as the account is old, hence the last factor. What
evidence is rare is learned from the population, stratified by the account's own mean (small
accounts double their record every day, large ones never), young accounts apart
(`detectors.calibration`). Beside it stands, for the reader, the tail of the account's own counts:
P(X >= S), X negative binomial with the mean and the dispersion of its five-minute sums, exponential
forgetting and a prior; a window of w seconds has the mean times w / 300 and the size times
min(1, w / 300), in both cases the heavier tail of the two.

Two memories on purpose. The record learns an hour when it has ended, unless it alarmed: then its
peaks wait `quarantine_h` hours, so that the same attack again is news again, and an honest level
shift falls silent the same day. The baseline learns at most 2 M and a margin (winsorised).

Known limits. A ramp that less than doubles from hour to hour has no evidence (see `ramp`). An
attack no larger than an honest peak of the last two weeks is not found here.

References: records against tails, DESIGN.md "Detectors"; negative binomial and moment estimate, see
`detectors.negative_binomial`; winsorising, Dixon and Tukey, "Approximate behavior of the
distribution of winsorized t", Technometrics 10, 1968. Measured by `pulse evaluate`, see
docs/detectors/burst.md.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import (
    EVIDENCE_MAX,
    BoolArray,
    Evidence,
    Explanation,
    FloatArray,
    Inputs,
    IntArray,
    State,
)
from detectors.bisection import LARGEST, repeated, smallest
from detectors.burst_parameters import SERIES, WINDOWS_S, Parameters
from detectors.burst_state import (
    STATE,
    age_days,
    baseline_mean,
    history,
    is_warm,
    learn,
    record,
)
from detectors.burst_state import observe as _observe
from detectors.negative_binomial import moments, tail
from detectors.wording import age, amount, series_name, window_name

__all__ = [
    "CADENCE",
    "CLUSTER",
    "INPUTS",
    "KINDS",
    "NAME",
    "SERIES",
    "STATE",
    "STRATA",
    "TITLE",
    "WINDOWS_S",
    "Parameters",
    "baseline_mean",
    "explain",
    "is_warm",
    "learn",
    "observe",
    "score",
    "strata",
]

NAME: Final = "burst"
TITLE: Final = "Burst"
CADENCE: Final = "tick"
KINDS: Final = ("burst", "token_burst", "error_burst", "throttled_burst")
INPUTS: Final = ("sums",)
_KIND_OF_SERIES: Final = np.array([0, 1, 1, 2, 3])
_CELLS: Final = (len(WINDOWS_S), len(SERIES))
_SCALE: Final = np.array(WINDOWS_S) / 300.0  # of the mean
_SIZE_SCALE: Final = np.minimum(_SCALE, 1.0)
#: Requests per five minutes that part the strata of accounts older than a day.
MEANS: Final = np.array([0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
#: Days of age, and requests per five minutes, that part the strata of younger ones.
_AGES: Final = np.array([0.125, 0.33])
_YOUNG_MEANS: Final = np.array([1.0, 8.0])
_OLD: Final = len(MEANS) + 1
STRATA: Final = _OLD + (len(_AGES) + 1) * (len(_YOUNG_MEANS) + 1)
CLUSTER: Final = 3.0


def score(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> Evidence:
    """Judge the sums (n, 3, 5) of the tick that ends at `now_ms`; changes nothing."""
    sums = inputs["sums"]
    count = len(sums)
    value = np.zeros(count)
    stratum, kind = np.zeros(count, np.int64), np.zeros(count, np.int64)
    known = is_warm(state, now_ms, parameters)
    value[~known] = np.nan
    loud = np.flatnonzero(known & (sums >= np.array(parameters.minimum)).any(axis=(1, 2)))
    if loud.size:
        cells = _cells(state[loud], sums[loud], now_ms, parameters).reshape(len(loud), -1)
        strongest = cells.argmax(axis=1)
        value[loud] = cells.max(axis=1)
        kind[loud] = _KIND_OF_SERIES[strongest % len(SERIES)]
        stratum[loud] = strata(state[loud], now_ms, parameters)
    return Evidence(value, stratum, kind)


def observe(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> State:
    """A new state that remembers the tick; `alarmed` among the inputs, when given, is (n,)."""
    alarmed = inputs["alarmed"] > 0 if "alarmed" in inputs else np.zeros(len(state), np.bool_)
    return _observe(state, inputs["sums"], alarmed, now_ms, parameters)


def _cells(state: State, sums: FloatArray, now_ms: int, parameters: Parameters) -> FloatArray:
    """Evidence (n, 3, 5) of each window and series, quantised: processors differ in a last bit."""
    best, _, _ = record(state, now_ms, parameters)
    ratio = np.maximum(sums - best, 0.0) / (best + np.array(parameters.offset))
    ratio[sums < np.array(parameters.minimum)] = 0.0
    weight = (
        parameters.decades
        * np.array(parameters.window_weight)[:, None]
        * np.array(parameters.series_weight)
    )
    # Of younger accounts the stratum knows the age.
    firm = 1.0 / (1.0 + parameters.age_penalty_d / np.maximum(age_days(state, now_ms), 1.0))
    evidence = np.log10(1.0 + ratio) * weight * firm[:, None, None]
    rounded: FloatArray = np.minimum(np.rint(evidence * 1024.0) / 1024.0, EVIDENCE_MAX)
    return rounded


def strata(state: State, now_ms: int, parameters: Parameters) -> IntArray:
    """(n,) stratum of each account; -1 while it warms up."""
    requests = baseline_mean(state, now_ms, parameters)[:, 0]
    days = age_days(state, now_ms)
    young = _OLD + np.searchsorted(_AGES, days) * (len(_YOUNG_MEANS) + 1)
    young = young + np.searchsorted(_YOUNG_MEANS, requests)
    place = np.where(days >= 1.0, np.searchsorted(MEANS, requests), young)
    return np.where(is_warm(state, now_ms, parameters), place, -1)


def explain(
    account_id: str,
    state: State,
    inputs: Inputs,
    now_ms: int,
    parameters: Parameters,
    limit: float,
) -> Explanation:
    """Why this one account stands out: `state` (1,) as it was before the tick, sums (1, 3, 5)."""
    sums = inputs["sums"]
    evidence = _cells(state, sums, now_ms, parameters)[0]
    window, series = divmod(int(evidence.argmax()), len(SERIES))
    cell = (0, window, series)
    best, was, hours = (x[cell] for x in record(state, now_ms, parameters))
    mean, size = (x[cell] for x in _distribution(state, now_ms, parameters))
    observed = float(sums[cell])
    own_tail = float(tail(np.array([observed]), np.array([mean]), np.array([size]))[0])

    def reaches(values: FloatArray) -> BoolArray:
        rows, held = repeated(state, inputs, len(values))
        held["sums"][:, window, series] = values
        fires: BoolArray = (
            _cells(rows, held["sums"], now_ms, parameters)[:, window, series] >= limit
        )
        return fires

    days = age_days(state, now_ms)[0]
    past = (
        f"its highest in {_days(days)} was {amount(was)}, {age(int(hours))}"
        if was > 0
        else f"it had sent none in {_days(days)}"
    )
    name = series_name(SERIES[series])
    sentence = (
        f"{account_id} {'sent' if series == 0 else 'had'} {amount(observed)} {name} in "
        f"{window_name(WINDOWS_S[window])}; {past}, and its usual is {amount(mean)}"
    )
    drivers = {f"{SERIES[series]}_{WINDOWS_S[window]}s": observed}
    others = np.argsort(-evidence, axis=None, kind="stable")
    for place in others[1:4]:
        at, which = divmod(int(place), len(SERIES))
        if evidence[at, which] > 0.0:
            drivers[f"{SERIES[which]}_{WINDOWS_S[at]}s"] = float(sums[0, at, which])
    drivers |= {
        "evidence": float(evidence.max()),
        "record": float(was),
        "record_age_h": float(hours),
        "record_faded": float(best),
        "expected": float(mean),
        "dispersion": float(1.0 / size),
        "own_tail_p": own_tail,
        "age_days": float(days),
    }
    return Explanation(
        metric=SERIES[series],
        window_s=WINDOWS_S[window],
        observed=observed,
        expected=float(mean),
        threshold=smallest(reaches, observed, LARGEST),
        sentence=sentence,
        drivers=drivers,
    )


def _days(days: float) -> str:
    if days < 2.0:
        return f"{max(1, round(days * 24))} hours" if days * 24 >= 1.5 else "its first hour"
    return f"{round(days)} days"


def _distribution(
    state: State, now_ms: int, parameters: Parameters
) -> tuple[FloatArray, FloatArray]:
    """Mean and size (n, 3, 5) of the negative binomial of each window and series."""
    total, squares, weight = history(state, now_ms, parameters)
    mean, size = moments(
        total,
        squares,
        weight,
        parameters.prior_windows,
        np.array(parameters.prior_mean),
        np.array(parameters.prior_dispersion),
        parameters.dispersion_limits,
    )
    return mean[:, None, :] * _SCALE[:, None], size[:, None, :] * _SIZE_SCALE[:, None]
