"""How many account-hours there are, so that a budget per account-day becomes a threshold.

A budget counts all days of all known accounts; p-values are those of hours with traffic, and cold
accounts are a channel of their own. New and returned accounts are as different as few: each have
half of the cold channel's budget, however many hours the others have, so that neither is judged by
what the other leaves. The shares are running means over about a week.

Reference: thresholds by group that add up to one budget are weighted p-values, Genovese, Roeder and
Wasserman, "False discovery control with p-value weighting", Biometrika 93, 2006.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.policy.budget import LARGEST_P, Channel, Thresholds, thresholds
from streams.policy.model import Budget

__all__ = ["CHANNELS", "NEW", "RETURNED", "STANDINGS", "USUAL", "Activity"]

_HALF_LIFE_H: Final = 168.0
#: How an account stands with the watch; with the channel of each, and its part of that's budget.
USUAL, NEW, RETURNED = 0, 1, 2
STANDINGS: Final = (USUAL, NEW, RETURNED)
CHANNELS: Final[tuple[Channel, ...]] = ("usual", "cold", "cold")
_PARTS: Final = (1.0, 0.5, 0.5)


@dataclass(slots=True)
class Activity:
    """Sums over hours, fading: account-hours of all known accounts, and active ones by standing.

    What they start from are a few weeks of a small population, so that the first hours of a new
    installation do not swing the thresholds.
    """

    known: float = 2000.0
    usual: float = 700.0
    new: float = 50.0
    returned: float = 20.0
    hours: float = 24.0  # weight of the hours in the sums

    def learn(self, known: int, active: NDArray[np.int64]) -> None:
        """One clock hour is over; `active` accounts by standing."""
        kept = 0.5 ** (1.0 / _HALF_LIFE_H)
        self.known = self.known * kept + known
        self.usual = self.usual * kept + float(active[USUAL])
        self.new = self.new * kept + float(active[NEW])
        self.returned = self.returned * kept + float(active[RETURNED])
        self.hours = self.hours * kept + 1.0

    def share(self, standing: int) -> float:
        """Of the active account-hours, those of one standing."""
        return self._active(standing) / max(self.usual + self.new + self.returned, 1.0)

    def thresholds(self, budget: Budget, standing: int, partitions: int) -> Thresholds:
        """Largest p-values of active account-hours that alarm in this partition.

        Accounts that are all cold have the budget itself, and the fewer are the larger, up to what
        would be ordinary.
        """
        active, part = max(self._active(standing), 1.0), _PARTS[standing]
        channel = CHANNELS[standing]
        if budget.unit == "pages_per_shift":
            a_shift = active / self.hours * budget.shift_hours * partitions
            found, scale = thresholds(budget, channel, max(a_shift, 1e-9)), part
        else:
            found, scale = thresholds(budget, channel), part * self.known / active
        most = LARGEST_P[channel]
        return Thresholds(min(found.high * scale, most), min(found.medium * scale, most))

    def _active(self, standing: int) -> float:
        return (self.usual, self.new, self.returned)[standing]

    def dump(self) -> dict[str, Any]:
        """For a snapshot."""
        return {
            "known": self.known,
            "usual": self.usual,
            "new": self.new,
            "returned": self.returned,
            "hours": self.hours,
        }

    def load(self, dumped: dict[str, Any]) -> None:
        """From a snapshot."""
        for name, value in dumped.items():
            setattr(self, name, float(value))
