"""How many account-hours there are, so that a budget per account-day becomes a threshold.

A budget counts all days of all known accounts; p-values are those of hours with traffic, and cold
accounts are a channel of their own. The shares are running means over about a week.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from streams.policy.budget import LARGEST_P, Channel, Thresholds, thresholds
from streams.policy.model import Budget

__all__ = ["Activity"]

_HALF_LIFE_H: Final = 168.0


@dataclass(slots=True)
class Activity:
    """Sums over hours, fading: account-hours of all known accounts, and active ones by channel.

    What they start from are a few weeks of a small population, so that the first hours of a new
    installation do not swing the thresholds.
    """

    known: float = 2000.0
    usual: float = 700.0
    cold: float = 150.0
    hours: float = 24.0  # weight of the hours in the sums

    def learn(self, known: int, usual: int, cold: int) -> None:
        """One clock hour is over."""
        kept = 0.5 ** (1.0 / _HALF_LIFE_H)
        self.known = self.known * kept + known
        self.usual = self.usual * kept + usual
        self.cold = self.cold * kept + cold
        self.hours = self.hours * kept + 1.0

    def thresholds(self, budget: Budget, channel: Channel, partitions: int) -> Thresholds:
        """Largest p-values of active account-hours that alarm in this partition."""
        active = max(self.usual if channel == "usual" else self.cold, 1.0)
        if budget.unit == "pages_per_shift":
            a_shift = active / self.hours * budget.shift_hours * partitions
            found = thresholds(budget, channel, max(a_shift, 1e-9))
            return Thresholds(min(found.high, LARGEST_P), min(found.medium, LARGEST_P))
        scale = self.known / active
        found = thresholds(budget, channel)
        return Thresholds(min(found.high * scale, LARGEST_P), min(found.medium * scale, LARGEST_P))

    def dump(self) -> dict[str, Any]:
        """For a snapshot."""
        return {
            "known": self.known,
            "usual": self.usual,
            "cold": self.cold,
            "hours": self.hours,
        }

    def load(self, dumped: dict[str, Any]) -> None:
        """From a snapshot."""
        for name, value in dumped.items():
            setattr(self, name, float(value))
