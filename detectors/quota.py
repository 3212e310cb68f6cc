"""Quota: does this account play with its limits in a way that it never did?

Called by the fold every ten minutes for the accounts active in the clock hour so far. Four views,
each a tail by the account's own history with exponential forgetting, in evidence -log10 p:

    quota_hugging     P(N >= n): n of the active hours among the last six were near the limit with
                      hardly a 429, at least three; binomial, the account's own share of such
    early_exhaustion  P(T >= t): logarithm of this hour's pace (share of the quota used up since its
                      first event) against its usual, Student's t; only where little quota is left
    retry_abuse       the weaker of P(429s >= observed | requests) and P(retried ticks >= observed |
                      throttled ticks): both more than usual. A retry storm of an outage is not
                      blamed: its errors outnumber its 429s, and retries count after a 429 only
    key_hopping       P(K >= k): distinct keys of the hour beyond the first, negative binomial, only
                      while the keys are being throttled

The evidence is that of the strongest view, less log10 4 (Bonferroni). Shares start from a prior and
their tails carry three doubts: how little history there is, that requests of one hour hang together
(design effect, `detectors.shares`), and that one hour near a limit brings the next.

An hour with evidence of `strange_from` is quarantined before it is learned (see
`detectors.quarantine`): the same attack is found again hours later, and an honest change falls
silent within a day.

Known limits. The account's quota is a bare share: a monthly quota and a limit per minute look
alike, and a quota that is reset within the hour hides the pace. Someone who always retries at once
is never blamed for it. Accounts with fewer than `warm_up_h` active hours (they fade with a
half-life of 7 days) get NaN, not a verdict.

References: Bonferroni correction; negative binomial, see `detectors.negative_binomial`; clustered
binary data and Student's t, see `detectors.shares`; forgetting, see `detectors.forgetting`.
Measured by `python -m tests.bench.profile_quality` (400 simulated accounts, thresholds carried over
from 400 others), at 10 false alarms per 1,000 account-days (13.9 came true): hugging for 8 hours
1.00, nine tenths of the quota within 3 hours 1.00 but two thirds .07, hammering at three times the
limit 1.00 and just above it .65, 8 more keys 1.00 and 4 more .96. Of those found, the same again
hours later in 95 % and more, but for the faint two (.26 and .41).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import (
    EVIDENCE_MAX,
    HOUR_MS,
    BoolArray,
    Evidence,
    Explanation,
    FloatArray,
    Inputs,
    IntArray,
    State,
)
from detectors.bisection import repeated, smallest
from detectors.hours import hours_since
from detectors.negative_binomial import tail
from detectors.quota_parameters import Parameters
from detectors.quota_state import (
    STATE,
    history,
    is_near,
    learned,
    pace,
    recent,
)
from detectors.quota_words import sentence
from detectors.shares import share_tail, student_tail

__all__ = [
    "CADENCE",
    "CLUSTER",
    "INPUTS",
    "KINDS",
    "NAME",
    "STATE",
    "STRATA",
    "TITLE",
    "Parameters",
    "explain",
    "observe",
    "score",
]

NAME: Final = "quota"
TITLE: Final = "Quota"
CADENCE: Final = "stride"
KINDS: Final = ("quota_hugging", "early_exhaustion", "retry_abuse", "key_hopping")
INPUTS: Final = (
    "requests",
    "errors",
    "throttled",
    "quota_max",
    "quota_first",
    "keys",
    "throttled_ticks",
    "retried_ticks",
)
STRATA: Final = 4  # by requests in a usual hour: below 10, 100, 1,000, and above
CLUSTER: Final = 3.0

_HUGGING, _EXHAUSTION, _RETRY, _HOPPING = range(4)
_VIEWS: Final = float(np.log10(len(KINDS)))  # Bonferroni, in decades
_METRIC: Final = ("quota_used", "quota_used", "throttled", "keys")
_INPUT: Final = ("quota_max", "quota_max", "throttled", "keys")  # what the metric is read from
_PER_UNIT: Final = (1000, 1000, 1, 1)  # thresholds are multiples of a thousandth, or whole


def score(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> Evidence:
    """Evidence (n,) that the hour so far plays with the limits; NaN while an account warms up."""
    sums = history(state, now_ms, parameters)
    views = _views(state, sums, inputs, now_ms, parameters)
    kind = views.argmax(axis=1).astype(np.int64)
    value = np.clip(views.max(axis=1) - _VIEWS, 0.0, EVIDENCE_MAX)
    usual = sums["requests"] / np.maximum(sums["hours"], 1.0)
    stratum = np.searchsorted([10.0, 100.0, 1_000.0], usual, side="right").astype(np.int64)
    return Evidence(np.where(_is_warm(sums, parameters), value, np.nan), stratum, kind)


def observe(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> State:
    """A new state; it learns the hour that `now_ms` ends, and nothing at any other time."""
    if now_ms % HOUR_MS:
        return state.copy()
    strange = score(state, inputs, now_ms, parameters).value >= parameters.strange_from  # NaN: no
    sums = history(state, now_ms, parameters)
    near: FloatArray = is_near(inputs, parameters).astype(np.float64)
    p_value = _hugging(state, sums, near, np.arange(len(state)), now_ms, parameters)
    crowded = -np.log10(p_value) - _VIEWS >= parameters.strange_from
    return learned(state, inputs, strange, crowded, now_ms, parameters)


def explain(
    account_id: str,
    state: State,
    inputs: Inputs,
    now_ms: int,
    parameters: Parameters,
    limit: float,
) -> Explanation:
    """Why this one account (one row) stands out, before its hour is learned."""
    evidence = score(state, inputs, now_ms, parameters)
    kind = int(evidence.kind[0])
    name = _INPUT[kind]
    observed = float(inputs[name][0])

    def reaches(values: FloatArray) -> BoolArray:
        rows, held = repeated(state, inputs, len(values))
        held[name] = values
        fires: BoolArray = score(rows, held, now_ms, parameters).value >= limit
        return fires

    sums = history(state, now_ms, parameters)
    views = _views(state, sums, inputs, now_ms, parameters)[0]
    usual = _usual(sums, parameters)
    expected = {
        _HUGGING: usual["level"],
        _EXHAUSTION: inputs["quota_first"] + usual["pace"],
        _RETRY: usual["throttled_share"] * inputs["requests"],
        _HOPPING: usual["keys"],
    }[kind]
    hours = 1 + recent(state["near"], hours_since(state["hour"], now_ms))
    drivers = {KINDS[view]: float(views[view]) for view in np.argsort(-views, kind="stable")}
    drivers |= {input_name: float(inputs[input_name][0]) for input_name in INPUTS}
    drivers |= {f"usual_{what}": float(of_it[0]) for what, of_it in usual.items()}
    drivers["near_hours_of_6"] = float(hours[0])
    drivers["hours_learned"] = float(sums["hours"][0])
    p_value = 10.0 ** -float(np.nan_to_num(evidence.value[0]))
    return Explanation(
        metric=_METRIC[kind],
        window_s=3600,
        observed=observed,
        expected=float(expected[0]),
        threshold=smallest(reaches, observed, 1e6, _PER_UNIT[kind]),
        sentence=sentence(account_id, KINDS[kind], drivers, p_value),
        drivers=drivers,
    )


def _is_warm(sums: dict[str, FloatArray], parameters: Parameters) -> BoolArray:
    warm: BoolArray = sums["hours"] >= parameters.warm_up_h
    return warm


def _usual(sums: dict[str, FloatArray], parameters: Parameters) -> dict[str, FloatArray]:
    """The account's own shares and means (n,), with the priors in them."""
    p = parameters
    hours = np.maximum(sums["hours"], 1e-9)
    mean = sums["pace"] / hours
    squares = np.maximum(sums["pace_squares"] - hours * mean * mean, 0.0)
    variance = (squares + p.prior_pace_h * p.pace_spread**2) / (hours + p.prior_pace_h)
    return {
        "near_share": (sums["near_hours"] + p.prior_near_h * p.prior_near_share)
        / (hours + p.prior_near_h),
        "level": sums["level"] / hours,
        "pace": np.exp(mean),
        "pace_spread": np.sqrt(variance),
        "throttled_share": (sums["throttled"] + p.prior_requests * p.prior_throttled_share)
        / (sums["requests"] + p.prior_requests),
        "retried_share": (sums["retried_ticks"] + p.prior_ticks * p.prior_retried_share)
        / (sums["throttled_ticks"] + p.prior_ticks),
        "keys": 1.0 + _extra_keys(sums, parameters),
    }


