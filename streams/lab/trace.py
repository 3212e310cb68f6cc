"""What the lab hears while it plays: the p-values of every account-hour, as the fold tells them.

Beside `play`. `Untaught` is the fold's scoring with one difference that a dense lab needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import HOUR_MS
from detectors.calibration import Reference
from streams.features.fold import Fold
from streams.lab.outcome import Hours, Outcome
from streams.lab.population import START_MS
from streams.lab.scenario import DAY, HOUR
from streams.policy.budget import HOURS_AN_ALARM, LARGEST_P
from streams.policy.model import COLD, Policy
from streams.scoring.activity import CHANNELS, STANDINGS
from streams.scoring.engine import Scoring
from streams.scoring.record import DETECTORS

__all__ = ["COLD_SHARE", "NEW_MINUTES", "Trace", "Untaught"]

COLD_SHARE: Final = 1 / 2  # of the budget, as in the default policy
#: Of the budget, by standing: half of the cold channel's is for new accounts, half for returned.
_SHARES: Final = (1.0 - COLD_SHARE, COLD_SHARE / 2, COLD_SHARE / 2)
NEW_MINUTES: Final = 2 * DAY  # in which every account looks new
_FAR: Final = 1 << 40


class Untaught(Scoring):
    """Scoring to which an account, once attacked, teaches nothing more about its population.

    The lab attacks most of its accounts within days, a hundred times as many as in life. That the
    rare attack hardly moves a population is a fact of life, so here it must not either.
    `attacked`: clock hour (since 1970) of the first attack by name.
    """

    def __init__(
        self, policy: Policy, references: Mapping[str, Reference], attacked: Mapping[str, int]
    ) -> None:
        super().__init__(policy, references=references)
        self._attacked = attacked

    def collect_hour(
        self,
        records: Any,
        rows: NDArray[np.int64],
        now_ms: int,
        names: Sequence[str],
        orgs: Sequence[str],
    ) -> None:
        """As ever, but that the attacked count as having alarmed lately."""
        hour = (now_ms - 1) // HOUR_MS
        since = np.array([self._attacked.get(names[row], _FAR) for row in rows.tolist()], np.int64)
        records["score"]["alarmed_hour"][since <= hour] = hour - 1
        super().collect_hour(records, rows, now_ms, names, orgs)


@dataclass(slots=True)
class Trace:
    """p-values by account-hour, as the fold tells them at the end of each."""

    hours: int
    accounts: int
    p: dict[str, Hours] = field(init=False)
    combined: Hours = field(init=False)
    standing: NDArray[np.int8] = field(init=False)
    active: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.hours, self.accounts)
        self.p = {d.NAME: np.full(shape, np.nan, np.float32) for d in DETECTORS}
        self.combined = np.full(shape, np.nan, np.float32)
        self.standing = np.zeros(shape, np.int8)
        self.active = np.zeros(shape, np.bool_)

    def follow(self, fold: Fold, row_of: NDArray[np.int64]) -> None:
        """Listen to what `fold` tells; `row_of` (accounts,) are its rows, -1 for none yet."""

        def told(
            hour_end_ms: int,
            rows: NDArray[np.int64],
            p: NDArray[np.float64],
            evidence: NDArray[np.float64],
            standing: NDArray[np.int64],
            combined: NDArray[np.float64],
        ) -> None:
            hour = (hour_end_ms - START_MS) // (HOUR_MS) - 1
            account_of = np.empty(row_of.max() + 1, np.int64)
            account_of[row_of[row_of >= 0]] = np.flatnonzero(row_of >= 0)
            who = account_of[rows]
            for place, detector in enumerate(DETECTORS):
                self.p[detector.NAME][hour, who] = p[:, place]
            self.combined[hour, who] = combined
            self.standing[hour, who] = standing
            self.active[hour, who] = True

        fold.scoring.trace = told

    def fill(self, outcome: Outcome) -> None:
        """Scores on the scale of budgets: how many false alarms would have to be allowed?

        As in the fold, a budget counts the hours of all known accounts, and its two channels share
        it; a detector alone has all of it, and each hour counts.
        """
        late = np.arange(self.hours)[:, None] >= np.maximum(outcome.first, NEW_MINUTES // HOUR)
        known = max(int(late.sum()), 1)
        weight = np.empty(self.active.shape)  # hours of that standing, for each its budget is for
        most = np.empty(self.active.shape)
        for one in STANDINGS:
            ours = self.standing == one
            weight[ours] = (ours & self.active & late).sum() / known
            most[ours] = LARGEST_P[CHANNELS[one]]
        shares = np.array(_SHARES)[self.standing]
        outcome.scores["pulse"] = _scores(self.combined, weight / shares / HOURS_AN_ALARM, most)
        outcome.p_values["pulse"] = _decades(self.combined)
        for name, p in self.p.items():
            scored = ~np.isnan(p)
            if name in COLD:  # it has the whole cold channel, a half for each standing
                outcome.scores[name] = _scores(p, weight * 2.0, most)
            else:
                hours = np.full(p.shape, (scored & late).sum() / known)
                outcome.scores[name] = _scores(p, hours, np.full(p.shape, LARGEST_P["usual"]))
            outcome.p_values[name] = _decades(p)


def _scores(p: Hours, weight: NDArray[np.float64], most: NDArray[np.float64]) -> Hours:
    scores: Hours = (_decades(p) - np.log10(np.maximum(weight, 1e-12))).astype(np.float32)
    return np.where(p > most, np.float32(0.0), scores)


def _decades(p: Hours) -> Hours:
    decades: Hours = -np.log10(np.maximum(p, 1e-37)).astype(np.float32)
    return decades
