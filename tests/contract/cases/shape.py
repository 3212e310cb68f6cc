"""The shape detector's case: three days of habits and a fitted forest, then much longer prompts."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import shape
from detectors.base import FloatArray, Inputs, State
from tests.contract.detector_cases import HOUR_MS, START_MS, Builder, Case

__all__ = ["CASE"]

_HOURS: Final = 3 * 24
_SEED: Final = 5
# A small forest: the contract asks for hundreds of explanations.
_PARAMETERS: Final = shape.Parameters(trees=10, tree_rows=256)


def hour(rng: np.random.Generator, accounts: int) -> dict[str, FloatArray]:
    """Two hundred requests of steady shape, the same for all but for chance."""
    requests = rng.poisson(200.0, accounts)
    outputs = rng.binomial(requests, 0.97)
    inputs = {
        "requests": requests,
        "outputs": outputs,
        "templated": requests,
        "prompt_tokens": np.rint(requests * 600.0 * np.exp(rng.normal(0.0, 0.15, accounts))),
        "completion_tokens": np.rint(outputs * 150.0 * np.exp(rng.normal(0.0, 0.15, accounts))),
        "errors": rng.binomial(requests, 0.02),
        "throttled": rng.binomial(requests, 0.005),
        "short_outputs": rng.binomial(outputs, 0.15),
        "novel": rng.binomial(requests, 0.05),
        "template_counts": rng.multinomial(requests, np.full(32, 1.0 / 32.0)),
        "keys": 1.0 + rng.binomial(2, 0.2, accounts),
        "addresses": 1.0 + rng.poisson(4.0, accounts),
        "end_users": 1.0 + rng.poisson(20.0, accounts),
        "flagged": rng.binomial(requests[:, None], np.full(8, 0.001)),
    }
    return {name: np.asarray(values, np.float64) for name, values in inputs.items()}


def _longer_prompts(accounts: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    state: State = np.zeros(accounts, shape.STATE)
    identities = rng.integers(0, 2**63, accounts).astype(np.uint64)
    matrix = None
    for number in range(_HOURS):
        now_ms, inputs = START_MS + (number + 1) * HOUR_MS, hour(rng, accounts)
        drawn = shape.sample(state, inputs, identities, now_ms, _PARAMETERS)
        matrix = shape.extend(matrix, drawn, _PARAMETERS)
        state = shape.observe(state, inputs, now_ms, _PARAMETERS)
    assert matrix is not None
    model = shape.fit(matrix, _SEED, _PARAMETERS)
    usual = hour(rng, accounts)
    attack = {name: values.copy() for name, values in usual.items()}
    attack["prompt_tokens"] = usual["prompt_tokens"] * 40.0
    attack["addresses"] = usual["addresses"] * 2.0 + 6.0

    def replace(inputs: Inputs, observed: FloatArray) -> dict[str, FloatArray]:
        return {**inputs, "prompt_tokens": observed}

    return Case(
        state=state,
        now_ms=START_MS + _HOURS * HOUR_MS + HOUR_MS * 5 // 6,
        usual=usual,
        attack=attack,
        limit=2.5,
        kind="unusual_change",
        metric="prompt_tokens",
        window_s=3600,
        observed=attack["prompt_tokens"],
        causes=frozenset({"prompt_length"}),
        replace=replace,
        parameters=shape.Fitted(_PARAMETERS, model),
    )


CASE: Final[Builder] = _longer_prompts
