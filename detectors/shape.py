"""Shape: did this account change in a way that hardly any account changes?

Called by the fold every ten minutes for the accounts active in the clock hour so far. Twelve
features describe the hour (`detectors.shape_features`: requests, lengths, shares of errors, 429s,
short outputs, new templates, flags, concentration, keys, addresses, end users). Each becomes a
change against the account's own history, in that history's own spread:

    z = (x - mean) / spread * n / (n + 10)      x: logarithm; n: requests the feature is over

A forest fitted on the changes of other account-hours says how easily z is isolated (PyOD's
Isolation Forest); the sum of the changes says how large they are altogether. Both together, in
standard deviations, become evidence through the tail of the sample's own scores,

    s = isolation / sd + sum |z| / sd
    P(S >= s) = rank in the sample, beyond its nine tenths 1/10 * exp(-(s - u) / mean excess)

so the evidence is in -log10 of a share of the population's hours. On raw features such thresholds
do not carry over to other traffic; on changes they nearly do, and calibration does the rest. It
ranks and corroborates: conjunctions are its strength, one large change is better seen by the
detector that is made for it.

The model is state of the partition (`detectors.shape_model`): `parameters` may be a `Fitted` that
carries it, or it is given as `model`; without one every value is NaN. An hour whose changes are
`strange_from` spreads together is quarantined before it is learned (`detectors.quarantine`), others
are winsorised: the same attack is found again hours later, an honest change is silent within a day.

Known limits. It cannot tell a change of 8 spreads from one of 80. What many accounts do in the
hours before a fit counts as usual, and an outage of the platform changes the shape of everybody.
Levels count rises only, as the hour is not over. Accounts with fewer than `warm_up_h` active hours
get NaN, hours with fewer than `min_requests` requests 0.

References: Liu, Ting and Zhou, "Isolation forest", ICDM 2008; Zhao, Nasrullah and Li, "PyOD", JMLR
20, 2019; peaks over threshold, Davison and Smith, JRSS B 52, 1990; winsorising, Dixon and Tukey,
Technometrics 10, 1968. ECOD and COPOD cannot explain new rows: drivers are computed here.
Measured by `python -m tests.bench.profile_quality` (400 simulated accounts, thresholds carried over
from 400 others), at 10 false alarms per 1,000 account-days (8.2 came true): template spam in all,
half of the traffic .61, .12; account take-over .92, .63. Tried on the same changes, at full
strength: a forest of trees of 1,024 rows alone .36 to .72 and .89 to .95, depending on its seed, of
256 rows .31 and .55, HBOS .12 and .30, ECOD and COPOD .01 (they overlook conjunctions); the sum of
the changes steadies the forest across seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.base import (
    HOUR_MS,
    BoolArray,
    Evidence,
    Explanation,
    FloatArray,
    Inputs,
    State,
)
from detectors.bisection import repeated, smallest
from detectors.shape_features import FEATURES, INPUTS, raw_value, with_raw_value
from detectors.shape_model import FIT_MS, ROWS_MIN, Matrix, Model, extend, fit, sample
from detectors.shape_parameters import Parameters
from detectors.shape_state import STATE, changes, hours_weight, learned, spreads
from detectors.wording import amount, one_in

__all__ = [
    "CADENCE",
    "CLUSTER",
    "FIT_MS",
    "INPUTS",
    "KINDS",
    "NAME",
    "ROWS_MIN",
    "STATE",
    "STRATA",
    "TITLE",
    "Fitted",
    "Matrix",
    "Model",
    "Parameters",
    "explain",
    "extend",
    "fit",
    "observe",
    "sample",
    "score",
]

NAME: Final = "shape"
TITLE: Final = "Shape"
CADENCE: Final = "stride"
KINDS: Final = ("unusual_change",)
STRATA: Final = 5  # by requests in a usual hour: below 10, 30, 100, 300, and above
CLUSTER: Final = 3.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """Parameters together with the partition's model: takes the place of `parameters`."""

    parameters: Parameters
    model: Model | None


def score(
    state: State,
    inputs: Inputs,
    now_ms: int,
    parameters: Parameters | Fitted,
    model: Model | None = None,
) -> Evidence:
    """Evidence (n,) that the hour so far is a strange change; NaN without a model or history."""
    p, model = _both(parameters, model)
    n = len(state)
    change = changes(state, inputs, now_ms, p)
    value = np.full(n, np.nan) if model is None else model.evidence(change)
    value[inputs["requests"] < p.min_requests] = 0.0
    value[hours_weight(state, now_ms, p) < p.warm_up_h] = np.nan
    if model is None:
        value[:] = np.nan
    usual = np.log([11.0, 31.0, 101.0, 301.0])
    stratum = np.searchsorted(usual, state["mean"][:, 0], side="right").astype(np.int64)
    return Evidence(value, stratum, np.zeros(n, dtype=np.int64))


