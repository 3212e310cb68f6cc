"""Burst: is this too much for this account? Its own record, and the tail of its own counts.

Called by the fold once a tick (a few seconds of event time) for the accounts with a count. Two
questions, both must say yes in one of three windows and for one of two series:

    record    (S - M) / (M + 3) > ratio       has this account ever been near this?
    tail      P(X >= S) < p_value             how far out in its own distribution is this?

S   sum of the window that ends now: 60, 300 or 3600 s of requests or tokens (prompt + completion)
M   the record: largest sum seen before this hour, fading by half every `record_half_life_s`
X   negative binomial; mean and dispersion are those of the account's five-minute sums with
    exponential forgetting and a prior, each sum winsorised (taken as at most 2 M + 20 requests, or
    2 M + 40,000 tokens) before it is learned. For a window of w seconds the mean is
    scaled by w / 300 and the size by min(1, w / 300): independent parts for the shorter window, one
    common swing for the longer, in both cases the heavier tail of the two.

Two memories on purpose. The record learns a whole hour at once when that hour has ended, so an
attack is found over and over within its hour, and an honest level shift falls silent in the next
ones. The baseline learns winsorised and barely moves.

Known limits. A second attack no larger than the first is NOT found until the record has faded to
less than half of it, a little over 7 days. A ramp that less than doubles from hour to hour never
alarms. Accounts younger than `warm_up_windows` get NaN, not a verdict. Windows roll and are judged
every tick, and p-values are not corrected for that: they rank and explain, they are no rates.

References: negative binomial and moment estimate, see `detectors.negative_binomial`; forgetting,
see `detectors.forgetting`; winsorising, Dixon and Tukey, "Approximate behavior of the distribution
of winsorized t", Technometrics 10, 1968; the record against the tail, DESIGN.md "Detectors".
Measured by `python -m tests.bench.burst_quality` (400 accounts cut from the ServeGen clients, 14
days, a tick a minute): 30 false episodes per 1,000 account-days of clean traffic; of bursts of 10
minutes on accounts older than a day, 88 % found at 30 times the usual rate (57 % within 2 minutes),
34 % at 10 times (`--factor 10`); of the same burst again 6 hours later none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.base import BoolArray, Explanation, FloatArray, IntArray, State
from detectors.burst_parameters import SERIES, WINDOWS_S, Parameters
from detectors.burst_state import STATE, history, is_warm, learn, observe, record
from detectors.negative_binomial import moments, tail
from detectors.wording import age, amount, one_in, window_name

__all__ = [
    "INPUT",
    "NAME",
    "SERIES",
    "STATE",
    "WINDOWS_S",
    "Parameters",
    "Scores",
    "explain",
    "learn",
    "observe",
    "score",
    "threshold",
]

NAME: Final = "burst"
INPUT: Final = (len(WINDOWS_S), len(SERIES))
_SCALE: Final = np.array(WINDOWS_S) / 300.0  # of the mean
_SIZE_SCALE: Final = np.minimum(_SCALE, 1.0)
_OFFSET: Final = 3.0  # in the ratio: keeps one request after none from being infinitely many
_LARGEST: Final = 2.0**53  # integers above are not exact in float64


@dataclass(frozen=True, slots=True)
class Scores:
    """Verdict of one tick, one row an account; axes (n, window, series)."""

    p_value: FloatArray  # (n, 3, 2) NaN while warming up; 1: not above its own record or minimum
    ratio: FloatArray  # (n, 3, 2) (S - M) / (M + 3)
    expected: FloatArray  # (n, 3, 2) mean of the baseline, scaled to the window
    alarm: BoolArray  # (n,)
    window: IntArray  # (n,) index into WINDOWS_S of the strongest evidence; 0 without an alarm
    series: IntArray  # (n,) index into SERIES, likewise


def score(state: State, sums: FloatArray, now_ms: int, parameters: Parameters) -> Scores:
    """Judge the window sums (n, 3, 2) of the tick that ends at `now_ms`; changes nothing.

    The tail is computed only where minimum and ratio are exceeded, and is 1 elsewhere. Among the
    cells that alarm the strongest has the largest -log10 p + log10(1 + ratio): the two questions'
    evidence summed, the ratio's own tail taken as a Pareto tail of index 1.
    """
    record_now, _, _ = record(state, now_ms, parameters)
    ratio = (sums - record_now) / (record_now + _OFFSET)
    warm = is_warm(state, now_ms, parameters)
    candidate = (ratio > parameters.ratio) & (sums >= _minimum(parameters)) & warm[:, None, None]

    total, _, weight = history(state, now_ms, parameters)
    prior = parameters.prior_windows
    mean = (total + prior * np.array(parameters.prior_mean)) / (weight + prior)
    p_value = np.ones(sums.shape)
    p_value[~warm] = np.nan
    alarm = np.zeros(len(sums), dtype=np.bool_)
    window = np.zeros(len(sums), dtype=np.int64)
    series = np.zeros(len(sums), dtype=np.int64)

    rows = np.flatnonzero(candidate.any(axis=(1, 2)))
    if rows.size:
        where, windows, kinds = np.nonzero(candidate[rows])
        means, sizes = _distribution(state[rows], now_ms, parameters)
        p = tail(
            sums[rows[where], windows, kinds],
            means[where, windows, kinds],
            sizes[where, windows, kinds],
        )
        p_value[rows[where], windows, kinds] = p
        fires = p < parameters.p_value
        evidence = np.full((len(rows), *INPUT), -np.inf)
        strength = np.log10(1.0 + ratio[rows[where], windows, kinds]) - np.log10(p)
        evidence[where, windows, kinds] = np.where(fires, strength, -np.inf)
        flat = evidence.reshape(len(rows), -1)
        strongest = flat.argmax(axis=1)
        alarm[rows] = np.isfinite(flat.max(axis=1))
        window[rows], series[rows] = np.divmod(strongest, len(SERIES))
    return Scores(p_value, ratio, mean[:, None, :] * _SCALE[:, None], alarm, window, series)


def threshold(
    state: State, window: IntArray, series: IntArray, now_ms: int, parameters: Parameters
) -> FloatArray:
    """Smallest whole sum (n,) that alarms in that window and series: one less is silent there.

    Found by bisection on the very rule that `score` applies. NaN while the account warms up; inf
    if no sum below 2**53 alarms.
    """
    row = np.arange(len(state))
    record_now = record(state, now_ms, parameters)[0][row, window, series]
    means, sizes = _distribution(state, now_ms, parameters)
    mean, size = means[row, window, series], sizes[row, window, series]
    minimum = _minimum(parameters)[series]

    def alarms(sums: FloatArray) -> BoolArray:
        above = (sums - record_now) / (record_now + _OFFSET) > parameters.ratio
        fires: BoolArray = above & (sums >= minimum) & (tail(sums, mean, size) < parameters.p_value)
        return fires

    silent, loud = minimum - 1.0, minimum.copy()
    while (open_end := ~alarms(loud) & (loud < _LARGEST)).any():
        silent = np.where(open_end, loud, silent)
        loud = np.where(open_end, np.minimum(loud * 2.0, _LARGEST), loud)
    found = alarms(loud)
    while (loud - silent > 1.0).any():
        middle = np.floor((silent + loud) / 2.0)
        fires = alarms(middle)
        loud, silent = np.where(fires, middle, loud), np.where(fires, silent, middle)
    smallest = np.where(found, loud, np.inf)
    return np.where(is_warm(state, now_ms, parameters), smallest, np.nan)


def explain(
    account_id: str, state: State, sums: FloatArray, now_ms: int, parameters: Parameters
) -> Explanation:
    """Why this one account alarms: `state` (1,) as it was before the tick, `sums` (1, 3, 2).

    Raises:
        ValueError: it does not alarm.
    """
    scores = score(state, sums, now_ms, parameters)
    if len(state) != 1 or not scores.alarm[0]:
        raise ValueError(f"burst: nothing to explain, {account_id} does not alarm at {now_ms} ms")
    window, series = int(scores.window[0]), int(scores.series[0])
    cell = (0, window, series)
    record_now, record_was, record_age = (x[cell] for x in record(state, now_ms, parameters))
    mean, size = (x[cell] for x in _distribution(state, now_ms, parameters))
    limit = threshold(state, scores.window, scores.series, now_ms, parameters)[0]
    observed, p_value = float(sums[cell]), float(scores.p_value[cell])
    past = (
        f"its own record was {amount(record_was)}, {age(int(record_age))}"
        if record_was > 0
        else "it has none on record"
    )
    sentence = (
        f"{account_id} {'sent' if series == 0 else 'used'} {amount(observed)} {SERIES[series]} in "
        f"{window_name(WINDOWS_S[window])}; {past}, and its usual is {amount(mean)} "
        f"({one_in(p_value)} by its own history)"
    )
    drivers = {
        "observed": observed,
        "expected": float(mean),
        "dispersion": float(1.0 / size),
        "p_value": p_value,
        "record": float(record_was),
        "record_age_h": float(record_age),
        "record_faded": float(record_now),
        "ratio": float(scores.ratio[cell]),
        "windows_learned": float(state["learned"][0]),
    }
    return Explanation(
        metric=SERIES[series],
        window_s=WINDOWS_S[window],
        observed=observed,
        expected=float(mean),
        p_value=p_value,
        threshold=float(limit),
        sentence=sentence,
        drivers=drivers,
    )


def _minimum(parameters: Parameters) -> FloatArray:
    return np.array([parameters.min_requests, parameters.min_tokens], dtype=np.float64)


def _distribution(
    state: State, now_ms: int, parameters: Parameters
) -> tuple[FloatArray, FloatArray]:
    """Mean and size (n, 3, 2) of the negative binomial of each window and series."""
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
