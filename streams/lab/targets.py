"""What the detection must reach on traffic its thresholds were not set on, and whether it does."""

from __future__ import annotations

from typing import Final

from streams.lab.evaluation import Evaluation
from streams.lab.figures import Target
from streams.lab.measure import MAIN_BUDGET, SYSTEM
from streams.lab.resample import Figure

__all__ = ["targets"]

_RARE: Final = 1e-4
_NEAR: Final = 0.3  # of the stated budget


def targets(evaluation: Evaluation) -> list[Target]:
    """Every target with the figure that answers it; one nothing was measured for is not reached."""
    found = evaluation.figure
    name, at = SYSTEM.name, MAIN_BUDGET
    loud = ("burst", "x30", 10)
    result = [
        _least("bursts, whole grid, at 10", 0.23, found("recall", name, at, "burst")),
        _least("bursts x30 of 10 minutes, at 10", 0.50, found("recall", name, at, *loud)),
        _most("their median delay, minutes", 2.0, found("delay_min", name, at, *loud)),
        _least("dormant accounts, at 10", 0.83, found("recall", name, at, "dormant")),
        _least("new accounts, at 10", 0.85, found("recall", name, at, "new_account")),
        _least(
            "heavy template spam, at 1",
            0.75,
            found("recall", name, 1.0, "template_spam", "heavy", 360),
        ),
        _realised(evaluation),
        _honest(evaluation),
        _most(
            "hours until a level shift is silent",
            24.0,
            found("silent_after_h", name, at, "level_shift"),
        ),
    ]
    mine = found("recall_at_par", name, at)
    for baseline in evaluation.family("baseline"):
        theirs = found("recall_at_par", baseline.name, at)
        result.append(
            Target(
                f"ahead of {baseline.title}, all attacks at equal false alarms",
                f"> {theirs.value:.2f}",
                mine,
                mine.value > theirs.value,
            )
        )
    return result


def _least(name: str, wanted: float, figure: Figure) -> Target:
    return Target(name, f">= {wanted:g}", figure, figure.value >= wanted)


def _most(name: str, wanted: float, figure: Figure) -> Target:
    return Target(name, f"<= {wanted:g}", figure, figure.value <= wanted)


def _realised(evaluation: Evaluation) -> Target:
    figure = _over(evaluation.figure("pages", SYSTEM.name, MAIN_BUDGET), MAIN_BUDGET)
    reached = abs(figure.value - 1.0) <= _NEAR
    return Target("false pages realised over stated, at 10", "0.7 to 1.3", figure, reached)


def _honest(evaluation: Evaluation) -> Target:
    observed = evaluation.figure("p_observed", SYSTEM.name, _RARE)
    figure = _over(observed, _RARE)
    return Target(
        "observed over nominal share at p = 1e-4", "0.5 to 2", figure, 0.5 <= figure.value <= 2.0
    )


def _over(figure: Figure, unit: float) -> Figure:
    return Figure(figure.value / unit, figure.low / unit, figure.high / unit, figure.n)
