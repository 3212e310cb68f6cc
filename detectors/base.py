"""What every detector is: the protocol, the explanation it owes, and how detectors are found.

A detector is one module of this package. It turns arrays of window sums into scores and says why;
the fold (`streams/features/`) keeps its state inside the account's row and decides when to call it.
No detector reads a clock, a file or a network: event time comes in as an argument.

    score(state, sums, now_ms)    how unusual is this tick, judged by what was known before it
    observe(state, sums, now_ms)  remember the tick, after it was scored
    explain(...)                  one alarm in words and numbers, before the tick is remembered
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "STATE_BYTES_MAX",
    "BoolArray",
    "Detector",
    "Explanation",
    "FloatArray",
    "IntArray",
    "Scores",
    "State",
    "all_detectors",
]

STATE_BYTES_MAX = 160  # a detector's share of the 2 kB an account may take

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
State = NDArray[Any]  # structured, one row an account, of the detector's dtype STATE


@dataclass(frozen=True, slots=True)
class Explanation:
    """One alarm as a person needs it; `drivers` holds every number that made the score."""

    metric: str  # what was counted, as "requests"
    window_s: int
    observed: float
    expected: float
    p_value: float
    threshold: float  # smallest value that alarms in this window; any smaller one is silent
    sentence: str
    drivers: dict[str, float]


class Scores(Protocol):
    """What `score` returns at least; first axis: accounts, the others are the detector's own."""

    @property
    def p_value(self) -> FloatArray:
        """In (0, 1]; NaN while the account warms up, and nowhere else."""

    @property
    def expected(self) -> FloatArray:
        """Finite: what this account usually shows."""

    @property
    def alarm(self) -> BoolArray:
        """One flag an account."""


class Detector(Protocol):
    """The face of a detector module; `tests/contract/test_detectors.py` holds each one to it."""

    @property
    def NAME(self) -> str:  # noqa: N802
        """As in the column `detector` of the findings."""

    @property
    def STATE(self) -> np.dtype[Any]:  # noqa: N802
        """Its part of an account's row; all bytes zero is an account never seen."""

    @property
    def INPUT(self) -> tuple[int, ...]:  # noqa: N802
        """Shape of one account's `sums`."""

    @property
    def Parameters(self) -> type[Any]:  # noqa: N802
        """Frozen dataclass; every field has a default and a unit."""

    def score(self, state: State, sums: FloatArray, now_ms: int, parameters: Any) -> Scores:
        """Judge the tick that ends at `now_ms`; nothing is changed."""

    def observe(self, state: State, sums: FloatArray, now_ms: int, parameters: Any) -> State:
        """A new state that remembers the tick; the one given is not changed."""

    def explain(
        self, account_id: str, state: State, sums: FloatArray, now_ms: int, parameters: Any
    ) -> Explanation:
        """Why `score` alarms for this one account: `state` and `sums` have one row."""


def all_detectors() -> list[Detector]:
    """Every detector of this package, by name; a module is one when it has NAME and STATE."""
    package = importlib.import_module(__package__ or "detectors")
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    ]
    found = [
        cast(Detector, module)
        for module in modules
        if hasattr(module, "NAME") and hasattr(module, "STATE")
    ]
    return sorted(found, key=lambda detector: detector.NAME)
