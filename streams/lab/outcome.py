"""What one half of the lab showed, method by method: scores of account-hours, and when they rose.

Between the players (`play`, `baselines`) and the measures. Larger scores are stranger, NaN is not
scored. Scores of the fold's detectors are on the scale of `budget_score`, those of baselines on
whatever scale they have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.scenario import HOUR, Truth

__all__ = ["ACCOUNT_HOURS", "Hours", "Outcome", "Rise", "budget_score", "honest_hours", "rise"]

Hours = NDArray[np.float32]  # (hours, n)
ACCOUNT_HOURS: Final = 24_000.0  # in 1,000 account-days
_AFTERMATH: Final = 24  # hours after an attack until the account counts as honest again
_FIRST_HOUR: Final = 48  # of the span in which alarms count: everything is new before
#: Attacks before which the account's own requests were taken away.
_REWRITTEN: Final = frozenset({"dormant", "new_account"})


def budget_score(budget: float) -> float:
    """The score from which on an account-hour alarms at `budget` per 1,000 account-days."""
    return -float(np.log10(budget / ACCOUNT_HOURS))


@dataclass(frozen=True, slots=True)
class Rise:
    """Growing scores within one attack: `minute` after its start the score became `score`."""

    minute: NDArray[np.int64]
    score: NDArray[np.float32]

    def delay(self, threshold: float) -> float:
        """Minutes from the attack's start to an alarm at that threshold; NaN when there is none."""
        place = int(np.searchsorted(self.score, threshold, side="left"))
        return float(self.minute[place]) if place < len(self.minute) else float("nan")


@dataclass(slots=True)
class Outcome:
    """One half: n accounts over some hours.

    first: (n,) hour of an account's first request, from which on it is known (the number of hours
    for one that never sent); p_values: -log10 p by detector; rises: one entry a truth; alerts:
    (account, minute, severity) of each page at the policy's own budget.
    """

    half: str
    client: NDArray[np.int64]
    first: NDArray[np.int64]
    truths: list[Truth]
    scores: dict[str, Hours] = field(default_factory=dict)
    p_values: dict[str, Hours] = field(default_factory=dict)
    rises: dict[str, list[Rise]] = field(default_factory=dict)
    alerts: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def hours(self) -> int:
        """Length of the span."""
        return len(next(iter(self.scores.values())))

    def known(self) -> NDArray[np.bool_]:
        """(hours, n) account-hours since the first request, whether active or not."""
        return np.arange(self.hours)[:, None] >= self.first[None, :]


def rise(minutes: NDArray[np.int64], scores: NDArray[np.float64]) -> Rise:
    """The records of scores at ascending minutes (after the start); NaN are passed over."""
    told = ~np.isnan(scores)
    minutes, scores = minutes[told], scores[told]
    best = np.maximum.accumulate(scores) if len(scores) else scores
    new = np.flatnonzero(np.diff(best, prepend=-np.inf) > 0)
    return Rise(minutes[new], best[new].astype(np.float32))


def honest_hours(hours: int, accounts: int, truths: list[Truth]) -> NDArray[np.bool_]:
    """(hours, n) account-hours in which every alarm is a false one, and of the ordinary kind.

    Not the first two days; not from an attack's hour until a day after it (what it does to the
    account's own history lingers); no hour of an account with a hard negative: those are counted by
    type.
    """
    honest = np.ones((hours, accounts), np.bool_)
    honest[:_FIRST_HOUR] = False
    for truth in truths:
        if truth.label == "negative" or truth.scenario in _REWRITTEN:
            honest[:, truth.account] = False
            continue
        for start in (truth.start, truth.second):
            if start >= 0:
                last = (start + truth.end - truth.start - 1) // HOUR + _AFTERMATH
                honest[start // HOUR : last + 1, truth.account] = False
    return honest
