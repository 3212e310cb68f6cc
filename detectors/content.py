"""Content: more flagged requests of one moderation category than this account, or any, sends.

Called by the fold every ten minutes for the accounts active in the clock hour so far. A request is
flagged in a category from a score of 0.5 on. Of n requests k were flagged; the account's rate is a
gamma distribution, the population's rate its prior, so k is negative binomial:

    e = -log10 P(K >= k),  mean = n max(rate, population rate),  1 / size = 1 / (a + F) + d
    rate = (F + a) / (N + m),  a = m * population rate

F flagged of N requests is the account's own past with exponential forgetting, m the requests that
the prior stands for, d the variation of the rate from hour to hour. So 3 of 5 is not 300 of 500,
and what is usual for the account, or for everybody, is not strange. What an hour at the account's
record share R would show is taken off (`detectors.share_record`), and eight categories are paid
for (Bonferroni): r = e(k) - e(R n) - log10 8. Evidence = the largest r, times its weight, over

    medical_spam              k = medical_spam with short output, or any when templates concentrate
    political_amplification   k = political_persuasion with short output (1 to 32 tokens)
    hate_role_play            k = hate, or harassment, with longer output
    content_<category>        k = flagged, whatever the output

Two memories: the rate learns whole hours, winsorised at .02 above what is known; the record after
12 to 24 hours. The same attack hours later is still found; an honest change is silent in a day.

Known limits. What the classifier scores below 0.5 is not seen here. Categories are judged one by
one: an account that spreads its load over many is found late. Fewer than 3 flagged requests an
hour are never evidence. An attack repeated a day later at the same share is known by then.

Measured by `python -m tests.bench.content_quality` (made-up accounts, flagged requests in lumps, 14
days, hourly; spam of three hours, 60 % of it flagged): at 1 and 10 false alarms per 1,000
account-days, by the share of requests that spam takes, recall is .07 .50 at 5 %, .26 .68 at 10 %,
.60 .91 at 25 %, and .57 .84 for the same again 8 hours later. Counts or shares of flagged requests
without a history: at most .04.

References: gamma-Poisson prediction, Gelman et al., "Bayesian Data Analysis", 3rd ed., 2013, 2.6;
tail, see `detectors.negative_binomial`; O. J. Dunn, "Multiple comparisons among means", JASA 56,
1961 (Bonferroni's inequality); the record and what it holds back, `detectors.share_record`.
"""

from __future__ import annotations

import math
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
from detectors.bisection import repeated, smallest
from detectors.concentration import concentration
from detectors.content_parameters import CATEGORIES, POLICIES, Parameters
from detectors.negative_binomial import tail
from detectors.wording import amount

