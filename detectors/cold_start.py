"""Cold start: an account that is new, or back after a long silence, judged against others like it.

Called once a tick for the accounts with a count. For a day after its first event, and for a day
after it returned from `dormant_s` of silence, an account has no record worth the name; its counts
are compared with those of other accounts at the same moment of their lives. Evidence is the size,

    evidence = decades * max over windows and series of log10(1 + S / usual) * weight

S the sum of 1, 5 or 60 minutes, `usual` a plain scale that makes series comparable. How rare that
size is, is learned from the population: the stratum is new or returned, by time since then
(`detectors.calibration`). Grown-up accounts have no evidence here (the last stratum).

Accounts that were there when the watch began are not new, however little is known of them.

Known limits. An honest new customer who starts big looks like an attacker who starts big; the
channel therefore has a budget of its own. A returned account within its old record is judged here
all the same.

Reference: conditional (Mondrian) calibration, Vovk, Gammerman and Shafer, "Algorithmic Learning in
a Random World", 2005, chapter 4.5. Measured by `pulse evaluate`, see docs/detectors/cold_start.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
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
from detectors.bisection import LARGEST, smallest
from detectors.burst_parameters import SERIES, WINDOWS_S
from detectors.wording import amount, series_name, since, window_name

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
    "found_there",
    "is_cold",
    "observe",
    "score",
    "strata",
]

NAME: Final = "cold_start"
TITLE: Final = "Cold start"
CADENCE: Final = "tick"
KINDS: Final = ("new_account", "dormant_account")
INPUTS: Final = ("sums",)
STATE: Final = np.dtype(
    [
        ("first_ms", "<i8"),  # end of the first tick with a count; 0: never seen
        ("last_ms", "<i8"),  # of the last one
        ("returned_ms", "<i8"),  # of the first one after a long silence; 0: never away
    ]
)
#: Hours since the start that part the strata.
_HOURS: Final = np.array([1.0, 6.0])
_AGES: Final = len(_HOURS) + 1
STRATA: Final = 2 * _AGES + 1
CLUSTER: Final = 1.0  # an account is at each moment of its life once


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Tuples of five follow the series, of three the windows (1, 5, 60 minutes).

    Raises:
        ValueError: a value outside its range, with the parameter's name.
    """

    cold_s: float = 86_400.0  # seconds an account is cold after its start or return
    dormant_s: float = 172_800.0  # seconds of silence that make a return
    usual: tuple[float, float, float, float, float] = (1.0, 2e3, 5e2, 1.0, 1.0)  # a minute's scale
    series_weight: tuple[float, float, float, float, float] = (1.0, 0.8, 0.8, 0.5, 0.5)  # 1
    window_scale: tuple[float, float, float] = (1.0, 2.0, 5.0)  # of a window's usual to a minute's
    minimum: float = 20.0  # times `usual`: smaller sums say nothing
    decades: float = 3.0  # evidence per tenfold size

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, tuple) else (value,):
                if not math.isfinite(number) or number <= 0:
                    raise ValueError(
                        f"cold_start {field.name}: expected a finite number > 0, got {value}"
                    )


def is_cold(state: State, now_ms: int, parameters: Parameters) -> BoolArray:
    """(n,) whether an account seen at `now_ms` is new, or back after a long silence."""
    cold: BoolArray = _hours(state, now_ms, parameters)[0] * HOUR_MS < parameters.cold_s * 1000.0
    return cold


def strata(state: State, now_ms: int, parameters: Parameters) -> IntArray:
    """(n,) stratum of each account; -1 when it was never seen."""
    hours, returned = _hours(state, now_ms, parameters)
    cold = hours * 3600.0 < parameters.cold_s
    place = returned * _AGES + np.searchsorted(_HOURS, hours)
    known = state["first_ms"] > 0
    return np.where(known, np.where(cold, place, STRATA - 1), -1)


def found_there(state: State, unseen: BoolArray) -> None:
    """Mark accounts (n,), `unseen` before, that a watch found there when it began, in place.

    Everybody is new to a watch that has just begun; that says nothing about them.
    """
    there = unseen & (state["first_ms"] > 0)
    state["first_ms"][there] = 1


