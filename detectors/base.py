"""What every detector is: the protocol, the evidence and the explanation it owes, how it is found.

A detector is one module of this package. It turns arrays of an account's numbers into evidence and
says why; the fold (`streams/features/`) keeps its state inside the account's row and decides when
to call it. No detector reads a clock, a file or a network: event time comes in as an argument. What
becomes of evidence, p-values (`detectors.calibration`) and alarms, is decided elsewhere.

    score(state, inputs, now_ms)    how unusual is this, judged by what was known before
    observe(state, inputs, now_ms)  remember it, after it was scored
    explain(...)                    one alarm in words and numbers, before it is remembered

A detector of cadence "tick" sees every account a tick touched; one of cadence "stride" sees, every
ten minutes, the accounts active in the clock hour so far, with the inputs of that hour so far.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EVIDENCE_MAX",
    "HOUR_MS",
    "STATE_BYTES_MAX",
    "STRIDE_MS",
    "BoolArray",
    "Detector",
    "Evidence",
    "Explanation",
    "FloatArray",
    "Inputs",
    "IntArray",
    "State",
    "all_detectors",
]

STATE_BYTES_MAX: Final = 1024  # of all detectors together, an account
EVIDENCE_MAX: Final = 300.0
HOUR_MS: Final = 3_600_000
STRIDE_MS: Final = 600_000

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
State = NDArray[Any]  # structured, one row an account, of the detector's dtype STATE
Inputs = Mapping[str, FloatArray]  # by name; the first axis is the accounts


@dataclass(frozen=True, slots=True)
class Evidence:
    """How strange each account (n,) is to one detector.

    value: in 0 .. EVIDENCE_MAX, on a scale like -log10 of a probability; 0 is nothing unusual, NaN
    an account that warms up. stratum: 0 .. STRATA - 1, the accounts it is compared with. kind:
    index into the detector's KINDS.
    """

    value: FloatArray
    stratum: IntArray
    kind: IntArray


@dataclass(frozen=True, slots=True)
class Explanation:
    """One alarm as a person needs it; `drivers` holds its numbers, strongest first."""

    metric: str  # what was counted, as "requests"
    window_s: int
    observed: float
    expected: float
    threshold: float  # smallest observed value that alarms, all else equal; inf when none does
    sentence: str
    drivers: dict[str, float]


class Detector(Protocol):
    """The face of a detector module; `tests/contract/test_detectors.py` holds each one to it."""

    @property
    def NAME(self) -> str:  # noqa: N802
        """As in the column `detector` of the findings."""

    @property
    def TITLE(self) -> str:  # noqa: N802
        """For people."""

    @property
    def CADENCE(self) -> Literal["tick", "stride"]:  # noqa: N802
        """When it is called."""

    @property
    def KINDS(self) -> tuple[str, ...]:  # noqa: N802
        """Kinds of incident it can name."""

    @property
    def INPUTS(self) -> tuple[str, ...]:  # noqa: N802
        """Names of the inputs it reads."""

    @property
    def STRATA(self) -> int:  # noqa: N802
        """Number of strata."""

    @property
    def CLUSTER(self) -> float:  # noqa: N802
        """Hours with much evidence come in runs: so many say as much as one (1: independent)."""

    @property
    def STATE(self) -> np.dtype[Any]:  # noqa: N802
        """Its part of an account's row; all bytes zero is an account never seen."""

    @property
    def Parameters(self) -> type[Any]:  # noqa: N802
        """Frozen dataclass; every field has a default and a unit."""

    def score(self, state: State, inputs: Inputs, now_ms: int, parameters: Any) -> Evidence:
        """Judge what `inputs` show at `now_ms`; nothing is changed."""

    def observe(self, state: State, inputs: Inputs, now_ms: int, parameters: Any) -> State:
        """A new state that remembers it; the one given is not changed."""

    def explain(
        self,
        account_id: str,
        state: State,
        inputs: Inputs,
        now_ms: int,
        parameters: Any,
        limit: float,
    ) -> Explanation:
        """Why one account (one row) stands out; evidence of `limit` would just alarm."""


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
