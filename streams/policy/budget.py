"""The budget of false alarms as p-values: from "2 per 1,000 account-days" to a threshold.

The one place where a policy's budget becomes numbers. The fold asks it for the thresholds of a
tick, `pulse policy explain` for the same thresholds in words.

The unit of calibration is the account-hour (one account, one clock hour): of honest account-hours a
share alpha has a p-value of at most alpha. Those that do come in runs, and a run is one incident
and one alarm, of `HOURS_AN_ALARM` on average. So a budget of f false alarms per 1,000 account-days,
of 24 account-hours each, is alpha = f * HOURS_AN_ALARM / 24,000, and a budget of n pages per shift
is n * HOURS_AN_ALARM divided by the account-hours that the whole platform (not one partition of it)
has in a shift.

Budgets add up: an account-hour is high when p <= alpha(high), and medium when it is not high and
p <= alpha(high) + alpha(medium), so each severity pages as often as its own budget says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from streams.policy.model import Budget

__all__ = [
    "ACCOUNT_HOURS",
    "HOURS_AN_ALARM",
    "LARGEST_P",
    "Channel",
    "Severity",
    "Thresholds",
    "alpha",
    "thresholds",
]

Severity = Literal["high", "medium"]
Channel = Literal["usual", "cold"]

#: Account-hours in 1,000 account-days.
ACCOUNT_HOURS = 24_000.0
#: Honest account-hours that alarm, for each alarm that people get (the lab's `false_alarms` over
#: `pages`; docs/detectors/evaluation.json).
HOURS_AN_ALARM: Final = 1.3
#: No threshold is above, however generous the budget: what shows so often is ordinary. Of the hours
#: of cold accounts, which are few, most hold no news at all.
LARGEST_P: Final[Mapping[Channel, float]] = MappingProxyType({"usual": 0.01, "cold": 0.05})


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Largest p-values per account-hour that alarm; cumulative, `medium` is what alarms at all."""

    high: float
    medium: float

    def severity(self, p_value: float) -> Severity | None:
        """What a p-value is worth; NaN (warming up) is worth nothing."""
        if p_value <= self.high:
            return "high"
        return "medium" if p_value <= self.medium else None


def alpha(
    budget: Budget, severity: Severity, channel: Channel, account_hours_per_shift: float = math.nan
) -> float:
    """Share of the account-hours of `channel` that `severity` alone may page about falsely.

    `account_hours_per_shift`: active account-hours of the channel on the whole platform in one
    shift (of `budget.shift_hours`); only a budget of pages per shift needs it.

    Raises:
        ValueError: it is needed and not a positive number.
    """
    allowed = {
        ("high", "usual"): budget.high,
        ("medium", "usual"): budget.medium,
        ("high", "cold"): budget.cold_high,
        ("medium", "cold"): budget.cold_medium,
    }[severity, channel]
    if budget.unit == "false_alarms_per_1000_account_days":
        return min(1.0, allowed * HOURS_AN_ALARM / ACCOUNT_HOURS)
    if not account_hours_per_shift > 0:
        raise ValueError(
            "a budget of pages per shift needs the account-hours of a shift: expected a number "
            f"above 0, got {account_hours_per_shift}"
        )
    return min(1.0, allowed * HOURS_AN_ALARM / account_hours_per_shift)


def thresholds(
    budget: Budget, channel: Channel, account_hours_per_shift: float = math.nan
) -> Thresholds:
    """Both thresholds of a channel, cumulative (see the module)."""
    high = alpha(budget, "high", channel, account_hours_per_shift)
    medium = alpha(budget, "medium", channel, account_hours_per_shift)
    return Thresholds(high, min(1.0, high + medium))
