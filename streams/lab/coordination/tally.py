"""From the judgements of many scenes to figures: accounts of several runs pooled, by scenario.

Between the methods and the document. A setting is chosen, and an interval drawn, on the accounts of
all runs of one scenario together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.candidates import COSHARING, SIMILARITY, Candidate
from streams.lab.coordination.document import ALL, PULSE, Measure, Row
from streams.lab.coordination.measures import (
    RECALL,
    Drawn,
    average_precision,
    best_threshold,
    median_figure,
    purity,
    share_figure,
)
from streams.lab.coordination.method import Judgement
from streams.lab.coordination.scene import Scene
from streams.lab.resample import Figure

__all__ = ["Tally"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_CAMPAIGN_UNIT = 1 << 40  # units of campaigns lie above those of accounts


@dataclass(slots=True)
class _Judged:
    """Scores and flags by run."""

    score: list[Floats] = field(default_factory=list)
    flagged: list[Bools] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """All runs of one scenario (`shape`) on one background."""

    background: str
    shape: str
    seed: int
    _truth: list[Bools] = field(default_factory=list)
    _unit: list[Integers] = field(default_factory=list)
    _strength: list[NDArray[np.str_]] = field(default_factory=list)
    _methods: dict[str, dict[str, _Judged]] = field(default_factory=dict)
    _ever: list[Bools] = field(default_factory=list)
    _purity: list[float] = field(default_factory=list)
    _found: list[float] = field(default_factory=list)
    _delay_h: list[float] = field(default_factory=list)

    def add(
        self,
        scene: Scene,
        ours: Judgement,
        others: Iterable[Candidate],
        ever: Bools | None = None,
    ) -> None:
        """What the methods said of one scene; `ever` (accounts,) whom ours named at any tick."""
        run = len(self._truth)
        counted = scene.counted(self.shape)
        campaign = scene.campaign[counted]
        honest = np.flatnonzero(counted) + run * scene.accounts
        unit = np.where(campaign >= 0, _CAMPAIGN_UNIT + 1000 * run + campaign, honest)
        names = np.array([*(plan.strength.name for plan in scene.plans), ""])
        self._truth.append(scene.truth(self.shape)[counted])
        self._unit.append(unit)
        self._strength.append(names[campaign])
        named = ours.cluster >= 0
        self._keep(PULSE, "", ours.score[counted], named[counted])
        self._ever.append((named if ever is None else ever)[counted])
        for other in others:
            nobody = np.zeros(int(counted.sum()), np.bool_)
            flagged = nobody if other.flagged is None else other.flagged[counted]
            self._keep(other.method + " tuned", other.setting, other.score[counted], nobody)
            if other.flagged is not None:
                self._keep(other.method, other.setting, other.score[counted], flagged)
        self._clusters(scene, ours.cluster)

    def found_after(self, hours: float) -> None:
        """One campaign was found so long after its first action."""
        self._delay_h.append(hours)

    def rows(self) -> list[Row]:
        """Every figure of the scenario."""
        found = []
        for method in (PULSE, COSHARING + " tuned", COSHARING, SIMILARITY + " tuned", SIMILARITY):
            found += self._method(method)
        clusters: tuple[tuple[Measure, Figure], ...] = (
            ("purity", share_figure(np.array(self._purity), self.seed)),
            ("found", share_figure(np.array(self._found), self.seed)),
            ("delay_h", median_figure(np.array(self._delay_h), self.seed)),
        )
        return found + [self._row(measure, PULSE, ALL, figure) for measure, figure in clusters]

    def _keep(self, method: str, setting: str, score: Floats, flagged: Bools) -> None:
        kept = self._methods.setdefault(method, {}).setdefault(setting, _Judged())
        kept.score.append(score.astype(np.float32).astype(np.float64))
        kept.flagged.append(flagged)

    def _clusters(self, scene: Scene, cluster: Integers) -> None:
        shares, which = purity(cluster, scene.campaign)
        ours = [n for n, plan in enumerate(scene.plans) if plan.shape.name == self.shape]
        for share, number in zip(shares.tolist(), which.tolist(), strict=True):
            if number in ours:
                self._purity.append(share)
        for number in ours:
            members = cluster[scene.plans[number].members]
            self._found.append(float((members >= 0).mean() >= 0.5))

    def _method(self, method: str) -> list[Row]:
        truth = np.concatenate(self._truth)
        setting, score, flagged = self._best(method, truth)
        if method.endswith("tuned"):
            flagged = score >= best_threshold(score, truth)
        drawn = Drawn.of(score, flagged, truth, np.concatenate(self._unit), self.seed)
        rows = [
            self._row("pr_auc", method, ALL, drawn.average_precision(), setting),
            self._row("precision", method, ALL, drawn.precision(), setting),
            self._row("recall", method, ALL, drawn.recall(), setting),
            self._row("ranked", method, ALL, drawn.precision_at(RECALL), setting),
        ]
        if method == PULSE:
            ever = Drawn.of(
                score, np.concatenate(self._ever), truth, np.concatenate(self._unit), self.seed
            )
            rows.append(self._row("ever", method, ALL, ever.precision()))
        strength = np.concatenate(self._strength)
        for name in sorted(set(strength[truth].tolist())) if method == PULSE else ():
            which = ~truth | (strength == name)
            unit = np.concatenate(self._unit)[which]
            part = Drawn.of(score[which], flagged[which], truth[which], unit, self.seed)
            rows.append(self._row("pr_auc", method, name, part.average_precision()))
            rows.append(self._row("recall", method, name, part.recall()))
        return rows

    def _best(self, method: str, truth: Bools) -> tuple[str, Floats, Bools]:
        """The setting with the largest area."""
        settings = {
            setting: (np.concatenate(kept.score), np.concatenate(kept.flagged))
            for setting, kept in self._methods[method].items()
        }
        areas = {name: average_precision(score, truth) for name, (score, _) in settings.items()}
        best = max(areas, key=lambda name: areas[name])
        return best, *settings[best]

    def _row(
        self, measure: Measure, method: str, strength: str, figure: Figure, setting: str = ""
    ) -> Row:
        return Row(measure, method, self.background, self.shape, strength, figure, setting)
