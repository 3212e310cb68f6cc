"""The measures of the lab: what was found, how soon, at what price, with intervals over clients.

After both halves were played. The unit is the account-hour. A budget of f false alarms per 1,000
account-days allows f / 24,000 of the hours of all known accounts, silent ones included; a baseline
has the threshold that kept the budget on the other half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.outcome import ACCOUNT_HOURS, Hours, Outcome, budget_score, honest_hours
from streams.lab.resample import Bootstrap, Figure
from streams.lab.scenario import HOUR, Truth

__all__ = [
    "BUDGETS",
    "NOMINAL",
    "SYSTEM_NAME",
    "Counted",
    "Lab",
    "Thresholds",
    "episodes",
    "peaks",
    "threshold_for",
]

BUDGETS: Final = (1.0, 3.0, 10.0, 30.0)
NOMINAL: Final = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
#: The method whose alarms are those of the fold.
SYSTEM_NAME: Final = "pulse"
_SAME_EPISODE: Final = 2  # hours from one alarm to the next that belongs to it
_LOUD: Final = 10.0  # budget at which an account-hour counts as having alarmed
_QUIET_H: Final = 24  # hours after an alarm that teach calibration nothing, as in the fold

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
#: The score from which on a method alarms, by the half it is tested on.
Thresholds = Mapping[str, float]


def threshold_for(scores: Hours, budget: float, known: int) -> float:
    """The score that at most `budget` per 1,000 account-days reach; inf when none is high enough.

    `scores` (m,) are those of honest account-hours, NaN where not scored; `known` is how many
    account-hours stand behind them, silent ones included.
    """
    told = np.sort(scores[~np.isnan(scores)].astype(np.float32))
    allowed = min(int(budget / ACCOUNT_HOURS * known), len(told))
    if allowed < 1:
        return float("inf")
    if allowed == len(told):
        return float(told[0])
    # Ties with the first that must stay silent stay silent too.
    return float(np.nextafter(told[-allowed - 1], np.float32(np.inf)))


def peaks(scores: Hours, truths: Sequence[Truth], *, second: bool) -> NDArray[np.float32]:
    """(truths,) largest score of the hours that an attack (or its repetition) touches, or -inf."""
    result = np.full(len(truths), -np.inf, np.float32)
    for place, truth in enumerate(truths):
        start = truth.second if second else truth.start
        if start < 0:
            continue
        last = (start + truth.end - truth.start - 1) // HOUR
        touched = scores[start // HOUR : last + 1, truth.account]
        told = touched[~np.isnan(touched)]
        if len(told):
            result[place] = told.max()
    return result


def episodes(alarms: Bools) -> Integers:
    """(n,) alarms of (hours, n), those within two hours of the last one counted with it."""
    hours = np.arange(len(alarms))[:, None]
    far = -10 * _SAME_EPISODE
    last = np.maximum.accumulate(np.where(alarms, hours, far), axis=0)
    before = np.vstack([np.full((1, alarms.shape[1]), far), last[:-1]])
    new: Integers = (alarms & (hours - before > _SAME_EPISODE)).sum(axis=0)
    return new


@dataclass(frozen=True, slots=True)
class Counted:
    """Alarms per 1,000 account-days: account-hours that alarm, and episodes of them."""

    hours: Figure
    episodes: Figure


class Lab:
    """Both halves as one; their clients, of which none is shared, in one line to resample."""

    def __init__(self, outcomes: Sequence[Outcome], seed: int) -> None:
        self.outcomes = list(outcomes)
        names = [np.unique(outcome.client) for outcome in outcomes]
        starts = np.cumsum([0, *(len(known) for known in names)])
        self._clients = [
            starts[place] + np.searchsorted(names[place], outcome.client)
            for place, outcome in enumerate(outcomes)
        ]
        self.honest = [
            honest_hours(outcome.hours, len(outcome.client), outcome.truths) for outcome in outcomes
        ]
        self._known = [outcome.known() for outcome in outcomes]
        self.bootstrap = Bootstrap(int(starts[-1]), seed)
        self.truths = [truth for outcome in outcomes for truth in outcome.truths]
        self._truth_half = [outcome.half for outcome in outcomes for _ in outcome.truths]
        self._truth_client = np.array(
            [
                client[truth.account]
                for outcome, client in zip(outcomes, self._clients, strict=True)
                for truth in outcome.truths
            ],
            np.int64,
        )
        self._peaks = cache(self._pooled_peaks)

    @property
    def account_days(self) -> float:
        """Honest account-days, of known accounts."""
        pairs = zip(self.honest, self._known, strict=True)
        return float(sum((honest & known).sum() for honest, known in pairs)) / 24.0

    def carried(self, method: str, budget: float) -> Thresholds:
        """For each half the threshold that keeps the budget on the other one.

        The fold's detectors carry no threshold but their reference: their scores say for which
        budget they alarm.
        """
        if method in self.outcomes[0].p_values:
            return {outcome.half: budget_score(budget) for outcome in self.outcomes}
        halves = [outcome.half for outcome in self.outcomes]
        own = self.at_par(method, budget)
        return {half: own[next((h for h in halves if h != half), half)] for half in halves}

    def at_par(self, method: str, budget: float) -> Thresholds:
        """For each half the threshold that keeps the budget there: equal prices for all methods."""
        found = {}
        for outcome, honest, known in zip(self.outcomes, self.honest, self._known, strict=True):
            scores = outcome.scores[method][honest]
            found[outcome.half] = threshold_for(scores, budget, int((honest & known).sum()))
        return found

    def recall(
        self, method: str, thresholds: Thresholds, which: Bools, *, second: bool = False
    ) -> Figure:
        """Share of the attacks `which` (truths,) that are found; `second`: of repetitions."""
        if second:
            which = which & np.array([truth.second >= 0 for truth in self.truths])
        hit = self._peaks(method, second) >= self._each(thresholds)
        return self.bootstrap.ratio(
            self._truth_client[which], hit[which].astype(np.float64), np.ones(int(which.sum()))
        )

    def delay(self, method: str, thresholds: Thresholds, which: Bools) -> Figure:
        """Median minutes from the start of an attack to its alarm, of those found."""
        rises = [rise for outcome in self.outcomes for rise in outcome.rises[method]]
        limits = self._each(thresholds)
        minutes = np.array(
            [rises[place].delay(limits[place]) for place in np.flatnonzero(which).tolist()]
        )
        told = ~np.isnan(minutes)
        return self.bootstrap.median(self._truth_client[which][told], minutes[told])

    def false_alarms(self, method: str, thresholds: Thresholds) -> Counted:
        """On account-hours without anything planted."""
        return self._counted(method, thresholds, self.honest)

    def negatives(self, method: str, thresholds: Thresholds, scenario: str) -> Counted:
        """On the hours that one kind of hard negative changed."""
        masks = []
        for outcome, honest in zip(self.outcomes, self.honest, strict=True):
            mask = np.zeros_like(honest)
            for truth in outcome.truths:
                if truth.scenario == scenario:
                    mask[truth.start // HOUR : -(-truth.end // HOUR), truth.account] = True
            masks.append(mask)
        return self._counted(method, thresholds, masks)

    def precision(self, method: str, thresholds: Thresholds) -> Figure:
        """Attacks found among all alarms, at the lab's own share of attacks, episodes counted."""
        attack = np.array([truth.label == "attack" for truth in self.truths])
        hit = (self._peaks(method, False) >= self._each(thresholds)) & attack
        client, over, under = [self._truth_client], [hit], [hit]
        columns = zip(self.outcomes, self.honest, self._clients, strict=True)
        for outcome, honest, clients in columns:
            false = episodes((outcome.scores[method] >= thresholds[outcome.half]) & honest)
            client.append(clients)
            over.append(np.zeros(len(false), np.bool_))
            under.append(false)
        return self.bootstrap.ratio(np.concatenate(client), _floats(over), _floats(under))

    def silent_after(self, method: str, thresholds: Thresholds, which: Bools) -> Figure:
        """Median hours from the start of a change to the end of its last alarm within three days.

        0 where it never alarms.
        """
        by_half = {outcome.half: outcome for outcome in self.outcomes}
        hours = []
        for place in np.flatnonzero(which).tolist():
            truth, half = self.truths[place], self._truth_half[place]
            start = truth.start // HOUR
            after = by_half[half].scores[method][start : start + 72, truth.account]
            alarms = np.flatnonzero(after >= thresholds[half])
            hours.append(float(alarms[-1] + 1) if len(alarms) else 0.0)
        return self.bootstrap.median(self._truth_client[which], np.array(hours))

    def pages(self) -> Figure:
        """Alerts of the fold per 1,000 account-days, at the policy's own budget."""
        over, under = [], []
        for outcome, honest, known in zip(self.outcomes, self.honest, self._known, strict=True):
            alerts = np.zeros(len(outcome.client), np.int64)
            for account, minute, _ in outcome.alerts:
                hour = min((minute - 1) // HOUR, outcome.hours - 1)
                alerts[account] += honest[hour, account]
            over.append(alerts)
            under.append((honest & known).sum(axis=0))
        client = np.concatenate(self._clients)
        return self.bootstrap.ratio(client, _floats(over), _floats(under), ACCOUNT_HOURS)

    def reliability(self, method: str) -> list[tuple[float, Figure]]:
        """Nominal p-values, and the share of scored honest account-hours at or below them.

        The day after an alarm is left out, as calibration leaves it out: one honest surprise, which
        an account's history is slow to take for usual, must not count for many.
        """
        rows = []
        fresh = [
            honest & ~_lately(outcome.scores[SYSTEM_NAME] >= budget_score(_LOUD))
            for outcome, honest in zip(self.outcomes, self.honest, strict=True)
        ]
        for nominal in NOMINAL:
            over, under = [], []
            for outcome, counted in zip(self.outcomes, fresh, strict=True):
                scores = outcome.p_values[method]
                over.append((counted & (scores >= -np.log10(nominal))).sum(axis=0))
                under.append((counted & ~np.isnan(scores)).sum(axis=0))
            figure = self.bootstrap.ratio(
                np.concatenate(self._clients), _floats(over), _floats(under)
            )
            rows.append((nominal, figure))
        return rows

    def _counted(self, method: str, thresholds: Thresholds, masks: Sequence[Bools]) -> Counted:
        hours, runs, under = [], [], []
        for outcome, mask, known in zip(self.outcomes, masks, self._known, strict=True):
            alarms = (outcome.scores[method] >= thresholds[outcome.half]) & mask
            hours.append(alarms.sum(axis=0))
            runs.append(episodes(alarms))
            under.append((mask & known).sum(axis=0))
        client, below = np.concatenate(self._clients), _floats(under)
        figures = [
            self.bootstrap.ratio(client, _floats(over), below, ACCOUNT_HOURS)
            for over in (hours, runs)
        ]
        return Counted(*figures)

    def _pooled_peaks(self, method: str, second: bool) -> NDArray[np.float32]:
        return np.concatenate(
            [peaks(o.scores[method], o.truths, second=second) for o in self.outcomes]
        )

    def _each(self, thresholds: Thresholds) -> Floats:
        return np.array([thresholds[half] for half in self._truth_half])


def _lately(alarms: Bools) -> Bools:
    """(hours, n) whether the account alarmed in the day before that hour."""
    hours = np.arange(len(alarms))[:, None]
    last = np.maximum.accumulate(np.where(alarms, hours, -_QUIET_H - 1), axis=0)
    before = np.vstack([np.full((1, alarms.shape[1]), -_QUIET_H - 1), last[:-1]])
    lately: Bools = hours - before <= _QUIET_H
    return lately


def _floats(parts: Sequence[NDArray[np.generic]]) -> Floats:
    return np.concatenate(parts).astype(np.float64)
