"""The ramp detector's case: steady accounts of a week, then six hours that grew and grew."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import ramp
from detectors.base import FloatArray, Inputs, State
from tests.contract.detector_cases import HOUR_MS, START_MS, Builder, Case

__all__ = ["CASE"]

_HOURS: Final = 7 * 24
_PARAMETERS: Final = ramp.Parameters()


def _build(accounts: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    rate = rng.uniform(40.0, 200.0, accounts)
    state: State = np.zeros(accounts, ramp.STATE)
    grown = np.zeros(accounts)
    for hour in range(_HOURS + 4):
        factor = max(1.0, 1.3 ** (hour - _HOURS + 1))
        sent = rng.poisson(rate * factor).astype(np.float64)
        grown += sent if hour >= _HOURS - 1 else 0.0
        inputs = {"requests": sent}
        state = ramp.observe(state, inputs, START_MS + (hour + 1) * HOUR_MS, _PARAMETERS)
    usual = rng.poisson(rate).astype(np.float64)
    attack = np.rint(rate * 40.0)

    def replace(inputs: Inputs, observed: FloatArray) -> dict[str, FloatArray]:
        return {"requests": observed - grown}

    return Case(
        state=state,
        now_ms=START_MS + (_HOURS + 4) * HOUR_MS + 1_800_000,
        usual={"requests": usual},
        attack={"requests": attack},
        limit=3.0,
        kind="ramp",
        metric="requests",
        window_s=6 * 3600,
        observed=grown + attack,
        causes=frozenset({"requests_6h"}),
        replace=replace,
    )


CASE: Final[Builder] = _build
