"""Detectors made up for the tests of policies, so that no real detector's tuning breaks them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from detectors.base import Detector
from streams.policy.load import parse
from streams.policy.model import Policy
from streams.policy.problems import PolicyError

__all__ = ["CHANNEL", "DETECTORS", "TODAY", "Parameters", "parsed", "refused"]

TODAY = date(2026, 6, 15)
#: A channel for routes to name, behind whatever stands before it.
CHANNEL = "\n[[channels]]\nname = 'c'\nurl_env = 'C'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Of every detector here."""

    half_life_h: float = 24.0  # hours until it counts half
    limits: tuple[float, float] = (0.1, 2.0)  # the estimate stays between these
    minimum: int = 3  # requests
    weights: tuple[float, float] = (1.0, 0.5)  # of requests and tokens
    strict: bool = False

    def __post_init__(self) -> None:
        if self.half_life_h <= 0:
            raise ValueError(f"burst half_life_h: expected above 0, got {self.half_life_h}")
        if self.minimum < 1:
            raise ValueError(f"burst minimum: expected at least 1, got {self.minimum}")
        if self.limits[0] > self.limits[1]:
            raise ValueError(f"burst limits: expected (low, high), got {self.limits}")


def _detector(name: str, cadence: str, *kinds: str) -> Detector:
    made: Any = SimpleNamespace(
        NAME=name,
        TITLE=name.replace("_", " ").capitalize(),
        CADENCE=cadence,
        KINDS=kinds,
        INPUTS=("requests",),
        STRATA=1,
        STATE=np.dtype([("seen", "<f8")]),
        Parameters=Parameters,
    )
    return cast(Detector, made)


DETECTORS = [
    _detector("burst", "tick", "burst", "token_burst"),
    _detector("cold_start", "tick", "new_account"),
    _detector("ramp", "stride", "ramp"),
]


def parsed(text: str, today: date | None = TODAY) -> Policy:
    """The policy of a text."""
    return parse(text, "policy.toml", today=today, detectors=DETECTORS)


def refused(text: str, today: date | None = TODAY) -> list[str]:
    """The lines of its refusal, without the file's name."""
    with pytest.raises(PolicyError) as caught:
        parsed(text, today)
    assert caught.value.exit_code == 2
    lines = caught.value.lines()
    assert all(line.startswith("policy.toml:") and "\n" not in line for line in lines)
    return [line.removeprefix("policy.toml:") for line in lines]
