"""Low and slow: the request rate stays, the content changes. Short outputs from one new template.

Called by the fold every ten minutes for the accounts active in the clock hour so far. Three shares
of the hour, each against the account's own history:

    short          k / n = outputs of 1 to 32 tokens / outputs
    new template   k / n = short outputs by the commonest template that is new today / outputs
    concentration  k / n = (S - 1/32) / (1 - 1/32),  S = sum c (c - 1) / (n (n - 1))

S is Simpson's index, the chance that two requests share one of 32 bins of hashed templates; what
chance collisions give is taken off. The new template is the fullest of 32 such bins, too. A share's
strangeness e is the tail of the beta-binomial with the account's mean share and estimated
dispersion, r what is left of it beyond the account's record R (`detectors.share_record`: a nightly
batch of short classifications is news once):

    e = -log10 P(K >= k)        r = e - e(R n) = -log10 P(K >= k | K >= R n)
    evidence = max of  e_new                                  short answers by one new template
                       min(r_short, r_concentration)          ... by one template, new or not
                       min(recent e_new, max of these two)    ... new in the last 12 to 24 hours
                       .2 r_short                             short answers alone

Short, new and all the same at once: each happens to honest accounts often enough to drown spam
(launches are new, batches are all the same, of one client in ten the share of short outputs has a
standard deviation of .3), counted together they hardly ever do. A template is new for a day
(UTC), else only the attack's first hour would show; on an account's first day everything is new,
so nothing is. Who always answers short (classification) shows it like any other; what a new version
of such a prompt looks like is known from the others with as many short outputs: the strata.

Two memories: the mean and the dispersion learn whole hours, each as at most 50 requests and as at
most .15 above what is known, and forget by active hours; the record learns after 12 to 24 hours. So
the same attack hours later is still found, and an honest change is silent within a day.

Known limits. An attack that repeats itself a day later with the same template is known by then. A
new version of a classifier's only prompt, a customer's first night of such a batch, and the first
hours of a turn to classification look the same as spam and alarm (8 to 9 in 10 of the last two); of
launches with some short outputs none does at the budget of 1, a third to a half at 10. Spam below a
quarter of an account's requests stays inside its own swings. Hours with fewer than `min_requests`
are not judged; accounts younger than `warm_up_hours` get NaN.

Measured by `python -m tests.bench.content_quality` (made-up accounts, 14 days, hourly; three hours
of spam that takes a share of the requests): recall at 1 and 10 false alarms per 1,000 account-days

    spam's share      50 %         75 %         90 %      90 %, the same 8 h later
    evidence       .48 .90      .71 .97      .86 .98      .20 .77
    short alone    .19 .52      .50 .77      .67 .84
    concentration  .00 .01      .26 .46      .60 .67

References: beta-binomial and dispersion, see `detectors.beta_binomial`; E. H. Simpson, "Measurement
of diversity", Nature 163, 1949; winsorising, Dixon and Tukey, "Approximate behavior of the
distribution of winsorized t", Technometrics 10, 1968; the conjunction, DESIGN.md "Detectors".
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import share_record
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
from detectors.beta_binomial import excess_and_pairs
from detectors.bisection import repeated, smallest
from detectors.low_and_slow_parameters import SHARES, Parameters
from detectors.low_and_slow_state import (
    CONCENTRATION,
    NEW,
    SHORT,
    STATE,
    Judged,
    first_day,
    history,
    judge,
    shares,
)
from detectors.wording import amount

__all__ = [
    "CADENCE",
    "CLUSTER",
    "INPUTS",
    "KINDS",
    "NAME",
    "SHARES",
    "STATE",
    "STRATA",
    "TITLE",
    "Judged",
    "Parameters",
    "explain",
    "judge",
    "observe",
    "score",
]

NAME: Final = "low_and_slow"
TITLE: Final = "Low and slow"
CADENCE: Final = "stride"
KINDS: Final = ("template_spam", "short_output_shift")
INPUTS: Final = ("outputs", "short_outputs", "template_counts", "new_short_counts")
STRATA: Final = 11  # young accounts, then by tenths of the usual share of short outputs
CLUSTER: Final = 3.0
_YOUNG_HOURS: Final = 48


def score(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> Evidence:
    """Judge the clock hour so far; strata by age and by the usual share of short outputs."""
    judged = judge(state, inputs, now_ms, parameters)
    spam, short = _verdicts(judged, parameters)
    warm = state["learned"] >= parameters.warm_up_hours
    tenth = np.minimum((judged.mean[:, SHORT] * 10.0).astype(np.int64), STRATA - 2)
    return Evidence(
        value=np.where(warm, np.minimum(np.maximum(spam, short), EVIDENCE_MAX), np.nan),
        stratum=np.where(state["learned"] < _YOUNG_HOURS, 0, 1 + tenth),
        kind=(short > spam).astype(np.int64),
    )


def observe(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> State:
    """A new state; changed only when `now_ms` ends a clock hour, which is learned once."""
    new = state.copy()
    hour = now_ms // HOUR_MS - 1
    due = state["hour"] < hour
    if now_ms % HOUR_MS or not due.any():
        return new
    count, trials = shares(inputs)
    mean, _ = history(state, parameters)
    known, _ = share_record.record(state, hour, parameters.record_half_life_hours)
    share = count / np.maximum(trials, 1.0)
    seen = np.where(trials >= parameters.min_requests, share, 0.0)
    fresh = first_day(state, hour)
    seen[fresh, NEW] = 0.0
    share_record.remember(new, state, seen, hour, parameters.record_half_life_hours)

    warm = (state["learned"] >= parameters.warm_up_hours)[:, None]
    known[:, NEW] = 0.0
    highest = np.maximum(known, mean) + parameters.winsor_margin
    trials = np.minimum(trials, parameters.hour_requests)
    trials[fresh, NEW] = 0.0
    count = np.where(warm, np.minimum(share, highest), share) * trials
    excess, pairs = excess_and_pairs(count, trials, mean)
    kept = 0.5 ** (1.0 / parameters.half_life_hours)
    sums = {"count": count, "trials": trials, "excess": excess, "pairs": pairs}
    for name, value in sums.items():
        new[name] = state[name] * kept + value
    new["learned"] += 1
    new["first"] = np.where(state["first"] > 0, state["first"], hour)
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
    """Why one account stands out; what is counted is its short outputs of the hour.

    In the store: countIf(completion_tokens BETWEEN 1 AND 32) of the hour's events.
    """
    judged = judge(state, inputs, now_ms, parameters)
    count, trials, mean = judged.count[0], judged.trials[0], judged.mean[0]
    share = count / np.maximum(trials, 1.0)

    def reaches(short_outputs: FloatArray) -> BoolArray:
        rows, held = repeated(state, inputs, len(short_outputs))
        fewer = np.maximum(held["short_outputs"] - short_outputs, 0.0)  # by the new template
        held["new_short_counts"] = np.maximum(held["new_short_counts"] - fewer[:, None], 0.0)
        held["short_outputs"] = short_outputs
        fires: BoolArray = score(rows, held, now_ms, parameters).value >= limit
        return fires

    strange = {
        "short_evidence": judged.strange[0, SHORT],
        "new_template_evidence": judged.strange[0, NEW],
        "concentration_evidence": judged.beyond[0, CONCENTRATION],
        "recent_new_template_evidence": judged.recent[0],
    }
    drivers = dict(sorted(strange.items(), key=lambda item: -item[1]))
    drivers["short_evidence_beyond_record"] = judged.beyond[0, SHORT]
    for place, name in enumerate(SHARES):
        drivers[f"{name}_share"] = share[place]
        drivers[f"{name}_usual"] = mean[place]
        drivers[f"{name}_dispersion"] = judged.dispersion[0, place]
    drivers["short_record"] = judged.known[0, SHORT]
    drivers["concentration_record"] = judged.known[0, CONCENTRATION]
    drivers["outputs"] = trials[SHORT]
    drivers["templated"] = trials[CONCENTRATION]
    drivers["hours_learned"] = float(state["learned"][0])
    sentence = (
        f"{account_id}: {amount(count[SHORT])} of {amount(trials[SHORT])} answers of this hour "
        f"are short (32 tokens or fewer), {_percent(share[SHORT])} usual "
        f"{_percent(mean[SHORT])}; {_templates(judged)}"
    )
    return Explanation(
        metric="short_outputs",
        window_s=HOUR_MS // 1000,
        observed=float(count[SHORT]),
        expected=float(mean[SHORT] * trials[SHORT]),
        threshold=smallest(reaches, float(count[SHORT]), float(trials[SHORT])),
        sentence=sentence,
        drivers={name: float(value) for name, value in drivers.items()},
    )


def _verdicts(judged: Judged, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Evidence of template spam, and of short outputs alone."""
    short, alike = judged.beyond[:, SHORT], judged.beyond[:, CONCENTRATION]
    again = np.minimum(judged.recent, np.maximum(short, alike))
    spam = np.maximum(judged.strange[:, NEW], np.maximum(again, np.minimum(short, alike)))
    return spam, parameters.short_weight * short


def _templates(judged: Judged) -> str:
    """What the templates did, in words."""
    (fresh, alike) = (judged.count[0, 1:] / np.maximum(judged.trials[0, 1:], 1.0)).tolist()
    new = f"{_percent(fresh)} are short answers of one template new to it today"
    if judged.strange[0, NEW] <= judged.beyond[0, CONCENTRATION]:
        usual = _percent(judged.mean[0, CONCENTRATION])
        return f"two requests share a template in {_percent(alike)} of cases, usual {usual}; {new}"
    return f"{new}, usual {_percent(judged.mean[0, NEW])}"


def _percent(share: float) -> str:
    return f"{amount(100.0 * share)} %"
