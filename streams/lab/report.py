"""The evaluation for people: tables in the terminal; a folder with JSON, pictures and one page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streams.errors import UsageError
from streams.lab.evaluation import ALL, Evaluation, Method, dumped
from streams.lab.measure import MAIN_BUDGET, SYSTEM
from streams.lab.metrics import BUDGETS, NOMINAL
from streams.lab.pictures import pictures
from streams.lab.resample import Figure
from streams.lab.svg import tag

__all__ = ["print_report", "said", "write"]


_PAR = f"each at exactly {MAIN_BUDGET:g} false alarms per 1,000 account-days"


def said(figure: Figure, form: str = "{:.2f}") -> str:
    """A figure with its interval, as `.61 (.55 to .67)`."""
    if math.isnan(figure.value):
        return "-"
    parts = [form.format(value) for value in (figure.value, figure.low, figure.high)]
    if form == "{:.2f}" and all(part.startswith("0") for part in parts):
        parts = [part[1:] for part in parts]
    return f"{parts[0]} ({parts[1]} to {parts[2]})"


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
        _targets(e),
    ):
        console.print()
        console.print(table)


def write(evaluation: Evaluation, folder: Path) -> list[Path]:
    """evaluation.json, the pictures, and evaluation.html that shows them; the files written.

    Raises:
        UsageError: the folder cannot be written.
    """
    drawn = pictures(evaluation)
    files = {"evaluation.json": dumped(evaluation), **drawn}
    files["evaluation.html"] = _page(evaluation, drawn)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"option --output: {error.filename}: {error.strerror}") from None
    return [folder / name for name in files]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2))
    table.add_column(columns[0], no_wrap=True)
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _attacks(e: Evaluation) -> Table:
    """Recall of the system by attack, strength and length."""
    title = "Attacks found, thresholds carried over from other clients (in brackets 95 %)"
    heads = [f"at {budget:g}" for budget in BUDGETS]
    table = _table(title, "attack", "n", *heads, "minutes", "second time")
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
    table = _table(title, "attack", *(method.title for method in methods))
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
    table = _table(title, "method", *heads, f"episodes at {MAIN_BUDGET:g}", "pages", "precision")
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
    table = _table(title, "p-value of", *(f"{p:g}" for p in NOMINAL))
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
    table = _table(title, "kind", *(method.title for method in methods))
    for row in e.find("negative_share", method=SYSTEM.name):
        figures = [
            e.figure("negative_share", method.name, MAIN_BUDGET, row.scenario) for method in methods
        ]
        cells = [_brief(f, f is figures[0]) for f in figures]
        table.add_row(row.scenario.replace("_", " "), *cells)
    return table


def _targets(e: Evaluation) -> Table:
    table = _table("Targets", "target", "wanted", "measured", "n", "")
    for target in e.targets:
        table.add_row(
            target.name,
            target.wanted,
            said(target.figure),
            str(target.figure.n),
            "[green]reached[/]" if target.reached else "[red]not reached[/]",
        )
    return table


def _ordered(e: Evaluation) -> Sequence[Method]:
    return [SYSTEM, *e.family("detector"), *e.family("baseline")]


_STYLE = """
:root { color-scheme: light dark; --ground: #f7f7f5; --text: #1b1c1e; --muted: #63676e; }
@media (prefers-color-scheme: dark) { :root { --ground: #141517; --text: #ececea;
  --muted: #a2a7af; } }
body { margin: 24px auto; max-width: 900px; padding: 0 16px; background: var(--ground);
  color: var(--text); font: 14px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; border-radius: 8px; } figure { margin: 18px 0; }
td, th { text-align: left; padding: 3px 14px 3px 0; } p, caption { color: var(--muted); }
"""


def _page(evaluation: Evaluation, drawn: dict[str, str]) -> str:
    """One HTML page without script: facts, targets, pictures."""
    e = evaluation
    cells = [
        tag(
            "tr",
            tag("td", target.name),
            tag("td", target.wanted.replace("<", "&lt;").replace(">", "&gt;")),
            tag("td", said(target.figure)),
            tag("td", "reached" if target.reached else "not reached"),
        )
        for target in e.targets
    ]
    head = tag("tr", *(tag("th", name) for name in ("target", "wanted", "measured (95 %)", "")))
    facts = (
        f"{e.source}, {e.accounts:,} accounts of {e.clients} clients, {e.days} days, "
        f"{e.attacks:,} attacks, {e.account_days:,.0f} honest account-days, seed {e.seed}."
    )
    body = [
        tag("h1", "Usage Pulse: what the lab measured"),
        tag("p", facts),
        *(tag("figure", picture) for picture in drawn.values()),
        tag("table", head, *cells),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Usage Pulse: evaluation</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )
