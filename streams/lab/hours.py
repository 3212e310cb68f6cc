"""Raw features of account-hours, as a practitioner would feed them to PyOD: counts, no history.

Collected while the lab plays; the Isolation Forest baseline is fitted on them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.habits import SIZES, Integers
from streams.lab.requests import Requests
from streams.lab.scenario import HOUR

__all__ = ["FEATURES", "HourFeatures"]

FEATURES: Final = (
    "requests",
    "errors",
    "throttled",
    "prompt_tokens",
    "completion_tokens",
    "short_outputs",
    "flagged",
    "templates",
    "active_minutes",
)


class HourFeatures:
    """`values` (hours, n, features) float32, all zero in hours without requests."""

    def __init__(self, hours: int, accounts: int) -> None:
        self.values: NDArray[np.float32] = np.zeros((hours, accounts, len(FEATURES)), np.float32)

    def add(self, requests: Requests) -> None:
        """Counts of some minutes."""
        hours, accounts, _ = self.values.shape
        cell = requests.minute // HOUR * accounts + requests.account
        flat = self.values.reshape(-1, len(FEATURES))
        for place, column in enumerate(_columns(requests)):
            flat[:, place] += np.bincount(cell, column, hours * accounts).astype(np.float32)


def _columns(requests: Requests) -> list[Integers]:
    """In the order of FEATURES."""
    return [
        requests.count,
        requests.error,
        requests.throttled,
        requests.prompt @ SIZES,
        requests.output @ SIZES,
        requests.short,
        requests.flagged.sum(axis=1),
        (requests.template_count > 0).sum(axis=1),
        np.ones(len(requests), np.int64),
    ]
