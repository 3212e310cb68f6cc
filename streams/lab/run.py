"""A run of the lab: two halves in a process each, calibrated on the one, tested on the other.

    population A -> calibrate --\\ /--> play A with attacks --\\
                                 X                            >-- measure -> evaluation
    population B -> calibrate --/ \\--> play B with attacks --/

What is learned on A (the references of every detector) judges B, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from detectors.calibration import Reference
from streams.lab.evaluation import Evaluation, Method
from streams.lab.hours import HourFeatures
from streams.lab.judge import add_forest, add_minute_baselines
from streams.lab.measure import BASELINES, SYSTEM, measured
from streams.lab.metrics import Lab
from streams.lab.outcome import Outcome
from streams.lab.plan import SCENARIOS, planted
from streams.lab.play import calibrated, played, references
from streams.lab.population import Half, Population, built_in, servegen
from streams.lab.scenario import Traffic
from streams.lab.targets import targets
from streams.lab.workers import Channel, Workers
from streams.policy.model import default_policy
from streams.scoring.record import DETECTORS

__all__ = ["HALVES", "Spec", "Told", "evaluate"]

HALVES: Final[tuple[Half, ...]] = ("A", "B")
#: Of the work of a half, what its parts take: calibration, the attacked play (by experience).
_SHARES: Final = (0.4, 0.6)

#: Stage in words, and the share of the whole run that is done.
Told = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to play: `accounts` that stay in each half, `traces` None for the built-in population.

    `calibration_days`: how many days of a half without attacks are played for its reference.
    """

    accounts: int
    days: int
    seed: int
    traces: Path | None
    calibration_days: int = 14
    only: str = ""


def evaluate(spec: Spec, told: Told) -> tuple[Evaluation, dict[str, Reference]]:
    """The whole lab; also the references that both halves together teach.

    Raises:
        UsageError, BadInput: the traces cannot be read. PulseError: a process failed.
    """
    if spec.traces is not None:  # wrong ones are told before any process starts
        servegen(spec.traces, 1, spec.seed, HALVES[0], spec.days)
    done, stage = 0.0, "calibrating each half"

    def progress(part: float) -> None:
        nonlocal done
        done += part
        told(stage, done)

    progress(0.0)
    with Workers(_half, [(spec, half) for half in HALVES]) as workers:
        learned = workers.results(progress)
        workers.tell([references(other) for other in reversed(learned)])
        stage = "playing attacks on the other half"
        played_halves = workers.results(progress)
        workers.tell([*reversed(played_halves)])
        stage = "growing forests"
        outcomes = workers.results(progress)
        workers.tell([None, None])
    told("measuring", 1.0)
    return _measured(spec, outcomes), references(*learned)


def _half(spec: Spec, half: Half, channel: Channel) -> None:
    """The work of one process; see the picture above."""
    population = _population(spec, half)

    def share(whole: float) -> Callable[[float], None]:
        return lambda part: channel.progress(part * whole)

    calm = Traffic.of(population)
    learned = calibrated(calm, spec.calibration_days, spec.seed, share(_SHARES[0]))
    known: Mapping[str, Reference] = channel.answer(learned)
    chosen = [scenario for scenario in SCENARIOS if spec.only in ("", scenario.name)]
    traffic = planted(population, spec.seed, chosen)
    outcome, features = played(traffic, known, spec.seed, share(_SHARES[1]))
    add_minute_baselines(outcome, traffic)
    other: tuple[Outcome, HourFeatures] = channel.answer((outcome, features))
    add_forest(outcome, features, *other, spec.seed)
    channel.answer(outcome)


def _measured(spec: Spec, outcomes: list[Outcome]) -> Evaluation:
    lab = Lab(outcomes, spec.seed)
    detectors = [Method(d.NAME, d.TITLE, "detector") for d in DETECTORS]
    evaluation = Evaluation(
        source="ServeGen clients" if spec.traces else "Built-in population",
        seed=spec.seed,
        days=spec.days,
        accounts=spec.accounts * len(outcomes),
        clients=sum(len(np.unique(outcome.client)) for outcome in outcomes),
        attacks=sum(truth.label == "attack" for truth in lab.truths),
        negatives=sum(truth.label == "negative" for truth in lab.truths),
        account_days=lab.account_days,
        policy_version=default_policy().version,
        methods=[SYSTEM, *detectors, *BASELINES],
    )
    measured(lab, evaluation)
    evaluation.targets = targets(evaluation)
    return evaluation


def _population(spec: Spec, half: Half) -> Population:
    if spec.traces is None:
        return built_in(spec.accounts, spec.seed, half, spec.days)
    return servegen(spec.traces, spec.accounts, spec.seed, half, spec.days)
