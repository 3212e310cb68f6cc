"""The quota detector's cases: accounts far from their limits for a week, then each of its kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from detectors import quota
from detectors.base import FloatArray, Inputs, State
from detectors.wording import amount
from tests.contract.detector_cases import HOUR_MS, START_MS, Builder, Case

__all__ = ["CASE", "MORE"]

_HOURS: Final = 7 * 24
_PARAMETERS: Final = quota.Parameters()


def _hour(rng: np.random.Generator, accounts: int) -> dict[str, FloatArray]:
    """An hour of a few hundred requests, a 429 now and then, a hundredth of the quota."""
    requests = rng.poisson(300.0, accounts)
    throttled = rng.binomial(2, 0.3, accounts)
    first = rng.uniform(0.2, 0.5, accounts)
    inputs = {
        "requests": requests,
        "errors": rng.binomial(requests, 0.01),
        "throttled": throttled,
        "throttled_ticks": throttled,
        "retried_ticks": rng.binomial(throttled, 0.3),
        "quota_first": np.round(first, 3),
        "quota_max": np.round(first + rng.uniform(0.005, 0.02, accounts), 3),
        "keys": 1.0 + rng.binomial(1, 0.2, accounts),
    }
    return {name: np.asarray(values, np.float64) for name, values in inputs.items()}


def _build(
    accounts: int,
    seed: int,
    kind: str,
    attack_with: Callable[[dict[str, FloatArray]], None],
    counted: str,
    before: int = 0,
) -> Case:
    """The attack of the last hour also stands in the `before` hours that precede it."""
    rng = np.random.default_rng(seed)
    state: State = np.zeros(accounts, quota.STATE)
    for hour in range(_HOURS):
        inputs = _hour(rng, accounts)
        if hour >= _HOURS - before:
            attack_with(inputs)
        state = quota.observe(state, inputs, START_MS + (hour + 1) * HOUR_MS, _PARAMETERS)
    usual = _hour(rng, accounts)
    attack = {name: values.copy() for name, values in usual.items()}
    attack_with(attack)
    of_quota = counted == "quota_max"

    def replace(inputs: Inputs, observed: FloatArray) -> dict[str, FloatArray]:
        return {**inputs, counted: observed}

    return Case(
        state=state,
        now_ms=START_MS + _HOURS * HOUR_MS + HOUR_MS // 2,
        usual=usual,
        attack=attack,
        limit=1.5,
        kind=kind,
        metric="quota_used" if of_quota else counted,
        window_s=3600,
        observed=attack[counted],
        causes=frozenset({kind}),
        replace=replace,
        step=0.001 if of_quota else 1.0,
        said="{:.3f}".format if of_quota else amount,
    )


def _hugging(accounts: int, seed: int) -> Case:
    def attack(inputs: dict[str, FloatArray]) -> None:
        inputs["throttled"][:] = 1.0
        inputs["quota_first"][:], inputs["quota_max"][:] = 0.97, 0.975

    return _build(accounts, seed, "quota_hugging", attack, "quota_max", before=5)


def _exhaustion(accounts: int, seed: int) -> Case:
    def attack(inputs: dict[str, FloatArray]) -> None:
        inputs["quota_first"][:], inputs["quota_max"][:] = 0.3, 0.95

    return _build(accounts, seed, "early_exhaustion", attack, "quota_max")


def _retry(accounts: int, seed: int) -> Case:
    def attack(inputs: dict[str, FloatArray]) -> None:
        inputs["requests"] += 400.0
        inputs["throttled"][:] = 350.0
        inputs["throttled_ticks"][:], inputs["retried_ticks"][:] = 200.0, 195.0

    return _build(accounts, seed, "retry_abuse", attack, "throttled")


def _hopping(accounts: int, seed: int) -> Case:
    def attack(inputs: dict[str, FloatArray]) -> None:
        inputs["throttled"][:], inputs["keys"][:] = 20.0, 14.0

    return _build(accounts, seed, "key_hopping", attack, "keys")


CASE: Final[Builder] = _hugging
MORE: Final[tuple[Builder, ...]] = (_exhaustion, _retry, _hopping)
