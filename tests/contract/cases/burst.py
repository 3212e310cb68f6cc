"""The burst detector's cases: steady accounts of a week, then too many requests, or tokens."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import burst
from detectors.base import FloatArray, Inputs, State
from tests.contract.detector_cases import HOUR_MS, START_MS, Builder, Case

__all__ = ["CASE", "MORE"]

_DAYS: Final = 7
_FIVE_MS: Final = 300_000
_PARAMETERS: Final = burst.Parameters()


def _sums(rng: np.random.Generator, rate: FloatArray) -> FloatArray:
    """(n, 3, 5) of windows in which accounts send `rate` requests a minute."""
    minutes = np.array([1.0, 5.0, 60.0])
    requests = rng.poisson(rate[:, None] * minutes)
    each = np.array([1.0, 800.0, 150.0, 0.01, 0.0])
    sums: FloatArray = np.rint(requests[:, :, None] * each)
    return sums


def _history(accounts: int, seed: int) -> tuple[State, FloatArray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    rate = rng.uniform(1.0, 6.0, accounts)
    state: State = np.zeros(accounts, burst.STATE)
    for step in range(_DAYS * 24):
        now_ms = START_MS + step * HOUR_MS + _FIVE_MS
        sums = _sums(rng, rate)
        state = burst.observe(state, {"sums": sums}, now_ms, _PARAMETERS)
        state = burst.learn(state, sums[:, 1], now_ms, _PARAMETERS)
    return state, rate, rng


def _case(accounts: int, seed: int, series: int, kind: str) -> Case:
    state, rate, rng = _history(accounts, seed)
    usual = _sums(rng, rate)
    attack = usual.copy()
    added = np.rint(np.maximum(usual[:, 1, series] * 40.0, 4000.0))
    attack[:, 1, series] += added  # this window alone, so that its threshold is the account's

    def replace(inputs: Inputs, observed: FloatArray) -> dict[str, FloatArray]:
        sums = inputs["sums"].copy()
        sums[:, 1, series] = observed
        return {"sums": sums}

    return Case(
        state=state,
        now_ms=START_MS + _DAYS * 24 * HOUR_MS + _FIVE_MS,
        usual={"sums": usual},
        attack={"sums": attack},
        limit=2.5,
        kind=kind,
        metric=burst.SERIES[series],
        window_s=300,
        observed=attack[:, 1, series],
        causes=frozenset({f"{burst.SERIES[series]}_300s"}),
        replace=replace,
    )


def _requests(accounts: int, seed: int) -> Case:
    return _case(accounts, seed, 0, "burst")


def _throttled(accounts: int, seed: int) -> Case:
    return _case(accounts, seed, 4, "throttled_burst")


CASE: Final[Builder] = _requests
MORE: Final[tuple[Builder, ...]] = (_throttled,)
