"""Ramp: traffic that grows for hours, too slowly for any single hour to be a burst.

Called every ten minutes for the accounts active in the clock hour so far. The requests of the last
six hours are held against the account's record of six-hour sums, lagged: what is younger than about
18 hours does not count towards the record, so that a ramp does not raise its own bar.

    evidence = decades * log10(1 + (S - M) / (M + offset)) / (1 + age_penalty / age)

S    requests (or tokens, at a smaller weight) of this hour so far and the five hours before
M    largest such sum up to 18 to 24 hours ago, fading by half every `record_half_life_h`

Known limits. This is the weakest of the detectors: a ramp over a day or longer raises its record
on the way, and honest growth looks the same. A level shift is reported for at most a day.

References: lagged baselines against slow poisoning of a reference, e.g. Page, "Continuous
Inspection Schemes", Biometrika 41, 1954 (the cumulative view of a change); measurements in
DESIGN.md. Measured by `pulse evaluate`, see docs/detectors/ramp.md.
"""

from __future__ import annotations

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
    State,
)
from detectors.bisection import LARGEST, smallest
from detectors.forgetting import decay
from detectors.hours import hour_of
from detectors.ranges import hold
from detectors.wording import amount

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

NAME: Final = "ramp"
TITLE: Final = "Ramp"
CADENCE: Final = "stride"
KINDS: Final = ("ramp",)
INPUTS: Final = ("requests",)
_HOURS: Final = 6
_BLOCKS: Final = 4  # of six hours each, the running one among them
STATE: Final = np.dtype(
    [
        ("hour", "<u4"),  # hours since 1970 that are learned; 0: never seen
        ("first_hour", "<u4"),
        ("hours", "<f4", (_HOURS,)),  # requests of each of the last hours, by hour modulo six
        ("blocks", "<f4", (_BLOCKS,)),  # largest six-hour sum of each running block, likewise
        ("record", "<f4"),  # largest of the blocks that are old enough
        ("usual", "<f4"),  # forgetting mean of an hour's requests
    ]
)
_MEANS: Final = np.array([1.0, 4.0, 16.0, 64.0, 256.0, 1024.0])  # requests an hour
STRATA: Final = len(_MEANS) + 1
CLUSTER: Final = 3.0
_CATCH_UP: Final = _HOURS * (_BLOCKS + 1)  # idle hours beyond change nothing but the decay


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Raises: ValueError, a value outside its range, with the parameter's name."""

    minimum: float = 100.0  # requests in six hours: fewer say nothing
    offset: float = 20.0  # requests: keeps some after none from being infinitely many
    decades: float = 6.0  # evidence per tenfold record
    age_penalty_d: float = 2.0  # days: a record this old counts half as firm, an old one fully
    record_half_life_h: float = 168.0  # hours until a record counts half
    usual_half_life_h: float = 48.0  # hours until an hour counts half in the mean
    warm_up_h: float = 24.0  # hours since first seen without a verdict

    def __post_init__(self) -> None:
        hold(NAME, self)