def observe(state: State, inputs: Inputs, now_ms: int, parameters: Parameters | Fitted) -> State:
    """A new state; it learns the hour that `now_ms` ends, and nothing at any other time."""
    if now_ms % HOUR_MS:
        return state.copy()
    return learned(state, inputs, now_ms, _both(parameters, None)[0])


def explain(
    account_id: str,
    state: State,
    inputs: Inputs,
    now_ms: int,
    parameters: Parameters | Fitted,
    limit: float,
    model: Model | None = None,
) -> Explanation:
    """Why this one account (one row) stands out, before its hour is learned.

    Drivers: by how much the evidence falls when a feature is put back to the sample's median, then
    every change in spreads. The metric is that of the strongest feature that rose.

    Raises:
        ValueError: there is no model.
    """
    p, model = _both(parameters, model)
    if model is None:
        raise ValueError(f"shape: nothing to explain, no model is fitted at {now_ms} ms")
    change = changes(state, inputs, now_ms, p)
    value = float(model.evidence(change)[0])
    drops = _drops(change[0], model)
    order = np.lexsort((-np.abs(change[0]), -drops))
    # Which group of templates a request is in cannot be asked of the stored events.
    rising = [
        int(column)
        for column in order
        if change[0, column] > 0.0 and FEATURES[column].metric != "top_template"
    ]
    column = (rising or [0])[0]
    feature = FEATURES[column]
    observed = float(raw_value(inputs, column)[0])
    expected = _expected(state, inputs, column, p)

    def reaches(values: FloatArray) -> BoolArray:
        rows, held = repeated(state, inputs, len(values))
        what_if = with_raw_value(held, column, values)
        fires: BoolArray = score(rows, what_if, now_ms, p, model).value >= limit
        return fires

    drivers = {FEATURES[column].name: float(drops[column])}
    drivers |= {FEATURES[i].name: float(drops[i]) for i in order.tolist()}
    drivers |= {f"change_{FEATURES[i].name}": float(change[0, i]) for i in order.tolist()}
    spread = spreads(state, hours_weight(state, now_ms, p), p)[0]
    drivers |= {f"spread_{FEATURES[i].name}": float(spread[i]) for i in order.tolist()}
    drivers["anomaly_score"] = float(model.anomaly(change)[0])
    drivers["evidence"] = value
    drivers["hours_learned"] = float(hours_weight(state, now_ms, p)[0])
    others = [FEATURES[i].name.replace("_", " ") for i in order.tolist() if i != column]
    return Explanation(
        metric=feature.metric,
        window_s=3600,
        observed=observed,
        expected=expected,
        threshold=smallest(reaches, observed, 1e12, usual=expected),
        sentence=(
            f"{account_id} changed in an unusual way: {amount(observed)} {feature.label} in 1 hour "
            f"(usual {amount(expected)}), with changes in {others[0]} and {others[1]}; "
            f"{one_in(10.0**-value)} account-hours changes so much"
        ),
        drivers=drivers,
    )


def _both(parameters: Parameters | Fitted, model: Model | None) -> tuple[Parameters, Model | None]:
    if isinstance(parameters, Fitted):
        return parameters.parameters, model if model is not None else parameters.model
    return parameters, model


def _drops(change: FloatArray, model: Model) -> FloatArray:
    """How much anomaly (12,) goes when one feature at a time is as in the middle of the sample."""
    without = np.repeat(change[None, :], len(FEATURES) + 1, axis=0)
    columns = np.arange(len(FEATURES))
    without[columns, columns] = model.median
    scores = model.anomaly(without)
    drops: FloatArray = scores[-1] - scores[:-1]
    return drops


def _expected(state: State, inputs: Inputs, column: int, parameters: Parameters) -> float:
    """The metric as it would be, were the feature at the account's own mean."""
    feature = FEATURES[column]
    usual = float(np.exp(state["mean"][0, column].astype(np.float64)))
    if feature.of is None:
        return max(usual - 1.0, 0.0)
    usual = max(usual - (parameters.share_floor if feature.share else 1.0), 0.0)
    if feature.metric == "top_template":  # k alike of n make a concentration of about (k / n) ** 2
        usual = float(np.sqrt(usual))
    return usual * float(inputs[feature.of][0])
