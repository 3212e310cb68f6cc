"""Scoring of one partition: calls the detectors, keeps the hour's evidence, decides, calibrates.

Inside the fold, between the rolling features and the incidents. Everything here happens at ticks,
strides and hours of event time, so it is the same however fast or by whom a stream is folded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors import burst, cold_start, shape
from detectors.base import HOUR_MS, Detector, Evidence, Explanation
from detectors.calibration import Reference
from streams.policy.model import Policy
from streams.scoring.activity import USUAL, Activity
from streams.scoring.cohorts import CohortNames
from streams.scoring.decision import WATCH, Decider, Verdict
from streams.scoring.hours import Hour, Hours
from streams.scoring.judged import Judged, Trace, in_outage
from streams.scoring.populations import Populations
from streams.scoring.record import DETECTORS, STRIDE_DETECTORS, TICK_DETECTORS, begin_hour
from streams.scoring.shapes import Shapes

__all__ = ["Scoring"]

_STRIDE_GATE_P: Final = 0.02
_PLACE: Final = {detector.NAME: place for place, detector in enumerate(DETECTORS)}


class Scoring:
    """Populations, activity and decisions; the accounts' own state is in their records."""

    def __init__(
        self,
        policy: Policy,
        partitions: int = 1,
        references: Mapping[str, Reference] | None = None,
    ) -> None:
        self.populations = Populations(references)
        self.activity = Activity()
        self.cohorts = CohortNames(policy)
        self.shapes = Shapes()
        self.trace: Trace | None = None
        self._hours = Hours()
        self.began = 0  # event time of the first tick ever judged
        self.rule(policy, partitions)

    def rule(self, policy: Policy, partitions: int) -> None:
        """From now on this policy holds, its budget shared by so many partitions."""
        self.policy = policy
        self.partitions = partitions
        self.decider = Decider(policy, partitions)
        self.populations.forget_gates()
        self.cohorts = self.cohorts.under(policy)
        self._enabled = [d for d in DETECTORS if policy.detectors[d.NAME].enabled]

    def parameters(self, detector: Detector) -> Any:
        """What the policy says of a detector."""
        return self.policy.detectors[detector.NAME].parameters

    def tick(
        self,
        records: Any,
        rows: NDArray[np.int64],
        sums: NDArray[np.float64],
        now_ms: int,
        names: Sequence[str],
        orgs: Sequence[str],
    ) -> Judged:
        """Judge the accounts a tick touched, by the tick detectors; `records["score"]` follows.

        `names` and `orgs` are those of all rows of the table. `observe_tick` comes after.
        """
        begin_hour(records["score"], now_ms)
        inputs = {"sums": sums}
        judged = Judged(rows, records, inputs, now_ms, _none(len(rows)))
        news = np.zeros(len(rows), bool)
        for detector in TICK_DETECTORS:
            if detector in self._enabled:
                found = detector.score(
                    records[detector.NAME], inputs, now_ms, self.parameters(detector)
                )
                news |= self._keep(judged, detector, found)
        self.decide(judged, np.flatnonzero(news), len(rows), names, orgs)
        return judged

    def observe_tick(self, judged: Judged) -> None:
        """The tick detectors remember what was judged; done after it was explained."""
        records, now_ms = judged.records, judged.now_ms
        alarmed = np.zeros(len(records))
        alarmed[[v.place for v in judged.verdicts if v.severity]] = 1.0
        records["score"]["alarmed"] |= alarmed > 0
        inputs = {**judged.inputs, "alarmed": alarmed}
        unseen = records[cold_start.NAME]["first_ms"] == 0
        for detector in TICK_DETECTORS:
            records[detector.NAME] = detector.observe(
                records[detector.NAME], inputs, now_ms, self.parameters(detector)
            )
        self.began = self.began or now_ms
        if now_ms - self.began < self.parameters(cold_start).cold_s * 1000.0:
            cold_start.found_there(records[cold_start.NAME], unseen)

    def stride(
        self,
        records: Any,
        rows: NDArray[np.int64],
        inputs: Mapping[str, NDArray[np.float64]],
        now_ms: int,
        tested: int,
        names: Sequence[str],
        orgs: Sequence[str],
    ) -> Judged:
        """Judge accounts active in the clock hour so far, `tested` in all, by stride detectors."""
        begin_hour(records["score"], now_ms)
        judged = Judged(rows, records, inputs, now_ms, _none(len(rows)))
        news = np.zeros(len(rows), bool)
        for detector in STRIDE_DETECTORS:
            if detector not in self._enabled:
                continue
            state, parameters = records[detector.NAME], self.parameters(detector)
            if detector.NAME == shape.NAME:
                found = shape.score(state, inputs, now_ms, parameters, self.shapes.model)
            else:
                found = detector.score(state, inputs, now_ms, parameters)
            news |= self._keep(judged, detector, found)
        self.decide(judged, np.flatnonzero(news), tested, names, orgs)
        return judged

    def observe_stride(self, judged: Judged, tested: int, names: Sequence[str]) -> None:
        """The stride detectors remember; at the end of a clock hour they learn it."""
        records, now_ms = judged.records, judged.now_ms
        score = records["score"]
        score["alarmed"][[v.place for v in judged.verdicts if v.severity]] = 1
        inputs = {**judged.inputs, "alarmed": score["alarmed"].astype(np.float64)}
        if now_ms % HOUR_MS == 0:
            self.shapes.collect(
                records[shape.NAME],
                inputs,
                [names[row] for row in judged.rows.tolist()],
                tested,
                now_ms,
                self.parameters(shape),
            )
        for detector in STRIDE_DETECTORS:
            records[detector.NAME] = detector.observe(
                records[detector.NAME], inputs, now_ms, self.parameters(detector)
            )

    def _keep(self, judged: Judged, detector: Detector, found: Evidence) -> NDArray[np.bool_]:
        """Raise the hour's evidence; which rows are news that may come to something."""
        score, place = judged.records["score"], _PLACE[detector.NAME]
        value = found.value.astype(np.float32)
        judged.current[:, place] = value
        before = score["evidence"][:, place]
        higher = ~np.isnan(value) & ~(before >= value)
        if higher.all():
            score["evidence"][:, place] = value
            score["stratum"][:, place] = found.stratum
            score["kind"][:, place] = found.kind
        else:
            up = np.flatnonzero(higher)
            score["evidence"][up, place] = value[up]
            score["stratum"][up, place] = found.stratum[up]
            score["kind"][up, place] = found.kind[up]
        gate = self.populations.gate(detector, self._gate_p(detector))
        news: NDArray[np.bool_] = higher & (value >= gate[found.stratum])
        return news

    def _gate_p(self, detector: Detector) -> float:
        """Evidence with a larger p-value changes no verdict.

        The combined p-value is never below the smallest of its parts, so a tick, which is judged
        often, need not look at more. What a stride shows may add to what a tick showed before.
        """
        if detector.CADENCE == "stride":
            return _STRIDE_GATE_P
        return WATCH * self.decider.largest(self.activity, _PLACE[detector.NAME])

    def decide(
        self,
        judged: Judged,
        candidates: NDArray[np.int64],
        tested: int,
        names: Sequence[str],
        orgs: Sequence[str],
    ) -> None:
        """Verdicts on these accounts of `judged`, whose records hold the evidence of the hour."""
        if not len(candidates):
            return
        records = judged.records[candidates]
        rows = judged.rows[candidates].tolist()
        verdicts = self.decider.decide(
            records["score"],
            self._standing(records, judged.now_ms),
            self.cohorts.of(rows, names, orgs),
            self.populations,
            self.activity,
            tested,
            judged.current[candidates] >= records["score"]["evidence"],
        )
        failing = in_outage(judged) if verdicts else None
        for verdict in verdicts:
            row = rows[verdict.place]
            if (
                verdict.severity
                and not verdict.limit
                and records["score"]["alarmed"][verdict.place]
            ):
                continue  # it alarmed this hour without what is new, which adds nothing to it
            detector = DETECTORS[verdict.detector].NAME
            excused = self.policy.allowed(names[row], orgs[row], detector, judged.now_ms)
            if excused is not None and verdict.severity:
                verdict = replace(verdict, held=f"allow-list ({excused.owner})", severity=None)
            elif failing is not None and failing[candidates[verdict.place]]:
                verdict = replace(verdict, held="outage", severity=None)
            judged.verdicts.append(replace(verdict, place=int(candidates[verdict.place])))

    def explain(self, name: str, judged: Judged, verdict: Verdict) -> Explanation:
        """Why the leading detector speaks up about account `name`."""
        detector = DETECTORS[verdict.detector]
        state = judged.records[detector.NAME][verdict.place : verdict.place + 1]
        inputs, parameters = judged.one(verdict.place), self.parameters(detector)
        if detector.NAME == shape.NAME:
            return shape.explain(
                name, state, inputs, judged.now_ms, parameters, verdict.limit, self.shapes.model
            )
        return detector.explain(name, state, inputs, judged.now_ms, parameters, verdict.limit)

    def _standing(self, records: Any, now_ms: int) -> NDArray[np.int64]:
        """(n,) of `streams.scoring.activity`: usual, and cold start's strata after it."""
        cold = cold_start.strata(records[cold_start.NAME], now_ms, self.parameters(cold_start))
        return USUAL + 1 + cold

    def collect_hour(
        self,
        records: Any,
        rows: NDArray[np.int64],
        now_ms: int,
        names: Sequence[str],
        orgs: Sequence[str],
    ) -> None:
        """The clock hour that ends at `now_ms` is over for these accounts, active in it.

        Called before the detectors observe its end.
        """
        score = records["score"]
        evidence = score["evidence"].astype(np.float64)
        stratum = np.where(np.isnan(evidence), -1, score["stratum"].astype(np.int64))
        for detector in (burst, cold_start):  # the quiet ones were not put into a stratum
            if detector not in self._enabled:
                continue
            place = _PLACE[detector.NAME]
            now = detector.strata(records[detector.NAME], now_ms, self.parameters(detector))
            quiet = ~(evidence[:, place] > 0)
            stratum[:, place] = np.where(quiet, now, stratum[:, place])
            evidence[:, place] = np.where(quiet, 0.0, evidence[:, place])
        standing = self._standing(records, now_ms)
        cohorts = self.cohorts.of(rows.tolist(), names, orgs)
        if self.trace is not None:
            known = np.where(stratum >= 0, evidence, np.nan)
            p = self.populations.p_values(
                known.astype(np.float32), np.maximum(stratum, 0).astype(np.uint8), cohorts
            )
            self.trace(now_ms, rows, p, known, standing, self.decider.combined(p, standing))
        self._hours.collect(self, score, Hour(evidence, stratum, standing, cohorts), now_ms)

    def end_hour(self, now_ms: int, known: int) -> None:
        """Learn what was collected of the clock hour that ends at `now_ms`."""
        self._hours.end(self, now_ms, known)
        self.shapes.end_hour(now_ms, self.parameters(shape))

    def dump(self) -> dict[str, Any]:
        """For a snapshot."""
        return {
            "populations": self.populations.dump(),
            "activity": self.activity.dump(),
            "shapes": self.shapes.dump(),
            "hour": self._hours.learned,
            "began": self.began,
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """From a snapshot."""
        self.populations.load(dumped["populations"])
        self.activity.load(dumped["activity"])
        self.shapes.load(dumped["shapes"], self.parameters(shape))
        self._hours.learned = dumped["hour"]
        self.began = dumped["began"]


def _none(count: int) -> NDArray[np.float32]:
    return np.full((count, len(DETECTORS)), np.nan, np.float32)