def score(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> Evidence:
    """Judge the sums (n, 3, 5) of the tick that ends at `now_ms`; changes nothing."""
    sums = inputs["sums"]
    stratum = strata(state, now_ms, parameters)
    value = np.zeros(len(sums))
    judged = np.flatnonzero((stratum >= 0) & (stratum < STRATA - 1))
    value[stratum < 0] = np.nan
    if judged.size:
        value[judged] = _cells(sums[judged], parameters).max(axis=(1, 2))
    kind = ((stratum >= _AGES) & (stratum < STRATA - 1)).astype(np.int64)
    return Evidence(value, np.maximum(stratum, 0), kind)


def observe(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> State:
    """A new state that remembers when the accounts with a count were seen."""
    new = state.copy()
    seen = (inputs["sums"][:, -1, :] > 0.0).any(axis=1)
    back = seen & _away(state, now_ms, parameters)
    new["returned_ms"][back] = now_ms
    new["first_ms"][seen & (state["first_ms"] == 0)] = now_ms
    new["last_ms"][seen] = now_ms
    return new


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
    cells = _cells(sums, parameters)[0]
    window, series = divmod(int(cells.argmax()), len(SERIES))
    observed = float(sums[0, window, series])
    hours, returned = (x[0] for x in _hours(state, now_ms, parameters))
    usual = _usual(parameters)[window, series]

    def reaches(values: FloatArray) -> BoolArray:
        other = np.repeat(sums, len(values), axis=0)
        other[:, window, series] = values
        fires: BoolArray = _cells(other, parameters)[:, window, series] >= limit
        return fires

    start = "came back after a long silence" if returned else "was first seen"
    sentence = (
        f"{account_id} {start} {since(hours)} and {'sent' if series == 0 else 'had'} "
        f"{amount(observed)} {series_name(SERIES[series])} in {window_name(WINDOWS_S[window])}"
    )
    drivers = {f"{SERIES[series]}_{WINDOWS_S[window]}s": observed}
    for place in np.argsort(-cells, axis=None, kind="stable")[1:4]:
        at, which = divmod(int(place), len(SERIES))
        drivers[f"{SERIES[which]}_{WINDOWS_S[at]}s"] = float(sums[0, at, which])
    drivers |= {
        "evidence": float(cells.max()),
        "hours_since_start": float(hours),
        "returned": float(returned),
        "expected": float(usual),
    }
    return Explanation(
        metric=SERIES[series],
        window_s=WINDOWS_S[window],
        observed=observed,
        expected=float(usual),
        threshold=smallest(reaches, observed, LARGEST),
        sentence=sentence,
        drivers=drivers,
    )


def _usual(parameters: Parameters) -> FloatArray:
    scale: FloatArray = np.outer(parameters.window_scale, parameters.usual)
    return scale


def _cells(sums: FloatArray, parameters: Parameters) -> FloatArray:
    """Evidence (n, 3, 5), quantised: processors differ in the last bit of a logarithm."""
    share = sums / _usual(parameters)
    share[sums < parameters.minimum * np.array(parameters.usual)] = 0.0
    weight = parameters.decades * np.array(parameters.series_weight)
    rounded: FloatArray = np.rint(np.log10(1.0 + share) * weight * 1024.0) / 1024.0
    return np.minimum(rounded, EVIDENCE_MAX)


def _away(state: State, now_ms: int, parameters: Parameters) -> BoolArray:
    silent: BoolArray = now_ms - state["last_ms"] >= parameters.dormant_s * 1000.0
    return silent & (state["first_ms"] > 0)


def _hours(state: State, now_ms: int, parameters: Parameters) -> tuple[FloatArray, BoolArray]:
    """Hours since the start of a life, and whether that was a return; a return is seen at once."""
    returned = state["returned_ms"] > 0
    start = np.where(returned, state["returned_ms"], state["first_ms"])
    away = _away(state, now_ms, parameters)
    hours = np.where(away, 0.0, (now_ms - start) / HOUR_MS)
    return hours, returned | away
