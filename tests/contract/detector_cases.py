"""For every detector one case: accounts with a history, their usual input, and an attack in it.

`tests/contract/test_detectors.py` runs the same promises over all of them; a detector without a
case here fails there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors import burst
from detectors.base import FloatArray, IntArray, State

__all__ = ["CASES", "Case"]

HOUR_MS: Final = 3_600_000
START_MS: Final = 1_700_006_400_000


@dataclass(frozen=True, slots=True)
class Case:
    """`accounts` rows that end their history at `now_ms`; the next tick is the one to judge."""

    state: State
    now_ms: int
    usual: FloatArray
    attack: FloatArray
    metric: str  # what the attack raises
    cell: tuple[int, ...]  # where in one account's input the strongest evidence lies
    window_s: int
    threshold: Callable[[State, int], FloatArray]  # of that cell


def burst_case(accounts: int, seed: int) -> Case:
    """Two days of Poisson requests at different levels; the attack is x60 within one minute."""
    rng = np.random.default_rng(seed)
    parameters = burst.Parameters()
    a_minute = rng.uniform(0.5, 20.0, accounts)
    state = np.zeros(accounts, dtype=burst.STATE)

    def draw() -> FloatArray:
        minutes = rng.poisson(a_minute, (60, accounts)).astype(np.float64)
        requests = np.stack([minutes[-1], minutes[-5:].sum(axis=0), minutes.sum(axis=0)], axis=1)
        return np.stack([requests, requests * 500.0], axis=2)

    for step in range(1, 2 * 288 + 1):
        now_ms = START_MS + step * 300_000
        sums = draw()
        state = burst.observe(state, sums, now_ms, parameters)
        state = burst.learn(state, sums[:, 1], now_ms, parameters)
    usual = draw()
    attack = usual.copy()
    attack[:, :, 0] += np.rint(60.0 * a_minute + 200.0)[:, None]

    def threshold(rows: State, at_ms: int) -> FloatArray:
        window: IntArray = np.zeros(len(rows), dtype=np.int64)
        return burst.threshold(rows, window, np.zeros_like(window), at_ms, parameters)

    return Case(
        state=state,
        now_ms=START_MS + 48 * HOUR_MS + 5_000,
        usual=usual,
        attack=attack,
        metric="requests",
        cell=(0, 0),
        window_s=60,
        threshold=threshold,
    )


CASES: Final[dict[str, Callable[[int, int], Case]]] = {"burst": burst_case}