def score(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> Evidence:
    """Judge the clock hour so far; changes nothing."""
    hour = hour_of(now_ms)
    current = _caught_up(state, hour, parameters)
    value = _evidence(current, inputs["requests"], hour, parameters)
    value[~_is_warm(state, hour, parameters)] = np.nan
    stratum = np.searchsorted(_MEANS, current["usual"].astype(np.float64))
    return Evidence(value, stratum, np.zeros(len(state), np.int64))


def observe(state: State, inputs: Inputs, now_ms: int, parameters: Parameters) -> State:
    """A new state; learns the hour that ends at `now_ms`, nothing within one."""
    hour = hour_of(now_ms)
    if now_ms % HOUR_MS:
        return state.copy()
    new = _caught_up(state, hour, parameters)
    requests = inputs["requests"]
    due = (new["hour"] < hour + 1) & ((new["hour"] > 0) | (requests > 0))
    fresh = due & (state["hour"] == 0)
    new["first_hour"][fresh] = hour
    return _learned(new, np.where(due, requests, 0.0), hour, due, parameters)


def explain(
    account_id: str,
    state: State,
    inputs: Inputs,
    now_ms: int,
    parameters: Parameters,
    limit: float,
) -> Explanation:
    """Why this one account stands out: one row, as it was before the hour."""
    hour = hour_of(now_ms)
    current = _caught_up(state, hour, parameters)
    before = float(_five_hours(current, hour)[0])
    observed = before + float(inputs["requests"][0])
    best = float(current["record"][0])

    def reaches(values: FloatArray) -> BoolArray:
        rows = np.repeat(current, len(values))
        fires: BoolArray = _evidence(rows, values - before, hour, parameters) >= limit
        return fires

    usual = float(current["usual"][0]) * _HOURS
    sentence = (
        f"{account_id} sent {amount(observed)} requests in six hours; its highest six hours up to "
        f"a day ago had {amount(best)}, and its usual is {amount(usual)}"
    )
    drivers = {
        "requests_6h": observed,
        "evidence": float(_evidence(current, inputs["requests"], hour, parameters)[0]),
        "record_6h": best,
        "expected": usual,
        "requests_this_hour": float(inputs["requests"][0]),
        "age_hours": float(hour - int(state["first_hour"][0])),
    }
    return Explanation(
        metric="requests",
        window_s=_HOURS * 3600,
        observed=observed,
        expected=usual,
        threshold=smallest(reaches, observed, LARGEST),
        sentence=sentence,
        drivers=drivers,
    )


def _is_warm(state: State, hour: int, parameters: Parameters) -> BoolArray:
    known = state["hour"] > 0
    old: BoolArray = hour - state["first_hour"].astype(np.int64) >= parameters.warm_up_h
    return known & old


def _five_hours(state: State, hour: int) -> FloatArray:
    """(n,) requests of the five hours before `hour`."""
    others = np.arange(_HOURS) != hour % _HOURS
    total: FloatArray = state["hours"][:, others].sum(axis=1, dtype=np.float64)
    return total


def _evidence(state: State, requests: FloatArray, hour: int, parameters: Parameters) -> FloatArray:
    total = _five_hours(state, hour) + requests
    best = state["record"].astype(np.float64)
    ratio = np.maximum(total - best, 0.0) / (best + parameters.offset)
    ratio[total < parameters.minimum] = 0.0
    days = np.maximum(hour - state["first_hour"].astype(np.int64), 1) / 24.0
    firm = 1.0 / (1.0 + parameters.age_penalty_d / days)
    # Quantised: processors differ in the last bit of a logarithm.
    rounded = np.rint(parameters.decades * np.log10(1.0 + ratio) * firm * 1024.0) / 1024.0
    return np.minimum(rounded, EVIDENCE_MAX)


def _caught_up(state: State, hour: int, parameters: Parameters) -> State:
    """A copy in which the idle hours before `hour` are learned."""
    new = state.copy()
    missing = np.where(state["hour"] > 0, hour - state["hour"].astype(np.int64), 0)
    far = missing > _CATCH_UP
    if far.any():  # nothing of the hours and blocks is left; the largest became the record
        gone = np.where(far, missing - _CATCH_UP, 0)
        top = np.maximum(new["record"], new["blocks"].max(axis=1))
        faded = top * decay(gone, parameters.record_half_life_h)
        new["record"] = np.where(far, faded, state["record"])
        new["usual"] = new["usual"] * np.where(far, decay(gone, parameters.usual_half_life_h), 1.0)
        new["hours"][far] = 0.0
        new["blocks"][far] = 0.0
        new["hour"][far] = hour - _CATCH_UP
        missing = np.where(far, _CATCH_UP, missing)
    for step in range(int(missing.max(initial=0)), 0, -1):
        due = missing >= step
        new = _learned(new, np.zeros(len(new)), hour - step, due, parameters)
    return new


def _learned(
    state: State, requests: FloatArray, hour: int, due: BoolArray, parameters: Parameters
) -> State:
    """The rows that are `due` with one more hour, number `hour`, learned."""
    new = state.copy()
    slot, block = hour % _HOURS, hour // _HOURS % _BLOCKS
    if hour % _HOURS == 0:  # the block that ran a day ago becomes part of the record
        old = np.maximum(new["record"], new["blocks"][:, block])
        new["record"] = np.where(due, old, new["record"])
        new["blocks"][:, block] = np.where(due, 0.0, new["blocks"][:, block])
    new["hours"][:, slot] = np.where(due, requests, new["hours"][:, slot])
    total = new["hours"].sum(axis=1, dtype=np.float64)
    new["blocks"][:, block] = np.where(
        due, np.maximum(new["blocks"][:, block], total), new["blocks"][:, block]
    )
    kept = 0.5 ** (1.0 / parameters.usual_half_life_h)
    usual = new["usual"] * kept + requests * (1.0 - kept)
    new["usual"] = np.where(due, usual, new["usual"])
    fading = 0.5 ** (1.0 / parameters.record_half_life_h)
    new["record"] = np.where(due, new["record"] * fading, new["record"])
    new["hour"][due] = hour + 1
    return new
