"""Low and slow: the request rate stays, the content changes. Short outputs from one new template.

Called by the fold every ten minutes for the accounts active in the clock hour so far. Three shares
of the hour, each against the account's own history:

    short          k / n = outputs of 1 to 32 tokens / outputs
    novel          k / n = requests whose template is new to the account / requests with a template
    concentration  k / n = (S - 1/32) / (1 - 1/32),  S = sum c (c - 1) / (n (n - 1))

S is Simpson's index, the chance that two requests share one of 32 bins of hashed templates; what
chance collisions give is taken off. A share's strangeness e is the tail of the beta-binomial with
the account's mean share and estimated dispersion, r what is left of it beyond the account's record
R (`detectors.share_record`: a nightly batch of short classifications is news once):

    e = -log10 P(K >= k)        r = e - e(R n) = -log10 P(K >= k | K >= R n)
    evidence = max of  min(e_short, e_novel)                 short answers by new templates
                       min(r_short, r_concentration)         ... by one template, new or not
                       .6 min(r_short, recent e_novel)       ... after new templates, 12 to 24 h
                       .3 r_short                            short answers alone

No single share is asked to decide: launches and new versions of a prompt are novel, batches are
concentrated, classification is short. Novelty has no record of its own: a template is new once.

Two memories: the mean and the dispersion learn whole hours, each as at most 50 requests and as at
most .15 above what is known, and forget by active hours; the record learns after 12 to 24 hours. So
the same attack hours later is still found, and an honest change is silent within a day.

Known limits. An attack that repeats itself a day later with the same template is known by then.
A customer's first night of such a batch, and the first hours of a turn to classification, look the
same as spam and alarm (9 in 10 of them); of launches with some short outputs 3 % do at the budget
of 1, a third at 10. Spam below a quarter of an account's requests stays inside its own swings.
Hours with fewer than `min_requests` are not judged; accounts younger than `warm_up_hours` get NaN.

Measured by `python -m tests.bench.content_quality` (made-up accounts, 14 days, hourly; three hours
of spam that takes a share of the requests): recall at 1 and 10 false alarms per 1,000 account-days

    spam's share      50 %         75 %         90 %      90 %, the same 8 h later
    evidence       .40 .75      .67 .91      .81 .94      .57 .78
    short alone    .21 .51      .51 .76      .67 .82
    novel alone    .00 .34      .00 .76      .02 .85

References: beta-binomial and dispersion, see `detectors.beta_binomial`; E. H. Simpson, "Measurement
of diversity", Nature 163, 1949; winsorising, Dixon and Tukey, "Approximate behavior of the
distribution of winsorized t", Technometrics 10, 1968; the conjunction, DESIGN.md "Detectors".
"""

from __future__ import annotations

from dataclasses import dataclass
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
    IntArray,
    State,
)
from detectors.beta_binomial import excess_and_pairs, tail
from detectors.bisection import repeated, smallest
from detectors.concentration import concentration
from detectors.low_and_slow_parameters import SHARES, Parameters
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
INPUTS: Final = ("outputs", "short_outputs", "templated", "novel", "template_counts")
STRATA: Final = 11  # young accounts, then by tenths of the usual share of short outputs
CLUSTER: Final = 3.0
_SHORT, _NOVEL, _CONCENTRATION = range(3)
_YOUNG_HOURS: Final = 48

