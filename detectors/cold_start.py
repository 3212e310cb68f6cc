"""Cold start: an account that is new, or back after a long silence, judged against others like it.

Called once a tick for the accounts with a count. For a day after its first event, and for a day
after it returned from `dormant_s` of silence, an account has no recent record to hold it to. Its
size is compared with that of other such accounts,

    size = decades * max over windows and series of weight * log10(1 + S / usual)

S the sum of 1, 5 or 60 minutes, `usual` a plain scale that makes series comparable. Evidence is the
size of a new account; of a returned one, what its size has beyond the loudest it was before it
left. And only news is evidence: an account that is not `news` times as loud as in any hour before
has none, so that one loud newcomer counts once, not for every hour of its first day. How rare that
is, is learned from the population: the strata are new and returned (`detectors.calibration`).
Grown-up accounts are not judged.

Accounts that were there when the watch began are not new, however little is known of them.

Known limits. An honest new customer who starts big looks like an attacker who starts big; the
channel therefore has a budget of its own. A returned account that stays within the loudest it ever
was is not found, whatever it sends.

Reference: conditional (Mondrian) calibration, Vovk, Gammerman and Shafer, "Algorithmic Learning in
a Random World", 2005, chapter 4.5. Measured by `pulse evaluate`, see docs/detectors/cold_start.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
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
from detectors.hours import hour_of
from detectors.ranges import hold
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
        ("loudest", "<f4"),  # largest size, before the clock hour of last_ms
        ("hour", "<f4"),  # largest size within that clock hour
        ("before", "<f4"),  # largest size before the return
        ("_", "<f4"),  # nothing: keeps the times where processors read them fast
    ]
)
STRATA: Final = 2  # new, returned
_LN10: Final = math.log(10.0)
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
    minimum: float = 20.0  # times `usual`: a smaller sum of the hour says nothing
    offset: float = 20.0  # times the window's usual: sizes far below this look alike
    news: float = 1.5  # times as loud as in any hour before: less is no news
    decades: float = 6.0  # evidence per tenfold size

    def __post_init__(self) -> None:
        hold(NAME, self)


def strata(state: State, now_ms: int, parameters: Parameters) -> IntArray:
    """(n,) stratum of each account; -1 when it was never seen or is not cold."""
    hours, returned = _hours(state, now_ms, parameters)
    cold = (hours * 3600.0 < parameters.cold_s) & (state["first_ms"] > 0)
    return np.where(cold, returned.astype(np.int64), -1)


def found_there(state: State, unseen: BoolArray) -> None:
    """Mark accounts (n,), `unseen` before, that a watch found there when it began, in place.

    Everybody is new to a watch that has just begun; that says nothing about them.
    """
    there = unseen & (state["first_ms"] > 0)
    state["first_ms"][there] = 1


def score(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> Evidence:
    """Judge the sums (n, 3, 5) of the tick that ends at `now_ms`; changes nothing.

    NaN for accounts that are not cold, and at an account's very first tick.
    """
    stratum = strata(state, now_ms, parameters)
    value = np.full(len(stratum), np.nan)
    cold = np.flatnonzero(stratum >= 0)
    if cold.size:
        size = _size(inputs["sums"][cold], parameters)
        known, news = _levels(state[cold], now_ms, parameters)
        value[cold] = np.where(size >= news, np.clip(size - known, 0.0, EVIDENCE_MAX), 0.0)
    kind = np.maximum(stratum, 0)
    return Evidence(value, kind, kind)


def observe(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> State:
    """A new state that remembers when the accounts with a count were seen, and how loud."""
    sums = inputs["sums"]
    new = state.copy()
    seen = (sums[:, -1, :] > 0.0).any(axis=1)
    loudest, hour = _loudest(state, now_ms)
    back = seen & _away(state, now_ms, parameters)
    new["before"][back] = loudest[back]
    new["returned_ms"][back] = now_ms
    new["first_ms"][seen & (state["first_ms"] == 0)] = now_ms
    np.copyto(new["last_ms"], now_ms, where=seen)
    np.copyto(new["loudest"], loudest, where=seen, casting="same_kind")
    np.copyto(
        new["hour"], np.maximum(hour, _size(sums, parameters)), where=seen, casting="same_kind"
    )
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
    known, news = (float(x[0]) for x in _levels(state, now_ms, parameters))
    least = max(news, known + limit)
    usual = _usual(parameters)[window, series]
    decades = parameters.decades * parameters.series_weight[series]
    before = (10.0 ** (known / decades) - 1.0) * parameters.offset * usual  # as loud, in this sum

    def reaches(values: FloatArray) -> BoolArray:
        other = np.repeat(sums, len(values), axis=0)
        other[:, window, series] = values
        fires: BoolArray = _cells(other, parameters)[:, window, series] >= least
        return fires

    start = "came back after a long silence" if returned else "was first seen"
    sentence = (
        f"{account_id} {start} {since(hours)} and {'sent' if series == 0 else 'had'} "
        f"{amount(observed)} {series_name(SERIES[series])} in {window_name(WINDOWS_S[window])}"
    )
    if before > 0.0 and observed > before:
        sentence += f", {amount(observed / before)} times as loud as ever before"
    drivers = {f"{SERIES[series]}_{WINDOWS_S[window]}s": observed}
    for place in np.argsort(-cells, axis=None, kind="stable")[1:4]:
        at, which = divmod(int(place), len(SERIES))
        drivers[f"{SERIES[which]}_{WINDOWS_S[at]}s"] = float(sums[0, at, which])
    drivers |= {
        "evidence": float(cells.max()) - known,
        "hours_since_start": float(hours),
        "returned": float(returned),
        "expected": float(before or usual),
    }
    return Explanation(
        metric=SERIES[series],
        window_s=WINDOWS_S[window],
        observed=observed,
        expected=float(before or usual),
        threshold=smallest(reaches, observed, LARGEST),
        sentence=sentence,
        drivers=drivers,
    )


def _usual(parameters: Parameters) -> FloatArray:
    scale: FloatArray = np.outer(parameters.window_scale, parameters.usual)
    return scale


def _cells(sums: FloatArray, parameters: Parameters) -> FloatArray:
    """Size (n, 3, 5) of each sum."""
    shares = sums / (parameters.offset * _usual(parameters))
    enough = sums[:, -1:, :] >= parameters.minimum * np.array(parameters.usual)
    weight = parameters.decades / _LN10 * np.array(parameters.series_weight)
    return _quantised(np.log(1.0 + shares * enough) * weight)


def _size(sums: FloatArray, parameters: Parameters) -> FloatArray:
    """Size (n,): the largest of the `_cells`, series by series at a quarter of the price."""
    size = np.zeros(len(sums))
    for series, usual in enumerate(parameters.usual):
        share = np.zeros(len(sums))
        for window, scale in enumerate(parameters.window_scale):
            there = sums[:, window, series] / (parameters.offset * scale * usual)
            share = np.maximum(share, there)
        share *= sums[:, -1, series] >= parameters.minimum * usual
        weight = parameters.decades / _LN10 * parameters.series_weight[series]
        size = np.maximum(size, np.log(1.0 + share) * weight)
    return _quantised(size)


def _quantised(sizes: FloatArray) -> FloatArray:
    """Processors differ in the last bit of a logarithm."""
    rounded: FloatArray = np.rint(sizes * 1024.0) / 1024.0
    return np.minimum(rounded, EVIDENCE_MAX)


def _loudest(state: State, now_ms: int) -> tuple[FloatArray, FloatArray]:
    """Largest size (n,) before the clock hour that `now_ms` lies in, and within it so far."""
    same = (state["last_ms"] - 1) // HOUR_MS == hour_of(now_ms)
    loudest, hour = state["loudest"].astype(np.float64), state["hour"].astype(np.float64)
    return np.where(same, loudest, np.maximum(loudest, hour)), np.where(same, hour, 0.0)


def _levels(state: State, now_ms: int, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Size (n,) that counts as known, and the least size that is news."""
    loudest = _loudest(state, now_ms)[0]
    away = _away(state, now_ms, parameters)
    back = np.where(state["returned_ms"] > 0, state["before"].astype(np.float64), 0.0)
    louder = loudest + parameters.decades * math.log10(parameters.news)
    return np.where(away, loudest, back), np.where(loudest > 0.0, louder, 0.0)


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
