"""The evaluation for people: tables in the terminal; a folder with JSON, pictures and one page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streams.lab.evaluation import ALL, Evaluation, Method
from streams.lab.figures import dumped
from streams.lab.measure import MAIN_BUDGET, SYSTEM
from streams.lab.metrics import BUDGETS, NOMINAL
from streams.lab.pictures import pictures
from streams.lab.presentation import page, plain_table, said, saved, targets_table
from streams.lab.resample import Figure

__all__ = ["print_report", "write"]

_PAR = f"each at exactly {MAIN_BUDGET:g} false alarms per 1,000 account-days"


def print_report(console: Console, evaluation: Evaluation) -> None:
    """Every table, the one that matters most last."""
    e = evaluation
    console.print(
        f"{e.source}: {e.accounts:,} accounts of {e.clients} clients in two halves, {e.days} days, "
        f"{e.attacks:,} attacks, {e.negatives:,} hard negatives, "
        f"{e.account_days:,.0f} honest account-days, seed {e.seed}"
    )
    for table in (
        _attacks(e),
        _methods(e, e.family("baseline"), f"Beside the baselines, {_PAR}"),
        _methods(e, e.family("detector"), f"Each detector alone, {_PAR}"),
        _prices(e),
        _reliability(e),
        _negatives(e),
        targets_table(e.targets),
    ):
        console.print()
        console.print(table)


def write(evaluation: Evaluation, folder: Path) -> list[Path]:
    """evaluation.json, the pictures, and evaluation.html that shows them; the files written.

    Raises:
        UsageError: the folder cannot be written.
    """
    e = evaluation
    drawn = pictures(e)
    facts = (
        f"{e.source}, {e.accounts:,} accounts of {e.clients} clients, {e.days} days, "
        f"{e.attacks:,} attacks, {e.account_days:,.0f} honest account-days, seed {e.seed}."
    )
    heading = "Usage Pulse: what the lab measured"
    html = page("Usage Pulse: evaluation", heading, facts, drawn.values(), e.targets)
    return saved(folder, {"evaluation.json": dumped(e), **drawn, "evaluation.html": html})


def _attacks(e: Evaluation) -> Table:
    """Recall of the system by attack, strength and length."""
    title = "Attacks found, thresholds carried over from other clients (in brackets 95 %)"
    heads = [f"at {budget:g}" for budget in BUDGETS]
    table = plain_table(title, "attack", "n", *heads, "minutes", "second time")
    for row in e.find("recall", method=SYSTEM.name, budget=MAIN_BUDGET):
        cell = (row.scenario, row.strength, row.length)
        recalls = [
            _brief(e.figure("recall", SYSTEM.name, budget, *cell), budget == MAIN_BUDGET)
            for budget in BUDGETS
        ]
        delay = e.figure("delay_min", SYSTEM.name, MAIN_BUDGET, *cell).value
        table.add_row(
            _named(*cell),
            str(row.figure.n),
            *recalls,
            "-" if math.isnan(delay) else f"{delay:.0f}",
            _brief(e.figure("second_recall", SYSTEM.name, MAIN_BUDGET, *cell)),
            style="bold" if row.strength == ALL else "",
        )
    return table


def _brief(figure: Figure, interval: bool = False, form: str = "{:.2f}") -> str:
    """A figure, with its interval where there is room for it."""
    if interval or math.isnan(figure.value):
        return said(figure, form)
    return form.format(figure.value).removeprefix("0" if form == "{:.2f}" else "")


def _named(scenario: str, strength: str, length: int) -> str:
    if scenario == ALL:
        return "all attacks"
    name = scenario.replace("_", " ")
    return name if strength == ALL else f"  {strength}, {_length(length)}"


def _length(minutes: int) -> str:
    return f"{minutes // 60} h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes} min"


def _methods(e: Evaluation, others: Sequence[Method], title: str) -> Table:
    """The system and other methods side by side, at equal false alarms."""
    methods = [SYSTEM, *others]
    table = plain_table(title, "attack", *(method.title for method in methods))
    rows = e.find("recall_at_par", method=SYSTEM.name, budget=MAIN_BUDGET, strength=ALL)
    for scenario in [row.scenario for row in rows]:
        figures = [
            e.figure("recall_at_par", method.name, MAIN_BUDGET, scenario) for method in methods
        ]
        table.add_row(_named(scenario, ALL, 0), *(_brief(figure) for figure in figures))
    return table


def _prices(e: Evaluation) -> Table:
    """Stated and realised false alarms, precision."""
    title = "False alarms per 1,000 account-days, on clients the thresholds were not set on"
    heads = [f"at {budget:g}" for budget in BUDGETS]
    table = plain_table(
        title, "method", *heads, f"episodes at {MAIN_BUDGET:g}", "pages", "precision"
    )
    for method in _ordered(e):
        realised = [
            _brief(e.figure("false_alarms", method.name, b), b == MAIN_BUDGET, "{:.1f}")
            for b in BUDGETS
        ]
        table.add_row(
            method.title,
            *realised,
            _brief(e.figure("false_episodes", method.name, MAIN_BUDGET), form="{:.1f}"),
            _brief(e.figure("pages", method.name, MAIN_BUDGET), form="{:.1f}"),
            _brief(e.figure("precision", method.name, MAIN_BUDGET)),
        )
    return table


def _reliability(e: Evaluation) -> Table:
    title = "Reliability: honest account-hours at or below a p-value, over those it promises"
    table = plain_table(title, "p-value of", *(f"{p:g}" for p in NOMINAL))
    for method in _ordered(e):
        figures = [e.figure("p_observed", method.name, p) for p in NOMINAL]
        if all(math.isnan(figure.value) for figure in figures):
            continue
        over = [
            Figure(f.value / p, f.low / p, f.high / p, f.n)
            for f, p in zip(figures, NOMINAL, strict=True)
        ]
        cells = [_brief(figure, figure is over[-1], "{:.1f}") for figure in over]
        table.add_row(method.title, *cells)
    return table


def _negatives(e: Evaluation) -> Table:
    title = f"Hard negatives: share of these honest accounts that ever alarm, at {MAIN_BUDGET:g}"
    methods = [SYSTEM, *e.family("baseline")]
    table = plain_table(title, "kind", *(method.title for method in methods))
    for row in e.find("negative_share", method=SYSTEM.name):
        figures = [
            e.figure("negative_share", method.name, MAIN_BUDGET, row.scenario) for method in methods
        ]
        cells = [_brief(f, f is figures[0]) for f in figures]
        table.add_row(row.scenario.replace("_", " "), *cells)
    return table


def _ordered(e: Evaluation) -> Sequence[Method]:
    return [SYSTEM, *e.family("detector"), *e.family("baseline")]