STATE: Final = np.dtype(
    [
        *share_record.fields(len(SHARES)),
        ("learned", "<u4"),  # active hours
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
    recent: FloatArray  # (n,) e of novel, had it the largest share of the last half days


def score(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> Evidence:
    """Judge the clock hour so far; strata by age and by the usual share of short outputs."""
    judged = judge(state, inputs, now_ms, parameters)
    spam, short = _verdicts(judged, parameters)
    warm = state["learned"] >= parameters.warm_up_hours
    tenth = np.minimum((judged.mean[:, _SHORT] * 10.0).astype(np.int64), STRATA - 2)
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
    count, trials = _shares(inputs)
    mean, _ = _history(state, parameters)
    known, _ = share_record.record(state, hour, parameters.record_half_life_hours)
    share = count / np.maximum(trials, 1.0)
    seen = np.where(trials >= parameters.min_requests, share, 0.0)
    share_record.remember(new, state, seen, hour, parameters.record_half_life_hours)

    warm = (state["learned"] >= parameters.warm_up_hours)[:, None]
    known[:, _NOVEL] = 0.0
    highest = np.maximum(known, mean) + parameters.winsor_margin
    trials = np.minimum(trials, parameters.hour_requests)
    count = np.where(warm, np.minimum(share, highest), share) * trials
    excess, pairs = excess_and_pairs(count, trials, mean)
    kept = 0.5 ** (1.0 / parameters.half_life_hours)
    sums = {"count": count, "trials": trials, "excess": excess, "pairs": pairs}
    for name, value in sums.items():
        new[name] = state[name] * kept + value
    new["learned"] += 1
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
        held["short_outputs"] = short_outputs
        fires: BoolArray = score(rows, held, now_ms, parameters).value >= limit
        return fires

    strange = {
        "short_evidence": judged.strange[0, _SHORT],
        "novel_evidence": judged.strange[0, _NOVEL],
        "concentration_evidence": judged.beyond[0, _CONCENTRATION],
        "recent_novel_evidence": judged.recent[0],
    }
    drivers = dict(sorted(strange.items(), key=lambda item: -item[1]))
    drivers["short_evidence_beyond_record"] = judged.beyond[0, _SHORT]
    for place, name in enumerate(SHARES):
        drivers[f"{name}_share"] = share[place]
        drivers[f"{name}_usual"] = mean[place]
        drivers[f"{name}_dispersion"] = judged.dispersion[0, place]
    drivers["short_record"] = judged.known[0, _SHORT]
    drivers["concentration_record"] = judged.known[0, _CONCENTRATION]
    drivers["outputs"] = trials[_SHORT]
    drivers["templated"] = trials[_NOVEL]
    drivers["hours_learned"] = float(state["learned"][0])
    sentence = (
        f"{account_id}: {amount(count[_SHORT])} of {amount(trials[_SHORT])} answers of this hour "
        f"are short (32 tokens or fewer), {_percent(share[_SHORT])} usual "
        f"{_percent(mean[_SHORT])}; {_templates(judged)}"
    )
    return Explanation(
        metric="short_outputs",
        window_s=HOUR_MS // 1000,
        observed=float(count[_SHORT]),
        expected=float(mean[_SHORT] * trials[_SHORT]),
        threshold=smallest(reaches, float(count[_SHORT]), float(trials[_SHORT])),
        sentence=sentence,
        drivers={name: float(value) for name, value in drivers.items()},
    )


def _verdicts(judged: Judged, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Evidence of template spam, and of short outputs alone."""
    short, novel = judged.strange[:, _SHORT], judged.strange[:, _NOVEL]
    beyond = judged.beyond[:, _SHORT]
    spam = np.maximum(
        np.minimum(short, novel), np.minimum(beyond, judged.beyond[:, _CONCENTRATION])
    )
    late = parameters.recent_weight * np.minimum(beyond, judged.recent)
    return np.maximum(spam, late), parameters.short_weight * beyond


def judge(
    state: State, inputs: Inputs, now_ms: int, parameters: Parameters, every: bool = False
) -> Judged:
    """The numbers behind `score`; templates are judged where outputs are short, else if `every`."""
    hour = (now_ms - 1) // HOUR_MS
    count, trials = _shares(inputs)
    mean, dispersion = _history(state, parameters)
    known, recent_share = share_record.record(state, hour, parameters.record_half_life_hours)
    known[:, _NOVEL] = 0.0

    def strangeness(share_count: FloatArray, at: tuple[IntArray, ...]) -> FloatArray:
        return -np.log10(tail(share_count, trials[at], mean[at], dispersion[at]))

    enough = trials >= parameters.min_requests
    above = enough & (count > mean * trials)
    asked = above if every else above & above[:, [_SHORT]]
    strange = np.zeros_like(mean)
    at = np.nonzero(asked)
    strange[at] = strangeness(count[at], at)
    beyond = strange.copy()
    again = np.nonzero(asked & (known > mean))
    before = strangeness(known[again] * trials[again], again)
    beyond[again] = np.maximum(strange[again] - before, 0.0)

    recent = np.zeros(len(mean))
    late = np.flatnonzero((beyond[:, _SHORT] > 0.0) & enough[:, _NOVEL])
    late = late[recent_share[late, _NOVEL] > mean[late, _NOVEL]]
    rows = (late, np.full(len(late), _NOVEL))
    recent[late] = strangeness(recent_share[rows] * trials[rows], rows)
    return Judged(count, trials, mean, dispersion, known, strange, beyond, recent)


def _shares(inputs: Inputs) -> tuple[FloatArray, FloatArray]:
    """k and n of the three shares, (n, 3) each."""
    alike, total = concentration(inputs["template_counts"])
    trials = np.stack([inputs["outputs"], inputs["templated"], total], axis=1)
    count = np.stack([inputs["short_outputs"], inputs["novel"], alike * total], axis=1)
    return np.minimum(count, trials), trials


def _history(state: State, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Mean share and dispersion (n, 3), the prior included."""
    prior = parameters.prior_requests
    mean = (state["count"] + prior * np.array(parameters.prior_mean)) / (state["trials"] + prior)
    pairs = parameters.prior_hours * parameters.hour_requests * (parameters.hour_requests - 1.0)
    excess = state["excess"] + pairs * np.array(parameters.prior_dispersion)
    dispersion: FloatArray = np.clip(
        excess / (state["pairs"] + pairs), *parameters.dispersion_limits
    )
    return mean, dispersion


def _templates(judged: Judged) -> str:
    """What the templates did, in words."""
    (novel, alike) = (judged.count[0, 1:] / np.maximum(judged.trials[0, 1:], 1.0)).tolist()
    new = f"{_percent(novel)} of its requests use templates new to it"
    if judged.strange[0, _NOVEL] <= judged.beyond[0, _CONCENTRATION]:
        usual = _percent(judged.mean[0, _CONCENTRATION])
        return f"two requests share a template in {_percent(alike)} of cases, usual {usual}; {new}"
    return f"{new}, usual {_percent(judged.mean[0, _NOVEL])}"


def _percent(share: float) -> str:
    return f"{amount(100.0 * share)} %"
