"""Use case: does live traffic still look like the use the account was approved for?

Called by the fold every ten minutes for the accounts active in the clock hour so far. Five views:
four mixes of the hour's requests (endpoints, countries, prompt sizes, output sizes) and the hour of
the day. For a mix of N requests, n_i in bin i,

    G = 2 * sum n_i log(n_i / (N q_i))     q: own slow profile, a tenth of it the cohort's, that is
                                           of others with the same approved use case
    p = P(F(d, v) >= G / d / (1 + (N - 1) r))

d is the number of bins, by how evenly they are used, less one; r the correlation of two requests of
the same hour, estimated from the account's own past G (an hour with G / d of 1 + (N - 1) r is its
usual); v the hours that estimate rests on: an account that always varies from hour to hour does not
drift when it varies again. Hours of the day have one
observation an hour; p is the share of the account's active hours in parts of the day no likelier
than this one, scaled down for less than half its usual traffic, and summed over odd hours in a row
with forgetting, less a drift (one-sided CUSUM). The evidence is that of the strongest view in
-log10 p, less log10 5 (Bonferroni); that view is named.

Two memories: the profile has a half-life of 7 days, and an hour with evidence of `strange_from` is
quarantined before it is learned (`detectors.quarantine`). The same drift is found again hours
later; after a product launch, or a change of time zone, the profile follows within a day.

Known limits. Endpoints and countries are hashed to eight bins: a new one in a usual bin is not
seen. Gradual drift, slower than the profile learns, is not either. Hours of the day alone give
little evidence in one hour. Accounts with fewer than `warm_up_h` active hours get NaN.

References: G-test, Sokal and Rohlf, "Biometry", 1981, ch. 17; over-dispersed multinomials and the F
test for an estimated one, McCullagh and Nelder, "Generalized Linear Models", 1989, 4.5 and 5.5;
design effect, Rao and Scott, Biometrics 48, 1992; CUSUM, Page, Biometrika 41, 1954.
Measured by `python -m tests.bench.profile_quality` (400 simulated accounts, thresholds carried over
from 400 others), at 10 false alarms per 1,000 account-days (7.9 came true): a mix of which a
quarter, half, all is new within 3 hours .79 to .83, .98, 1.00; 8 hours of the night .10 at most. An
honest launch that moves 40 % to a new endpoint alarms in some 7 hours, and from the second day on
in .4 hours a day and fewer.
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
    State,
)
from detectors.bisection import repeated, smallest
from detectors.forgetting import decay
from detectors.hours import hour_of, hours_since
from detectors.logarithm import log
from detectors.quarantine import learning
from detectors.use_case_parameters import Parameters
from detectors.use_case_state import (
    BINS,
    MIXES,
    RUN_UNIT,
    STATE,
    deviance,
    expected_shares,
    hours_weight,
    part_of_day,
    row_sum,
    run_before,
    spread,
)
from detectors.use_case_views import (
    day_shares,
    freedom,
    hours_evidence,
    mixes_evidence,
    usual_requests,
)
from detectors.use_case_words import sentence

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

NAME: Final = "use_case"
TITLE: Final = "Use case"
CADENCE: Final = "stride"
KINDS: Final = (*(f"use_case_{mix}" for mix in MIXES), "use_case_hours")
INPUTS: Final = ("requests", *MIXES, "cohort_profile")
STRATA: Final = 6  # by requests of the hour: below 10, 30, 100, 300, 1,000, and above
CLUSTER: Final = 3.0

_HOURS: Final = len(MIXES)
_VIEWS: Final = float(np.log10(len(KINDS)))  # Bonferroni, in decades


def score(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> Evidence:
    """Evidence (n,) that the hour so far is another use; NaN while an account warms up."""
    weight = hours_weight(state, now_ms, parameters)
    mixes = mixes_evidence(state, inputs, weight, parameters)
    hours, _ = hours_evidence(state, inputs, weight, now_ms, parameters)
    views = np.concatenate([mixes, hours[:, None]], axis=1)
    kind = views.argmax(axis=1).astype(np.int64)
    value = np.clip(views.max(axis=1) - _VIEWS, 0.0, EVIDENCE_MAX)
    stratum = np.searchsorted([10.0, 30.0, 100.0, 300.0, 1_000.0], inputs["requests"], side="right")
    warm = weight >= parameters.warm_up_h
    return Evidence(np.where(warm, value, np.nan), stratum.astype(np.int64), kind)


def observe(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> State:
    """A new state; it learns the hour that `now_ms` ends, and nothing at any other time."""
    new = state.copy()
    if now_ms % HOUR_MS:
        return new
    p = parameters
    steps = hours_since(state["hour"], now_ms)
    due = (inputs["requests"] > 0.0) & ((state["hour"] == 0) | (steps > 0))
    weight = hours_weight(state, now_ms, p)
    left = decay(steps, p.half_life_h)
    mixes = mixes_evidence(state, inputs, weight, p).max(axis=1)
    hours, run = hours_evidence(state, inputs, weight, now_ms, p)
    warm = weight >= p.warm_up_h
    lessons = [
        learning(
            state["quarantine"][:, which],
            steps,
            warm & (evidence - _VIEWS >= p.strange_from),
            weight,
            limit,
            p.quarantine_half_life_h,
            p.adoption,
        )
        for which, (evidence, limit) in enumerate(
            ((mixes, p.quarantine_h), (hours, p.quarantine_hours_h))
        )
    ]
    keep, gain, new_quarantine = lessons[0]
    for mix, name in enumerate(MIXES):
        counts = inputs[name]
        total = row_sum(counts)
        scale = gain * np.minimum(1.0, p.requests_max / np.maximum(total, 1.0))
        old = state["profile"][:, mix] * (left * keep)[:, None]
        new["profile"][:, mix] = np.where(due[:, None], old + counts * scale[:, None], old)
        taught = due & (total >= p.min_requests) & (weight >= 1.0)
        known = spread(state, weight, mix, p)
        shares = expected_shares(state, inputs, mix, p)
        deviation = row_sum(deviance(counts, total, shares, log)) / freedom(shares)
        excess = (deviation - 1.0) / np.maximum(total - 1.0, 1.0)
        excess = np.clip(excess, 0.0, p.spread_winsor * known)
        own = state["spread"][:, mix].astype(np.float64)
        new["spread"][:, mix] = np.where(taught, own + (excess - own) / (weight + 1.0), own)
    keep, gain, new_hours_quarantine = lessons[1]
    today = np.zeros(BINS)
    today[part_of_day(now_ms)] = 1.0
    new["hours"] = state["hours"] * (left * keep)[:, None] + today * gain[:, None]
    new["quarantine"] = np.stack([new_quarantine, new_hours_quarantine], axis=1)
    new["run"] = np.minimum(np.rint(run * RUN_UNIT), 255.0)
    new["hour"] = hour_of(now_ms)
    new[~due] = state[~due]
    return new


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
    weight = hours_weight(state, now_ms, parameters)
    day = day_shares(state, now_ms, parameters)[0]
    views = mixes_evidence(state, inputs, weight, parameters)[0].tolist()
    views.append(float(hours_evidence(state, inputs, weight, now_ms, parameters)[0][0]))
    order = sorted(range(len(KINDS)), key=lambda view: -views[view])
    drivers = {KINDS[view]: views[view] for view in order}
    if kind == _HOURS:
        name, bin_ = "requests", part_of_day(now_ms)
        observed = total = float(inputs["requests"][0])
        usual = float(usual_requests(state, parameters)[0])
        expected = usual * min(1.0, BINS * float(day[bin_]))
    else:
        name, counts = MIXES[kind], inputs[MIXES[kind]]
        shares = expected_shares(state, inputs, kind, parameters)
        terms = deviance(counts, row_sum(counts), shares, log)[0]
        bin_ = int(terms.argmax())
        observed, total = float(counts[0, bin_]), float(counts[0].sum())
        expected = total * float(shares[0, bin_])
        drivers |= {f"deviance[{i}]": float(terms[i]) for i in np.argsort(-terms, kind="stable")}
        drivers |= {f"{name}[{i}]": float(counts[0, i]) for i in range(BINS)}
        drivers |= {f"usual_share[{i}]": float(shares[0, i]) for i in range(BINS)}
        drivers["correlation"] = float(spread(state, weight, kind, parameters)[0])
    drivers |= {f"active_share_from_{3 * i}h": float(day[i]) for i in range(BINS)}
    drivers["run_of_odd_hours"] = float(run_before(state, now_ms, parameters)[0])
    drivers["requests"] = float(inputs["requests"][0])
    drivers["hours_learned"] = float(weight[0])

    def reaches(values: FloatArray) -> BoolArray:
        rows, held = repeated(state, inputs, len(values))
        if kind == _HOURS:
            held[name] = values
        else:
            held[name][:, bin_] = values
        fires: BoolArray = score(rows, held, now_ms, parameters).value >= limit
        return fires

    p_value = 10.0 ** -float(np.nan_to_num(evidence.value[0]))
    return Explanation(
        metric="requests" if kind == _HOURS else f"{name}[{bin_}]",
        window_s=3600,
        observed=observed,
        expected=expected,
        threshold=smallest(reaches, observed, 1e9),
        sentence=sentence(account_id, name, bin_, observed, total, expected, p_value),
        drivers=drivers,
    )
