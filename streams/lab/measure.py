"""From two played halves to an evaluation: every method, attack, strength, length and budget.

The step of the lab between the outcomes and everything that is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.evaluation import ALL, Evaluation, Measure, Method, Row
from streams.lab.metrics import BUDGETS, SYSTEM_NAME, Lab, Thresholds
from streams.lab.negatives import LEVEL_SHIFT
from streams.lab.plan import SCENARIOS
from streams.lab.resample import Figure

__all__ = ["BASELINES", "MAIN_BUDGET", "SYSTEM", "measured", "rows"]

SYSTEM: Final = Method(SYSTEM_NAME, "Usage Pulse", "system")
BASELINES: Final = (
    Method("fixed_limit", "Fixed limit", "baseline"),
    Method("ewma_z", "EWMA z-score", "baseline"),
    Method("poisson_tail", "Poisson tail", "baseline"),
    Method("isolation_forest", "Isolation Forest", "baseline"),
)
#: False alarms per 1,000 account-days at which delays and hard negatives are measured.
MAIN_BUDGET: Final = 10.0

Cell = tuple[str, str, int, NDArray[np.bool_]]


def measured(lab: Lab, evaluation: Evaluation) -> Evaluation:
    """The evaluation with its rows filled in."""
    for method in evaluation.methods:
        evaluation.rows += rows(lab, method)
    return evaluation


def rows(lab: Lab, method: Method) -> Iterator[Row]:
    """Every figure of one method."""
    name = method.name

    def row(
        measure: Measure, budget: float, figure: Figure, cell: Sequence[object] = (ALL, ALL, 0)
    ) -> Row:
        scenario, strength, length = cell
        return Row(measure, name, str(scenario), str(strength), int(str(length)), budget, figure)

    cells = list(_cells(lab))
    for budget in BUDGETS:
        carried, par = lab.carried(name, budget), lab.at_par(name, budget)
        counted = lab.false_alarms(name, carried)
        yield row("false_alarms", budget, counted.hours)
        yield row("false_episodes", budget, counted.episodes)
        yield row("precision", budget, lab.precision(name, carried))
        for *cell, which in cells:
            yield row("recall", budget, lab.recall(name, carried, which), cell)
            if cell[1] == ALL:
                yield row("recall_at_par", budget, lab.recall(name, par, which), cell)
    thresholds = lab.carried(name, MAIN_BUDGET)
    for *cell, which in cells:
        if name in lab.outcomes[0].rises:
            yield row("delay_min", MAIN_BUDGET, lab.delay(name, thresholds, which), cell)
        again = lab.recall(name, thresholds, which, second=True)
        if again.n:
            yield row("second_recall", MAIN_BUDGET, again, cell)
    if method == SYSTEM:
        yield row("pages", MAIN_BUDGET, lab.pages())
    yield from _negatives(lab, method, thresholds)
    if name in lab.outcomes[0].p_values:
        for nominal, figure in lab.reliability(name):
            yield row("p_observed", nominal, figure)


def _negatives(lab: Lab, method: Method, thresholds: Thresholds) -> Iterator[Row]:
    names = sorted({t.scenario for t in lab.truths if t.label == "negative"})
    for scenario in names:
        which = np.array([truth.scenario == scenario for truth in lab.truths])
        counted = lab.negatives(method.name, thresholds, scenario)
        of = (method.name, scenario, ALL, 0, MAIN_BUDGET)
        yield Row("negative_share", *of, lab.recall(method.name, thresholds, which))
        yield Row("negative_alarms", *of, counted.hours)
        yield Row("negative_episodes", *of, counted.episodes)
        if scenario == LEVEL_SHIFT:
            yield Row("silent_after_h", *of, lab.silent_after(method.name, thresholds, which))


def _cells(lab: Lab) -> Iterator[Cell]:
    """All attacks; then each scenario as a whole, and by strength and length: with their truths."""
    yield ALL, ALL, 0, np.array([truth.label == "attack" for truth in lab.truths])
    kinds = [(truth.scenario, truth.strength, truth.length) for truth in lab.truths]
    whole = ""
    for scenario in SCENARIOS:
        wanted = (scenario.name, scenario.strength, scenario.length)
        if scenario.label != "attack" or wanted not in kinds:
            continue
        if scenario.name != whole:
            whole = scenario.name
            yield whole, ALL, 0, np.array([kind[0] == whole for kind in kinds])
        yield *wanted, np.array([kind == wanted for kind in kinds])
