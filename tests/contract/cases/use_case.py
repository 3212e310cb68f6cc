"""The use-case detector's cases: steady mixes, then another use of each kind."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from detectors import use_case
from detectors.base import FloatArray, Inputs, State
from tests.contract.detector_cases import HOUR_MS, START_MS, Builder, Case

__all__ = ["CASE", "MORE"]

_DAYS: Final = 10
_MIXES: Final = ("endpoints", "countries", "prompt_sizes", "output_sizes")
_SHARES: Final = np.array([0.0, 0.3, 0.25, 0.2, 0.15, 0.1, 0.0, 0.0])
_NEW: Final = 7  # a bin nobody uses
_PARAMETERS: Final = use_case.Parameters()


def _hour(rng: np.random.Generator, accounts: int) -> dict[str, FloatArray]:
    requests = rng.poisson(120.0, accounts)
    inputs = {mix: rng.multinomial(requests, _SHARES) for mix in _MIXES}
    inputs["requests"] = requests
    inputs["cohort_profile"] = np.tile(_SHARES, (accounts, len(_MIXES)))
    return {name: np.asarray(values, np.float64) for name, values in inputs.items()}


def _history(
    accounts: int, seed: int, start_h: int = 0, end_h: int = 24
) -> tuple[State, np.random.Generator]:
    """Ten days, at work from `start_h` to `end_h` o'clock."""
    rng = np.random.default_rng(seed)
    state: State = np.zeros(accounts, use_case.STATE)
    for hour in range(_DAYS * 24):
        if start_h <= hour % 24 < end_h:
            now_ms = START_MS + (hour + 1) * HOUR_MS
            state = use_case.observe(state, _hour(rng, accounts), now_ms, _PARAMETERS)
    return state, rng


def _mix(accounts: int, seed: int, mix: str) -> Case:
    state, rng = _history(accounts, seed)
    usual = _hour(rng, accounts)
    attack = {name: values.copy() for name, values in usual.items()}
    attack[mix][:, _NEW] += rng.integers(150, 250, accounts)
    attack["requests"] = attack[mix].sum(axis=1)

    def replace(inputs: Inputs, observed: FloatArray) -> dict[str, FloatArray]:
        counts = inputs[mix].copy()
        counts[:, _NEW] = observed
        return {**inputs, mix: counts}

    return Case(
        state=state,
        now_ms=START_MS + (_DAYS * 24 + 9) * HOUR_MS + HOUR_MS // 2,
        usual=usual,
        attack=attack,
        limit=3.0,
        kind=f"use_case_{mix}",
        metric=f"{mix}[{_NEW}]",
        window_s=3600,
        observed=attack[mix][:, _NEW],
        causes=frozenset({f"use_case_{mix}"}),
        replace=replace,
    )


def _night(accounts: int, seed: int) -> Case:
    """One request in the night is nothing; as many as by day are."""
    state, rng = _history(accounts, seed, 8, 18)
    usual = {name: np.zeros_like(values) for name, values in _hour(rng, accounts).items()}
    usual["requests"][:] = 1.0
    attack = {name: values.copy() for name, values in usual.items()}
    attack["requests"] = rng.integers(90, 150, accounts).astype(np.float64)
    for mix in _MIXES:
        usual[mix][:, 1] = 1.0
        attack[mix] = np.rint(attack["requests"][:, None] * _SHARES)

    def replace(inputs: Inputs, observed: FloatArray) -> dict[str, FloatArray]:
        return {**inputs, "requests": observed}

    return Case(
        state=state,
        now_ms=START_MS + (_DAYS * 24 + 2) * HOUR_MS + HOUR_MS // 2,
        usual=usual,
        attack=attack,
        limit=0.5,
        kind="use_case_hours",
        metric="requests",
        window_s=3600,
        observed=attack["requests"],
        causes=frozenset({"use_case_hours"}),
        replace=replace,
    )


CASE: Final[Builder] = partial(_mix, mix="endpoints")
MORE: Final[tuple[Builder, ...]] = (*(partial(_mix, mix=mix) for mix in _MIXES[1:]), _night)
