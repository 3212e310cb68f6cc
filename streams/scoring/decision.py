"""From the hour's evidence of an account to a verdict: p-values, one combined, against the budget.

The one place where it is decided what alarms. Nothing is remembered here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.calibration import Population
from detectors.combination import combine, discoveries
from streams.policy.budget import Channel, Severity, Thresholds
from streams.policy.model import Policy
from streams.scoring.activity import CHANNELS, STANDINGS, USUAL, Activity
from streams.scoring.populations import EVERYBODY, Populations
from streams.scoring.record import DETECTORS

__all__ = ["WATCH", "Decider", "Verdict"]

#: Findings up to this many times rarer than the budget asks for are stored as held back.
WATCH: Final = 3.0
_CHANNELS: Final[tuple[Channel, ...]] = ("usual", "cold")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detectors make of one account together; `place` is its row in what was judged."""

    place: int
    p_value: float
    parts: dict[str, float]  # p-value by detector, the leading one first
    detector: int  # the one that leads, its place in DETECTORS
    kind: str
    channel: Channel
    severity: Severity | None  # None: the budget holds it back
    held: str  # why it is held back; empty: it is not
    alpha: float  # p-value that just alarms
    limit: float  # evidence of the leading detector that just alarms, the others as they are


class Decider:
    """A policy's budget applied to the populations of one partition."""

    def __init__(self, policy: Policy, partitions: int) -> None:
        self.policy = policy
        self.partitions = partitions
        self._weights = {channel: _weights(policy, channel) for channel in _CHANNELS}
        self._heard = np.array([self._weights[channel] for channel in CHANNELS])

    def thresholds(self, activity: Activity, standing: int) -> Thresholds:
        """Largest p-values that alarm now."""
        return activity.thresholds(self.policy.budget, standing, self.partitions)

    def largest(self, activity: Activity, detector: int) -> float:
        """Largest p-value that alarms now, anywhere where this detector is heard."""
        heard = [one for one in STANDINGS if self._heard[one, detector] > 0]
        return max((self.thresholds(activity, one).medium for one in heard), default=0.0)

    def weight(self, channel: Channel) -> NDArray[np.float64]:
        """(detectors,) weights in the combination, which add up to 1."""
        return self._weights[channel]

    def combined(self, p: NDArray[np.float64], standing: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,) p-values of accounts from those of their detectors (n, detectors)."""
        cold, usual = combine(p, self._weights["cold"]), combine(p, self._weights["usual"])
        return np.where(standing == USUAL, usual, cold)

    def decide(
        self,
        score: Any,
        standing: NDArray[np.int64],
        cohorts: Sequence[str],
        populations: Populations,
        activity: Activity,
        tested: int,
        leads: NDArray[np.bool_],
    ) -> list[Verdict]:
        """Verdicts on accounts (rows of the record `score`) that are worth a line, in order.

        `tested`: how many accounts were judged at this moment, for the false-discovery control,
        which each standing has to itself: the many usual accounts must not drown the few others;
        `leads`: (n, detectors) whose evidence of the hour is that of this moment, which alone they
        can explain: an account for whom none of them speaks now was judged when they did.
        """
        names = list(cohorts) if any(cohorts) else None
        p = populations.p_values(score["evidence"], score["stratum"], names)
        together = self.combined(p, standing)
        limits = [self.thresholds(activity, one) for one in STANDINGS]
        medium = np.array([limit.medium for limit in limits])[standing]
        speaks = (leads & (self._heard[standing] > 0) & ~np.isnan(p)).any(axis=1)
        worth = np.flatnonzero(speaks & (together <= WATCH * medium))
        if not len(worth):
            return []
        loud = worth[together[worth] <= medium[worth]]
        kept = set()
        for one in STANDINGS:
            ours = loud[standing[loud] == one]
            among = math.ceil(tested * activity.share(one))
            kept |= set(ours[discoveries(together[ours], among, self.policy.fdr)].tolist())
        verdicts = []
        for place in worth.tolist():
            channel = CHANNELS[standing[place]]
            severity = limits[standing[place]].severity(float(together[place]))
            held = "" if place in kept else "false discoveries" if severity else "budget"
            lead, limit = self._lead(
                p[place],
                leads[place],
                channel,
                medium[place],
                score[place],
                populations.of_cohort(names[place] if names else EVERYBODY),
            )
            order = np.argsort(-_contribution(p[place], self._weights[channel]), kind="stable")
            verdicts.append(
                Verdict(
                    place=place,
                    p_value=float(together[place]),
                    parts={
                        DETECTORS[d].NAME: float(p[place, d])
                        for d in order.tolist()
                        if p[place, d] < 1.0
                    },
                    detector=lead,
                    kind=DETECTORS[lead].KINDS[int(score["kind"][place, lead])],
                    channel=channel,
                    severity=None if held else severity,
                    held=held,
                    alpha=float(medium[place]),
                    limit=limit,
                )
            )
        return verdicts

    def _lead(
        self,
        p: NDArray[np.float64],
        leads: NDArray[np.bool_],
        channel: Channel,
        alpha: float,
        score: Any,
        population: Callable[[str], Population],
    ) -> tuple[int, float]:
        """The detector that contributes most, and the evidence at which it would just alarm."""
        weight = self._weights[channel]
        share = _contribution(p, weight)
        lead = int(np.where(leads, share, -np.inf).argmax())
        told = ~np.isnan(p) & (weight > 0)
        needed = _cot(alpha) * weight[told].sum() - (share[told].sum() - share[lead])
        if needed <= 0.0:
            return lead, 0.0
        alone = math.atan2(weight[lead], needed) / math.pi  # cot(pi p) = needed / weight
        name = DETECTORS[lead].NAME
        return lead, population(name).limit(alone, int(score["stratum"][lead]))


def _contribution(p: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each detector to the combination's statistic."""
    held = np.clip(np.where(np.isnan(p), 0.5, p), 1e-300, 0.99)
    share: NDArray[np.float64] = np.where(np.isnan(p) | (weight <= 0), -np.inf, weight)
    cot = np.cos(np.pi * held) / np.sin(np.pi * held)
    return np.where(np.isfinite(share), share * cot, -np.inf)


def _cot(p: float) -> float:
    return math.cos(math.pi * p) / math.sin(math.pi * p)


def _weights(policy: Policy, channel: Channel) -> NDArray[np.float64]:
    found = policy.combination(channel)
    return np.array([found.get(detector.NAME, 0.0) for detector in DETECTORS])
