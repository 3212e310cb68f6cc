"""What the contract tests of the detectors share: every case as a parameter, and small moves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pytest

from detectors.base import (
    HOUR_MS,
    STRIDE_MS,
    Detector,
    Evidence,
    Explanation,
    Inputs,
    all_detectors,
)
from tests.contract.detector_cases import Builder, Case, builders

__all__ = [
    "ACCOUNTS",
    "BUILDERS",
    "DETECTORS",
    "as_bytes",
    "calls",
    "explained",
    "frozen",
    "hour_end",
    "in_every_case",
    "made",
    "mixed",
    "of_every_detector",
    "take",
    "tuned",
]

ACCOUNTS: Final = 40
DETECTORS: Final = {found.NAME: found for found in all_detectors()}
BUILDERS: Final = builders()
_TICK_MS: Final = 60_000


@lru_cache(maxsize=64)
def made(build: Builder) -> Case:
    return build(ACCOUNTS, 7)


#: Tests take (detector, build): one of each detector's cases.
in_every_case: Final = pytest.mark.parametrize(
    ("detector", "build"),
    [
        pytest.param(DETECTORS[name], build, id=f"{name}-{number}" if number else name)
        for name in sorted(DETECTORS)
        for number, build in enumerate(BUILDERS.get(name, ()))
    ],
)
of_every_detector: Final = pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)


def tuned(detector: Detector, case: Case) -> Any:
    return detector.Parameters() if case.parameters is None else case.parameters


def as_bytes(evidence: Evidence, rows: Any = slice(None)) -> list[bytes]:
    columns = (evidence.value, evidence.stratum, evidence.kind)
    return [np.ascontiguousarray(column[rows]).tobytes() for column in columns]


def take(inputs: Inputs, rows: Any) -> dict[str, Any]:
    return {name: values[rows] for name, values in inputs.items()}


def frozen(inputs: Inputs) -> dict[str, Any]:
    copies = {name: values.copy() for name, values in inputs.items()}
    for values in copies.values():
        values.setflags(write=False)
    return copies


def mixed(case: Case) -> dict[str, Any]:
    """Every second account attacks."""
    odd = np.arange(ACCOUNTS) % 2 == 1
    return {
        name: np.where(odd.reshape(-1, *[1] * (usual.ndim - 1)), case.attack[name], usual)
        for name, usual in case.usual.items()
    }


def hour_end(now_ms: int) -> int:
    return -(-now_ms // HOUR_MS) * HOUR_MS


def calls(detector: Detector, after_ms: int, hours: int) -> Iterator[int]:
    """When the fold would call it in the hours that follow the one of `after_ms`."""
    step = _TICK_MS if detector.CADENCE == "tick" else STRIDE_MS
    start = hour_end(after_ms)
    yield from range(start + step, start + hours * HOUR_MS + 1, step)


def explained(
    detector: Detector, case: Case, row: int, parameters: Any, limit: float
) -> Explanation:
    """Why account `row` of the attack stands out."""
    one = slice(row, row + 1)
    inputs = take(case.attack, one)
    return detector.explain(f"acct-{row}", case.state[one], inputs, case.now_ms, parameters, limit)
