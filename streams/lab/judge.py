"""The baselines on one half: their hourly scores, and when they rose within each attack."""

from __future__ import annotations

import numpy as np

from streams.lab.baselines import MINUTE_BASELINES, forest_scores, hourly, minute_scores
from streams.lab.hours import FEATURES, HourFeatures
from streams.lab.outcome import Outcome, honest_hours, rise
from streams.lab.scenario import HOUR, Traffic

__all__ = ["FOREST", "add_forest", "add_minute_baselines"]

FOREST = "isolation_forest"


def add_minute_baselines(outcome: Outcome, traffic: Traffic) -> None:
    """Scores and rises of the baselines that judge five minutes."""
    requests = traffic.totals()
    shape = (len(requests) // HOUR, requests.shape[1])
    by_account = {truth.account: place for place, truth in enumerate(outcome.truths)}
    for name in MINUTE_BASELINES:
        outcome.scores[name] = np.full(shape, np.nan, np.float32)
        outcome.rises[name] = [rise(np.zeros(0, np.int64), np.zeros(0))] * len(outcome.truths)
    for which, scores in minute_scores(requests):
        for name, found in scores.items():
            outcome.scores[name][:, which] = hourly(found)
            for column in range(found.shape[1]):
                place = by_account.get(which.start + column)
                if place is None:
                    continue
                truth = outcome.truths[place]
                span = slice(truth.start, -(-truth.end // HOUR) * HOUR)
                after = np.arange(1, len(found[span]) + 1)
                outcome.rises[name][place] = rise(after, found[span, column])


def add_forest(
    outcome: Outcome, features: HourFeatures, other: Outcome, others: HourFeatures, seed: int
) -> None:
    """Scores of a forest that was grown on the honest hours of the other half."""
    honest = honest_hours(other.hours, len(other.client), other.truths)
    train = others.values[honest & (others.values[:, :, 0] > 0)]
    active = features.values[:, :, 0] > 0
    scores = np.full(active.shape, np.nan, np.float32)
    if len(train) and active.any():
        assert train.shape[1] == len(FEATURES)
        scores[active] = forest_scores(train, features.values[active], seed)
    outcome.scores[FOREST] = scores
