"""Measures of the coordination lab, with intervals: how well scores rank, and what was flagged.

The unit that is drawn again and again is the campaign with all its members, and the single honest
account: members of one campaign are found or missed together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.resample import Figure

__all__ = [
    "NOTHING",
    "RECALL",
    "Drawn",
    "average_precision",
    "best_threshold",
    "median_figure",
    "purity",
    "share_figure",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

NOTHING: Final = Figure(float("nan"), float("nan"), float("nan"), 0)
#: Where the precision of scores is told.
RECALL: Final = 0.9
_DRAWS: Final = 400
_LEVELS: Final = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Drawn:
    """n accounts judged: score and flag (n,), truth (n,), and how often each draw counts them.

    times: (draws, n) from a bootstrap over units; `of` makes it. The last one stands for all honest
    accounts that nobody says anything about.
    """

    score: Floats
    flagged: Bools
    truth: Bools
    times: NDArray[np.float32]

    @staticmethod
    def of(score: Floats, flagged: Bools, truth: Bools, unit: Integers, seed: int) -> Drawn:
        """`unit` (n,): campaign members share one, honest accounts have one each."""
        rng = np.random.default_rng([seed, 51])
        told = truth | (score > 0) | flagged
        silent = int((~told).sum())
        score, flagged = np.append(score[told], 0.0), np.append(flagged[told], False)
        truth = np.append(truth[told], False)
        _, unit = np.unique(np.append(unit[told], unit.max(initial=0) + 1), return_inverse=True)
        bad = np.zeros(unit.max() + 1, np.bool_)
        bad[unit[truth]] = True
        times = np.zeros((_DRAWS, len(bad)), np.float32)
        for group in (bad, ~bad):  # as many campaigns and as many honest accounts in every draw
            number = int(group.sum())
            if number:
                times[:, group] = rng.multinomial(number, np.full(number, 1.0 / number), _DRAWS)
        counted = times[:, unit]
        counted[:, -1] = silent
        return Drawn(score, flagged, truth, counted)

    def average_precision(self) -> Figure:
        """Area under the precision-recall curve of the scores."""
        weight = np.append(np.ones(len(self.score) - 1, np.float32), self.times[0, -1])
        value = float(_areas(self.score, self.truth, weight[None])[0])
        return _figure(value, _areas(self.score, self.truth, self.times), int(self.truth.sum()))

    def precision_at(self, recall: float) -> Figure:
        """Precision of the scores where they first reach this recall."""
        order = np.argsort(-self.score[:-1], kind="stable")
        ends = np.append(np.flatnonzero(np.diff(self.score[order])), len(order) - 1)
        hits = np.cumsum(self.truth[order])[ends]
        enough = np.flatnonzero(hits >= recall * self.truth.sum())
        if not len(enough) or not self.truth.any():
            return NOTHING
        threshold = self.score[order][ends[enough[0]]]
        named = self.score >= threshold if threshold > 0 else np.ones(len(self.score), np.bool_)
        return self._ratio(named & self.truth, named)

    def precision(self) -> Figure:
        """Of the flagged, the share that is true."""
        return self._ratio(self.flagged & self.truth, self.flagged)

    def recall(self) -> Figure:
        """Of the true, the share that is flagged."""
        return self._ratio(self.flagged & self.truth, self.truth)

    def _ratio(self, over: Bools, under: Bools) -> Figure:
        number = int(under.sum())
        if not number:
            return NOTHING
        below = self.times @ under.astype(np.float32)
        above = self.times @ over.astype(np.float32)
        drawn = above / np.where(below > 0, below, np.nan)
        return _figure(float(over.sum() / number), drawn.astype(np.float64), number)


def average_precision(score: Floats, truth: Bools) -> float:
    """Mean precision over the true accounts, in order of falling score; equal scores as one step.

    The estimator of sklearn.metrics.average_precision_score.
    """
    if not truth.any():
        return float("nan")
    return float(_areas(score, truth, np.ones((1, len(score)), np.float32))[0])


def best_threshold(score: Floats, truth: Bools) -> float:
    """The score from which on flagging gives the best F1: known only in hindsight."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    f1 = 2.0 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    last = last[score[order][last] > 0]
    return float(score[order][last[f1[last].argmax()]]) if len(last) else float("inf")


def purity(cluster: Integers, campaign: Integers) -> tuple[Floats, Integers]:
    """Of each cluster with a campaign's member: the share of its commonest campaign, and which.

    cluster, campaign: (n,) with -1 for none.
    """
    shares, which = [], []
    for label in np.unique(cluster[(cluster >= 0) & (campaign >= 0)]).tolist():
        inside = campaign[cluster == label]
        names, counts = np.unique(inside[inside >= 0], return_counts=True)
        shares.append(counts.max() / len(inside))
        which.append(int(names[counts.argmax()]))
    return np.array(shares, np.float64), np.array(which, np.int64)


def median_figure(values: Floats, seed: int) -> Figure:
    """Median of independent values."""
    if not len(values):
        return NOTHING
    rng = np.random.default_rng([seed, 52])
    drawn = np.median(values[rng.integers(0, len(values), (_DRAWS, len(values)))], axis=1)
    return _figure(float(np.median(values)), drawn, len(values))


def share_figure(values: Floats, seed: int) -> Figure:
    """Mean of independent values."""
    if not len(values):
        return NOTHING
    rng = np.random.default_rng([seed, 53])
    drawn = values[rng.integers(0, len(values), (_DRAWS, len(values)))].mean(axis=1)
    return _figure(float(values.mean()), drawn, len(values))


def _areas(score: Floats, truth: Bools, times: NDArray[np.float32]) -> Floats:
    """(draws,) average precision with each account counted `times` (draws, n)."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    counted = times[:, order].astype(np.float64)
    hits = np.cumsum(counted * truth[order], axis=1)[:, ends]
    every = np.cumsum(counted, axis=1)[:, ends]
    total = hits[:, -1:]
    steps = np.diff(hits, axis=1, prepend=0.0)
    precision = hits / np.where(every > 0, every, 1.0)
    area: Floats = (steps * precision).sum(axis=1) / np.where(total[:, 0] > 0, total[:, 0], np.nan)
    return area


def _figure(value: float, drawn: Floats, number: int) -> Figure:
    told = drawn[~np.isnan(drawn)]
    if not len(told):
        return NOTHING
    low, high = np.quantile(told, _LEVELS)
    return Figure(value, float(low), float(high), number)