def _extra_keys(sums: dict[str, FloatArray], parameters: Parameters) -> FloatArray:
    p = parameters
    mean: FloatArray = (sums["keys"] + p.prior_keys_h * p.prior_keys) / (
        sums["hours"] + p.prior_keys_h
    )
    return mean


def _hugging(
    state: State,
    sums: dict[str, FloatArray],
    near: FloatArray,
    rows: IntArray,
    now_ms: int,
    parameters: Parameters,
) -> FloatArray:
    """P(so many of the active hours in the window near the limit), `near` (n,) for the running."""
    p = parameters
    some = state[rows]
    steps = hours_since(some["hour"], now_ms)
    hours = sums["hours"][rows]
    share = (sums["near_hours"][rows] + p.prior_near_h * p.prior_near_share) / (
        hours + p.prior_near_h
    )
    near_hours = near[rows] + recent(some["near"], steps).astype(np.float64)
    active_hours = 1.0 + recent(some["active"], steps).astype(np.float64)
    p_value = share_tail(
        near_hours, active_hours, share, p.correlation_hours + 1.0 / (hours + p.prior_near_h)
    )
    return np.where(near_hours >= p.min_near_h, p_value, 1.0)


def _views(
    state: State,
    sums: dict[str, FloatArray],
    inputs: Inputs,
    now_ms: int,
    parameters: Parameters,
) -> FloatArray:
    """-log10 of the tail in each view (n, 4); 0 where the view has nothing to ask."""
    p = parameters
    views = np.zeros((len(state), len(KINDS)))
    near = is_near(inputs, p)
    fast = (inputs["quota_max"] >= p.exhausted_from) & (pace(inputs, p) > p.pace_floor)
    blamed = (inputs["throttled"] >= p.min_throttled) & (inputs["throttled"] > inputs["errors"])
    hops = blamed & (inputs["keys"] > 1.0)
    asked = np.flatnonzero(near | fast | blamed)  # most accounts are far from every limit
    if not len(asked):
        return views
    some = {name: array[asked] for name, array in sums.items()}
    now = {name: inputs[name][asked] for name in INPUTS}
    usual = _usual(some, p)

    hugging = _hugging(state, sums, np.ones(len(state)), asked, now_ms, p)
    freedom = some["hours"] + p.prior_pace_h
    out = np.log(pace(now, p) / usual["pace"]) / usual["pace_spread"]
    exhaustion = student_tail(out / np.sqrt(1.0 + 1.0 / freedom), freedom)
    doubt = 1.0 / (some["requests"] + p.prior_requests)
    throttled = share_tail(
        now["throttled"], now["requests"], usual["throttled_share"], p.correlation + doubt
    )
    doubt = 1.0 / (some["throttled_ticks"] + p.prior_ticks)
    retried = share_tail(
        np.minimum(now["retried_ticks"], now["throttled_ticks"]),
        now["throttled_ticks"],
        usual["retried_share"],
        p.correlation + doubt,
    )
    hopping = tail(
        np.maximum(now["keys"] - 1.0, 0.0),
        _extra_keys(some, p),
        np.full(len(asked), 1.0 / p.keys_dispersion),
    )
    tails = (hugging, exhaustion, np.maximum(throttled, retried), hopping)
    for view, (p_value, where) in enumerate(zip(tails, (near, fast, blamed, hops), strict=True)):
        views[asked, view] = np.where(where[asked], -np.log10(p_value), 0.0)
    return views
