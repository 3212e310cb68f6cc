"""The cold start detector's cases: accounts a few minutes old, and accounts that came back."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import cold_start
from detectors.base import FloatArray, Inputs, State
from tests.contract.detector_cases import HOUR_MS, START_MS, Builder, Case

__all__ = ["CASE", "MORE"]

_TICK_MS: Final = 60_000
_PARAMETERS: Final = cold_start.Parameters()


def _sums(rng: np.random.Generator, accounts: int) -> FloatArray:
    requests = rng.poisson([2.0, 6.0, 6.0], (accounts, 3))
    sums: FloatArray = np.rint(requests[:, :, None] * np.array([1.0, 800.0, 150.0, 0.0, 0.0]))
    return sums


def _case(state: State, now_ms: int, rng: np.random.Generator, kind: str) -> Case:
    usual = _sums(rng, len(state))
    attack = usual.copy()
    # Five minutes, and so the hour, which is usually louder: the threshold is that of the five.
    attack[:, 1, 0] += 3000.0
    attack[:, 2, 0] = attack[:, 1, 0]

    def replace(inputs: Inputs, observed: FloatArray) -> dict[str, FloatArray]:
        sums = inputs["sums"].copy()
        sums[:, 1:, 0] = observed[:, None]
        return {"sums": sums}

    return Case(
        state=state,
        now_ms=now_ms,
        usual={"sums": usual},
        attack={"sums": attack},
        limit=6.0,
        kind=kind,
        metric="requests",
        window_s=300,
        observed=attack[:, 1, 0],
        causes=frozenset({"requests_300s"}),
        replace=replace,
    )


def _new(accounts: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    state: State = np.zeros(accounts, cold_start.STATE)
    for tick in range(1, 6):
        inputs = {"sums": _sums(rng, accounts) + 1.0}
        state = cold_start.observe(state, inputs, START_MS + tick * _TICK_MS, _PARAMETERS)
    return _case(state, START_MS + 6 * _TICK_MS, rng, "new_account")


def _returned(accounts: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    state: State = np.zeros(accounts, cold_start.STATE)
    for hour in range(48):
        inputs = {"sums": _sums(rng, accounts) + 1.0}
        state = cold_start.observe(state, inputs, START_MS + hour * HOUR_MS + 1, _PARAMETERS)
    back = START_MS + 200 * HOUR_MS + _TICK_MS
    state = cold_start.observe(state, {"sums": _sums(rng, accounts) + 1.0}, back, _PARAMETERS)
    return _case(state, back + _TICK_MS, rng, "dormant_account")


CASE: Final[Builder] = _new
MORE: Final[tuple[Builder, ...]] = (_returned,)