__all__ = [
    "CADENCE",
    "CATEGORIES",
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

NAME: Final = "content"
TITLE: Final = "Content"
CADENCE: Final = "stride"
KINDS: Final = (*POLICIES, *(f"content_{category}" for category in CATEGORIES))
INPUTS: Final = ("requests", "template_counts", "moderation_sum", "flagged", "flagged_short")
STATE: Final = np.dtype(
    [
        *share_record.fields(len(CATEGORIES)),  # of the flagged share
        ("learned", "<u4"),  # active hours
        ("requests", "<f4"),  # discounted sum over hours,
        ("flagged", "<f4", (len(CATEGORIES),)),  # and of those flagged
    ]
)
_YOUNG_HOURS: Final = 48
#: Own rates as multiples of the population's, all categories together; young accounts come first.
_STRATUM_EDGES: Final = (0.75, 1.5, 3.0, 6.0, 12.0, 25.0, 50.0, 100.0, 200.0)
STRATA: Final = len(_STRATUM_EDGES) + 2
CLUSTER: Final = 3.0

# Views: what is counted, in the order in which they are judged; the columns of `_counts`.
_VIEW_NAMES: Final = (
    "medical_spam",
    "political_amplification",
    "hate_role_play_hate",
    "hate_role_play_harassment",
    *KINDS[len(POLICIES) :],
)
_VIEW_KIND: Final = np.array([0, 1, 2, 2, *range(len(POLICIES), len(KINDS))])
_VIEW_CATEGORY: Final = np.array([6, 7, 0, 1, *range(len(CATEGORIES))])
_ALL, _SHORT, _LONG = "", "short_", "long_"
_PAID: Final = math.log10(len(CATEGORIES))


@dataclass(frozen=True, slots=True)
class _Judged:
    """One hour against what was known; axis 1 of the views (v = 12) or of the categories (8)."""

    count: FloatArray  # (n, v) k
    rate: FloatArray  # (n, 8) expected share, the larger of the account's and the population's
    size: FloatArray  # (n, 8)
    known: FloatArray  # (n, 8) R; 0: none
    evidence: FloatArray  # (n, v) weighted r, at least 0
    templated: BoolArray  # (n,)


def score(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> Evidence:
    """Judge the clock hour so far; strata by age and by how much of its traffic is flagged."""
    judged = _judge(state, inputs, now_ms, parameters)
    view = judged.evidence.argmax(axis=1)
    value = np.minimum(judged.evidence.max(axis=1), EVIDENCE_MAX)
    population = np.array(parameters.population_rate)
    multiple = _rate(state, parameters).sum(axis=1) / population.sum()
    stratum = 1 + np.searchsorted(_STRATUM_EDGES, multiple, side="right")
    return Evidence(
        value=np.where(state["learned"] >= parameters.warm_up_hours, value, np.nan),
        stratum=np.where(state["learned"] < _YOUNG_HOURS, 0, stratum).astype(np.int64),
        kind=_VIEW_KIND[view].astype(np.int64),
    )


def observe(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> State:
    """A new state; changed only when `now_ms` ends a clock hour, which is learned once."""
    new = state.copy()
    hour = now_ms // HOUR_MS - 1
    due = state["hour"] < hour
    if now_ms % HOUR_MS or not due.any():
        return new
    requests = inputs["requests"]
    share = np.minimum(inputs["flagged"] / np.maximum(requests, 1.0)[:, None], 1.0)
    known, _ = share_record.record(state, hour, parameters.record_half_life_hours)
    enough = (requests >= parameters.min_requests)[:, None]
    seen = np.where(enough & (inputs["flagged"] >= parameters.min_flagged), share, 0.0)
    share_record.remember(new, state, seen, hour, parameters.record_half_life_hours)

    warm = (state["learned"] >= parameters.warm_up_hours)[:, None]
    highest = np.maximum(known, _rate(state, parameters)) + parameters.winsor_margin
    learned = np.minimum(requests, parameters.hour_requests)
    kept = 0.5 ** (1.0 / parameters.half_life_hours)
    flagged = np.where(warm, np.minimum(share, highest), share) * learned[:, None]
    new["requests"] = state["requests"] * kept + learned
    new["flagged"] = state["flagged"] * kept + flagged
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
    """Why one account stands out; what is counted is its flagged requests of one category.

    The metric is flagged_<category>, flagged_short_<category> or flagged_long_<category>; in the
    store countIf(moderation['<category>'] >= 0.5), of short ones with completion_tokens BETWEEN 1
    AND 32, of long ones without.
    """
    judged = _judge(state, inputs, now_ms, parameters)
    order = np.argsort(-judged.evidence[0], kind="stable")
    view = int(order[0])
    category = int(_VIEW_CATEGORY[view])
    shape = _shape(view, bool(judged.templated[0]))
    observed, requests = float(judged.count[0, view]), float(inputs["requests"][0])

    def reaches(counts: FloatArray) -> BoolArray:
        rows, held = repeated(state, inputs, len(counts))
        _replace(held, category, shape, counts)
        fires: BoolArray = score(rows, held, now_ms, parameters).value >= limit
        return fires

    own = _rate(state, parameters)[0, category]
    population = parameters.population_rate[category]
    drivers = {_VIEW_NAMES[i]: judged.evidence[0, i] for i in order if judged.evidence[0, i] > 0.0}
    drivers = drivers or {_VIEW_NAMES[view]: judged.evidence[0, view]}
    drivers |= {
        "flagged": inputs["flagged"][0, category],
        "flagged_short": inputs["flagged_short"][0, category],
        "requests": requests,
        "share": observed / max(requests, 1.0),
        "usual_share": own,
        "population_share": population,
        "record_share": judged.known[0, category],
        "size": judged.size[0, category],
        "mean_score": inputs["moderation_sum"][0, category] / max(requests, 1.0),
        "template_concentration": concentration(inputs["template_counts"])[0][0],
        "hours_learned": float(state["learned"][0]),
    }
    with_output = {_ALL: "", _SHORT: " with short answers", _LONG: " with long answers"}[shape]
    sentence = (
        f"{account_id}: {amount(observed)} of {amount(requests)} requests of this hour were "
        f"flagged as {CATEGORIES[category].replace('_', ' ')}{with_output}, "
        f"{amount(100.0 * drivers['share'])} %; its own usual is {amount(100.0 * own)} %, that of "
        f"all accounts {amount(100.0 * population)} %"
    )
    return Explanation(
        metric=f"flagged_{shape}{CATEGORIES[category]}",
        window_s=HOUR_MS // 1000,
        observed=observed,
        expected=float(judged.rate[0, category] * requests),
        threshold=smallest(reaches, observed, requests),
        sentence=sentence,
        drivers={name: float(value) for name, value in drivers.items()},
    )


def _judge(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> _Judged:
    requests = inputs["requests"]
    templated = concentration(inputs["template_counts"])[0] >= parameters.templated_from
    count = _counts(inputs, templated)
    population = np.array(parameters.population_rate)
    rate = np.maximum(_rate(state, parameters), population)
    shape = state["flagged"] + parameters.prior_requests * population
    size = 1.0 / (1.0 / shape + parameters.dispersion)
    hour, half_life_h = (now_ms - 1) // HOUR_MS, parameters.record_half_life_hours
    known, _ = share_record.record(state, hour, half_life_h)

    mean = (rate * requests[:, None])[:, _VIEW_CATEGORY]
    weight, minimum = _rules(parameters)
    enough = (requests >= parameters.min_requests)[:, None]
    evidence = np.zeros(count.shape)
    at = np.nonzero(enough & (count >= minimum) & (count > mean))
    of: tuple[IntArray, IntArray] = (at[0], _VIEW_CATEGORY[at[1]])
    beyond = -np.log10(tail(count[at], mean[at], size[of]))
    expected = known[of] * requests[at[0]]
    again = np.flatnonzero(expected > mean[at])
    rows = (at[0][again], at[1][again])
    beyond[again] += np.log10(tail(expected[again], mean[rows], size[of][again]))
    evidence[at] = np.maximum(beyond - _PAID, 0.0) * weight[at[1]]
    return _Judged(count, rate, size, known, evidence, templated)


def _counts(inputs: Inputs, templated: BoolArray) -> FloatArray:
    """k of each view, (n, 12)."""
    flagged = inputs["flagged"]
    short = np.minimum(inputs["flagged_short"], flagged)
    medical = np.where(templated, flagged[:, 6], short[:, 6])
    named = [medical, short[:, 7], flagged[:, 0] - short[:, 0], flagged[:, 1] - short[:, 1]]
    return np.concatenate([np.stack(named, axis=1), flagged], axis=1)


def _rules(parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Weight and smallest count of each view, (12,)."""
    p, others = parameters, len(CATEGORIES)
    named = _VIEW_KIND[:-others]
    weight = [np.array(p.policy_weight)[named], np.full(others, p.category_weight)]
    minimum = [np.array(p.policy_min_flagged)[named], np.full(others, p.min_flagged)]
    return np.concatenate(weight), np.concatenate(minimum).astype(np.float64)


def _rate(state: State, parameters: Parameters) -> FloatArray:
    """The account's own rate by category, (n, 8), the prior included."""
    prior = parameters.prior_requests
    flagged = state["flagged"] + prior * np.array(parameters.population_rate)
    rate: FloatArray = flagged / (state["requests"] + prior)[:, None]
    return rate


def _shape(view: int, templated: bool) -> str:
    """Which outputs a view counts."""
    if view == 0:
        return _ALL if templated else _SHORT
    return {1: _SHORT, 2: _LONG, 3: _LONG}.get(view, _ALL)


def _replace(inputs: dict[str, FloatArray], category: int, shape: str, counts: FloatArray) -> None:
    """Make `counts` (n,) the flagged requests of that category and shape; the others stay."""
    flagged, short = inputs["flagged"][:, category], inputs["flagged_short"][:, category]
    longer = flagged - short
    if shape == _SHORT:
        inputs["flagged"][:, category] = longer + counts
        inputs["flagged_short"][:, category] = counts
    elif shape == _LONG:
        inputs["flagged"][:, category] = short + counts
    else:
        inputs["flagged"][:, category] = counts
        inputs["flagged_short"][:, category] = np.minimum(short, counts)
