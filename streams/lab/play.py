"""Plays a half through the very fold, a tick a minute: once to calibrate, once with attacks in it.

Between the lab's traffic and the measures. The fold gets the groups it would have made of single
events (`groups`), everything after that is the live path: features, detectors, calibration,
combination, budget, incidents, alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from detectors.calibration import Population as Seen
from detectors.calibration import Reference
from streams.features.fold import Findings, Fold, Policy
from streams.lab.groups import MINUTE_MS, Quotas, grouped_minutes
from streams.lab.hours import HourFeatures
from streams.lab.outcome import Outcome, Rise, budget_score, rise
from streams.lab.population import START_MS
from streams.lab.requests import draw
from streams.lab.scenario import DAY, HOUR, Traffic, Truth
from streams.lab.trace import COLD_SHARE, NEW_MINUTES, Trace, Untaught
from streams.policy.model import Budget, default_policy
from streams.policy.model import Policy as Detection
from streams.scoring.activity import Activity
from streams.scoring.engine import Scoring
from streams.scoring.record import DETECTORS

__all__ = ["PLAYED_AT", "Progress", "calibrated", "played"]

#: Of the share of a chunk of the span that was played, 0..1.
Progress = Callable[[float], None]

#: False alarms per 1,000 account-days that the played policy allows, both channels together.
PLAYED_AT: Final = 10.0
_HIGH_SHARE: Final = 1 / 5  # of the budget that is for high ones, as in the default policy
_CHUNK: Final = 6 * HOUR  # minutes drawn at once
_ALONE: Final = 1e-3  # account-hours that a reference of nothing counts for beside what was played
_SILENT: Final = 1e-9  # a budget with which nothing alarms, so that everything is learned


def policy(budget: float) -> Detection:
    """The default policy with so many false alarms per 1,000 account-days."""
    usual, cold = budget * (1 - COLD_SHARE), budget * COLD_SHARE
    return default_policy().changed(
        budget=Budget(
            high=usual * _HIGH_SHARE,
            medium=usual * (1 - _HIGH_SHARE),
            cold_high=cold * _HIGH_SHARE,
            cold_medium=cold * (1 - _HIGH_SHARE),
        )
    )


def calibrated(
    traffic: Traffic, days: int, seed: int, progress: Progress
) -> dict[str, dict[str, Any]]:
    """What the first days of a half without attacks teach each detector's population (its dump)."""
    scoring = Scoring(policy(_SILENT), references={})
    _play(traffic, days * DAY, [seed, 25], scoring, progress)
    return {d.NAME: scoring.populations.of(d.NAME).dump() for d in DETECTORS}


def references(*learned: Mapping[str, Mapping[str, Any]]) -> dict[str, Reference]:
    """References out of what one or more halves taught."""
    result = {}
    for detector in DETECTORS:
        seen = Seen(detector.STRATA, reference_weight=_ALONE, cluster=detector.CLUSTER)
        for dumps in learned:
            half = Seen(detector.STRATA)
            half.load(dumps[detector.NAME])
            seen.counts += half.counts
        result[detector.NAME] = seen.as_reference()
    return result


def played(
    traffic: Traffic, known: Mapping[str, Reference], seed: int, progress: Progress
) -> tuple[Outcome, HourFeatures]:
    """The half with its scenarios, judged by references learned elsewhere.

    As in a new installation that starts with the shipped reference: it learns on from what it sees.
    """
    population = traffic.population
    attacked = {
        population.names[truth.account]: START_MS // MINUTE_MS // HOUR + truth.start // HOUR
        for truth in traffic.truths
        if truth.label == "attack"
    }
    scoring = Untaught(policy(PLAYED_AT), known, attacked)
    hours, accounts = population.minutes // HOUR, len(population.names)
    trace = Trace(hours, accounts)
    features = HourFeatures(hours, accounts)
    minutes = population.minutes
    found = _play(traffic, minutes, [seed, 26], scoring, progress, trace, features)
    active = trace.active > 0
    first = np.where(active.any(axis=0), active.argmax(axis=0), hours)
    outcome = Outcome(population.half, population.client, first, traffic.truths)
    trace.fill(outcome)
    number = {name: place for place, name in enumerate(population.names)}
    moments = [
        (number[item.account_id], (item.window_end - START_MS) // MINUTE_MS, item.severity)
        for item in found.findings
        if not item.held
    ]
    outcome.rises["pulse"] = [_rise(truth, moments) for truth in traffic.truths]
    outcome.alerts = [
        (number[a.finding.account_id], (a.finding.window_end - START_MS) // MINUTE_MS, a.severity)
        for a in found.alerts
    ]
    return outcome, features


def _play(
    traffic: Traffic,
    minutes: int,
    seed: list[int],
    scoring: Scoring,
    progress: Progress,
    trace: Trace | None = None,
    features: HourFeatures | None = None,
) -> Findings:
    """The first `minutes` of the traffic through a fold; what it found."""
    population = traffic.population
    minutes = min(minutes, population.minutes)
    fold = Fold(Policy(MINUTE_MS, 10 * minutes * MINUTE_MS, scoring.policy), scoring)
    row_of = np.full(len(population.names), -1, np.int64)
    if trace is not None:
        trace.follow(fold, row_of)
    quotas = Quotas(len(population.names))
    found = Findings()
    for start in range(0, minutes, _CHUNK):
        if start == NEW_MINUTES:
            _forget(scoring)
        end = min(start + _CHUNK, minutes)
        rng = np.random.default_rng([*seed, population.half == "B", start])
        requests = draw(rng, traffic.parts(start, end), traffic.habits)
        if features is not None:
            features.add(requests)
        new = np.unique(requests.account[row_of[requests.account] < 0])
        names = [population.names[account] for account in new.tolist()]
        row_of[new] = fold.accounts.rows(names, [""] * len(names))
        groups = grouped_minutes(requests, row_of, quotas.used(requests), START_MS)
        for tick, minute in groups.ticks():
            fold.close(tick, minute, found)
        progress((end - start) / minutes)
    fold.close(START_MS + (minutes + 1) * MINUTE_MS, None, found)
    return found


def _forget(scoring: Scoring) -> None:
    """At the start of the span every account looks new: what that taught is not worth knowing."""
    scoring.activity = Activity()
    for detector in DETECTORS:
        scoring.populations.of(detector.NAME).load({"rows": [], "bins": [], "counts": []})


def _rise(truth: Truth, moments: list[tuple[int, int, str]]) -> Rise:
    """When the fold alarmed within an attack, for the delay at the played budget."""
    last = -(-truth.end // HOUR) * HOUR
    minutes = sorted(
        minute - truth.start
        for account, minute, _ in moments
        if account == truth.account and truth.start < minute <= last
    )
    return rise(np.array(minutes, np.int64), np.full(len(minutes), budget_score(PLAYED_AT)))
