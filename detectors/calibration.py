"""From evidence to p-values: how many account-hours of the population show as much?

For each detector one `Population`: per stratum a histogram of evidence, an account-hour (the
largest evidence of an account within a clock hour) counting one and fading by half every
`half_life_h`. Beyond the sample the tail is Pareto's: evidence is a logarithm, so it falls
exponentially, at a rate estimated by the mean excess (Hill), shrunk towards what all strata have in
common, and taken no more seriously than so many exceedances deserve (Lomax). What a young
population has not seen yet comes from a reference, the survival function of other populations,
which counts as `reference_weight` account-hours:

    p(e) = (w0 * S_reference(e) + n * S_own(e)) / (w0 + n)

References: conformal p-values, Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random
World", 2005, and Laxhammar and Falkman, "Conformal anomaly detection", 2010; strata as Mondrian
categories, ibid. 4.5; the tail, Hill, "A simple general approach to inference about the tail of a
distribution", Annals of Statistics 3, 1975, and Siffer et al., "Anomaly detection in streams with
extreme value theory", KDD 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.base import EVIDENCE_MAX, FloatArray, IntArray

__all__ = ["LEVELS", "Population", "Reference", "Tail"]

_WIDTH: Final = 1.0 / 16.0  # of a bin, in evidence
_BINS: Final = 480  # the last one holds what lies beyond 30
_TAIL: Final = 60.0  # account-hours that the tail is estimated from, at most a tenth of all
_PRIOR_EXCESSES: Final = 10.0  # exceedances that what the strata have in common counts for
_LENGTH: Final = (0.02, 5.0)  # e-folding length of a tail, in evidence
_GRID: Final = np.concatenate((np.arange(_BINS) * _WIDTH, np.linspace(31.0, EVIDENCE_MAX, 270)))
_PRECISION: Final = 1e-9
#: Survival at which a reference is written down.
LEVELS: Final = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4)


@dataclass(frozen=True, slots=True)
class Tail:
    """S(e) = share * (1 + (e - start) / (length * known)) ** -known for e >= start.

    The predictive survival when the rate of an exponential tail was learned from `known`
    exceedances (Lomax): near exp(-(e - start) / length), and never surer than they allow.
    """

    start: float
    share: float
    length: float
    known: float


@dataclass(frozen=True, slots=True)
class Reference:
    """Survival of evidence in other populations: one row a stratum.

    quantiles: (strata, len(LEVELS)) evidence that a share LEVELS[k] of account-hours reaches;
    length: (strata,) e-folding length beyond the last.
    """

    quantiles: FloatArray
    length: FloatArray

    def survival(self, evidence: FloatArray, stratum: int) -> FloatArray:
        """S(e): linear in log S between the levels, exponential beyond."""
        points = np.concatenate(([0.0], self.quantiles[stratum]))
        logs = np.log(np.concatenate(([1.0], LEVELS)))
        # Where quantiles coincide (most show no evidence at all) the smaller survival holds above.
        keep = np.append(points[1:] > points[:-1], True)
        inner = np.interp(evidence, points[keep], logs[keep])
        beyond = logs[-1] - (evidence - points[-1]) / self.length[stratum]
        at_zero = np.where(evidence <= 0.0, 0.0, np.where(evidence > points[-1], beyond, inner))
        return np.exp(at_zero)

    @staticmethod
    def none(strata: int) -> Reference:
        """Knows nothing: evidence e is taken for 10 ** (-e / 2)."""
        levels = -2.0 * np.log10(np.array(LEVELS))
        return Reference(np.tile(levels, (strata, 1)), np.full(strata, 2.0 / np.log(10.0)))


class Population:
    """Evidence of one detector in one population, by stratum; `hours` is what it has seen."""

    def __init__(
        self,
        strata: int,
        reference: Reference | None = None,
        *,
        reference_weight: float = 2000.0,
        half_life_h: float = 336.0,
        cluster: float = 3.0,
    ) -> None:
        """`cluster`: hours with much evidence come in runs; so many of them say as much as one."""
        self.counts = np.zeros((strata, _BINS))
        self.reference = reference or Reference.none(strata)
        self.reference_weight = reference_weight
        self.half_life_h = half_life_h
        self.cluster = cluster
        self._tails: list[Tail | None] | None = None
        self._above: FloatArray | None = None
        self._pooled: float | None = None

    @property
    def strata(self) -> int:
        """Number of strata."""
        return len(self.counts)

    @property
    def hours(self) -> FloatArray:
        """(strata,) account-hours, faded."""
        total: FloatArray = self.counts.sum(axis=1)
        return total

    def learn(self, evidence: FloatArray, stratum: IntArray) -> None:
        """One account-hour each, `evidence` without NaN."""
        if len(evidence):
            place = np.minimum((evidence / _WIDTH).astype(np.int64), _BINS - 1)
            flat = np.bincount(stratum * _BINS + place, minlength=self.counts.size)
            self.counts += flat.reshape(self.counts.shape)
            self._tails = None

    def pass_hours(self, hours: int) -> None:
        """Let what was learned fade."""
        if hours > 0:
            self.counts *= 0.5 ** (hours / self.half_life_h)
            self._tails = None

    def p_value(self, evidence: FloatArray, stratum: IntArray) -> FloatArray:
        """(n,) share of account-hours with at least this evidence; NaN stays NaN."""
        result = np.full(len(evidence), np.nan)
        for one in np.unique(stratum[~np.isnan(evidence)]).tolist():
            rows = np.flatnonzero((stratum == one) & ~np.isnan(evidence))
            result[rows] = self._mixed(evidence[rows], one)
        return result

    def limit(self, p_value: float, stratum: int) -> float:
        """Smallest evidence whose p-value is at most `p_value`; inf when none is."""
        coarse = self._mixed(_GRID, stratum) <= p_value
        if not coarse[-1]:
            return float("inf")
        place = int(coarse.argmax())
        if place == 0:
            return 0.0
        low, high = float(_GRID[place - 1]), float(_GRID[place])
        while high - low > _PRECISION:
            inner = np.linspace(low, high, 33)
            place = int((self._mixed(inner, stratum) <= p_value).argmax())
            low, high = float(inner[place - 1]), float(inner[place])
        return high

    def gates(self, p_value: float) -> FloatArray:
        """(strata,) evidence, to the width of a bin, below which p-values exceed `p_value`."""
        below = [self._mixed(_GRID, one) > p_value for one in range(self.strata)]
        return np.array([float(_GRID[max(int(each.sum()) - 1, 0)]) for each in below])

    def _mixed(self, evidence: FloatArray, stratum: int) -> FloatArray:
        own, count = self._own(evidence, stratum)
        weight = self.reference_weight
        known = weight * self.reference.survival(evidence, stratum)
        p: FloatArray = (known + count * own) / (weight + count)
        return np.clip(p, 1e-300, 1.0)

    def _own(self, evidence: FloatArray, stratum: int) -> tuple[FloatArray, float]:
        if self._tails is None or self._above is None:
            self._above = np.cumsum(self.counts[:, ::-1], axis=1)[:, ::-1]
            self._tails = [None] * self.strata
            self._pooled = None
        above = self._above[stratum]
        count = float(above[0])
        if count < 1.0:
            return np.zeros(len(evidence)), 0.0
        tail = self._tails[stratum]
        if tail is None:
            tail = self._tails[stratum] = self._tail(stratum, above)
        place = np.minimum((evidence / _WIDTH).astype(np.int64), _BINS - 1)
        survival = above[place] / count
        beyond = evidence > tail.start
        far = np.where(beyond, evidence - tail.start, 0.0) / (tail.length * tail.known)
        drop = (1.0 + far) ** -tail.known
        return np.where(beyond, tail.share * drop, survival), count

    def _tail(self, stratum: int, above: FloatArray) -> Tail:
        count = float(above[0])
        wanted = min(_TAIL, count / 10.0)
        start = int(np.searchsorted(-above, -wanted))  # first bin with at most so many above
        start = max(1, min(start, _BINS - 1))
        number, excess = self._excess(stratum, start)
        if self._pooled is None:
            self._pooled = self._pool()
        length = (excess + _PRIOR_EXCESSES * self._pooled) / (number + _PRIOR_EXCESSES)
        known = (number + _PRIOR_EXCESSES) / self.cluster
        return Tail(
            start * _WIDTH, above[start] / count, float(np.clip(length, *_LENGTH)), max(known, 2.0)
        )

    def _excess(self, stratum: int, start: int) -> tuple[float, float]:
        """Exceedances of bin `start` and the sum of what they exceed it by."""
        weight = self.counts[stratum, start:]
        excess = float((weight * (np.arange(len(weight)) + 0.5)).sum()) * _WIDTH
        return float(weight.sum()), excess

    def _pool(self) -> float:
        """Mean excess over all strata, each beyond its own tail's start."""
        assert self._above is not None
        number, excess = 0.0, 0.0
        for one, above in enumerate(self._above):
            if above[0] >= 1.0:
                start = max(1, int(np.searchsorted(-above, -above[0] / 50.0)))
                more = self._excess(one, min(start, _BINS - 1))
                number, excess = number + more[0], excess + more[1]
        known = float(self.reference.length.mean())
        return (excess + _PRIOR_EXCESSES * known) / (number + _PRIOR_EXCESSES)

    def as_reference(self) -> Reference:
        """What it has seen and was told, as a reference for others."""
        quantiles = [[self.limit(p, one) for p in LEVELS] for one in range(self.strata)]
        lengths = []
        for one in range(self.strata):
            far = np.array([quantiles[one][-1], quantiles[one][-1] + 2.0])
            near, away = self._mixed(far, one)
            lengths.append(float(np.clip(2.0 / np.log(near / away), *_LENGTH)))
        return Reference(np.array(quantiles), np.array(lengths))

    def dump(self) -> dict[str, Any]:
        """For a snapshot: the bins that are not empty."""
        rows, bins = np.nonzero(self.counts)
        return {
            "rows": rows.tolist(),
            "bins": bins.tolist(),
            "counts": self.counts[rows, bins].tolist(),
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """From a snapshot."""
        self.counts[:] = 0.0
        self.counts[np.array(dumped["rows"], int), np.array(dumped["bins"], int)] = dumped["counts"]
        self._tails = None
