"""The lab's pictures: recall against budget beside the baselines, delay by burst, reliability."""

from __future__ import annotations

import math
from collections.abc import Sequence

from streams.lab.attacks import FACTORS, LENGTHS
from streams.lab.evaluation import ALL, Evaluation, Measure
from streams.lab.measure import MAIN_BUDGET, SYSTEM
from streams.lab.metrics import BUDGETS, NOMINAL
from streams.lab.resample import Figure
from streams.lab.svg import Axis, Line, chart

__all__ = ["pictures"]

_SHARE = "{:.0%}".format


def pictures(evaluation: Evaluation) -> dict[str, str]:
    """SVG documents by file name."""
    drawn = {
        "recall.svg": _recall(evaluation, ALL, "All attacks found, by budget of false alarms"),
        "delay.svg": _delay(evaluation),
        "bursts.svg": _bursts(evaluation),
        "reliability.svg": _reliability(evaluation),
    }
    for scenario, title in (
        ("burst", "Bursts found (x3 to x30, 2 to 60 minutes), by budget"),
        ("template_spam", "Template spam found (30 % and 70 % of the requests), by budget"),
    ):
        drawn[f"recall_{scenario}.svg"] = _recall(evaluation, scenario, title)
    return drawn


def _recall(evaluation: Evaluation, scenario: str, title: str) -> str:
    lines = [
        Line(
            method.title,
            [
                _point(budget, evaluation.figure("recall_at_par", method.name, budget, scenario))
                for budget in BUDGETS
            ],
            colour=place,
            main=method == SYSTEM,
        )
        for place, method in enumerate([SYSTEM, *evaluation.family("baseline")])
    ]
    return chart(
        title,
        Axis("false alarms per 1,000 account-days (log)", 0.8, 40.0, BUDGETS, log=True),
        _shares("share found"),
        lines,
        "Every method at the same false alarms on the same traffic. Bars: 95 %, clients resampled.",
    )


def _bursts(evaluation: Evaluation) -> str:
    lines = _by_length(evaluation, "recall")
    return chart(
        f"Bursts found at {MAIN_BUDGET:g} false alarms per 1,000 account-days",
        _factors(),
        _shares("share found"),
        lines,
        "Thresholds carried over from clients that share nothing with these.",
    )


def _delay(evaluation: Evaluation) -> str:
    lines = _by_length(evaluation, "delay_min")
    values = [point[1] for line in lines for point in line.points if not math.isnan(point[1])]
    top = max(10.0, 1.2 * max(values, default=10.0))
    marks = [top * step / 4 for step in range(5)]
    return chart(
        "Minutes from the start of a burst to its alarm, of those found",
        _factors(),
        Axis("median minutes", 0.0, top, marks, said="{:.0f}".format),
        lines,
    )


def _reliability(evaluation: Evaluation) -> str:
    colours = iter([1, 2, 3, 4, 5] * 4)
    lines = [
        Line(
            method.title,
            [_point(p, evaluation.figure("p_observed", method.name, p)) for p in NOMINAL],
            colour=0 if method == SYSTEM else next(colours),
            main=method == SYSTEM,
        )
        for method in evaluation.methods
        if any(True for _ in evaluation.find("p_observed", method=method.name))
    ]
    honest = Line("as stated", [(p, p, p, p) for p in (1e-5, 0.2)], dashed=True)
    low, high = 1e-5, 0.3
    marks = [1e-4, 1e-3, 1e-2, 1e-1]
    return chart(
        "Are the p-values honest? Observed share of honest account-hours",
        Axis("p-value stated (log)", low * 5, high, marks, log=True),
        Axis("share observed (log)", low, high, [1e-5, *marks], log=True),
        [*lines, honest],
        "On accounts and clients the calibration has never seen. Below the line: too cautious.",
    )


def _by_length(evaluation: Evaluation, measure: Measure) -> list[Line]:
    return [
        Line(
            f"{minutes} minutes",
            [
                _point(
                    float(factor),
                    evaluation.figure(
                        measure, SYSTEM.name, MAIN_BUDGET, "burst", f"x{factor}", minutes
                    ),
                )
                for factor in FACTORS
            ],
            colour=place,
        )
        for place, minutes in enumerate(reversed(LENGTHS))
    ]


def _factors() -> Axis:
    low, high = FACTORS[0] * 0.9, FACTORS[-1] * 1.1
    marks: Sequence[float] = FACTORS
    return Axis("times the usual rate (log)", low, high, marks, log=True, said="x{:g}".format)


def _shares(label: str) -> Axis:
    return Axis(label, 0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0], said=_SHARE)


def _point(at: float, figure: Figure) -> tuple[float, float, float, float]:
    return at, figure.value, figure.low, figure.high
