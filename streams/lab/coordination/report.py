"""The evaluation of coordination for people: tables in the terminal; a folder with JSON, pictures
and one page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from streams.lab.coordination.document import ALL, METHODS, PULSE, Document, Measure
from streams.lab.coordination.pictures import pictures
from streams.lab.figures import dumped
from streams.lab.presentation import page, plain_table, said, saved, targets_table

__all__ = ["facts", "print_report", "write"]

_TITLE: Final = "Usage Pulse: coordination in the lab"
_NAMED: Final[tuple[Measure, ...]] = ("precision", "ever", "recall", "ranked", "found", "purity")
_BY_STRENGTH: Final[tuple[Measure, ...]] = ("pr_auc", "recall")


def facts(document: Document) -> str:
    """What was played, in a sentence."""
    d = document
    return (
        f"{' and '.join(d.backgrounds.values())}: {d.accounts:,} honest accounts, "
        f"{d.campaigns} campaigns, {d.actions:,} actions judged, seed {d.seed}"
    )


def print_report(console: Console, document: Document) -> None:
    """Every table, the one that matters most last."""
    console.print(facts(document))
    for table in (
        _areas(document),
        _named(document),
        _strengths(document),
        _settings(document),
        _negatives(document),
        targets_table(document.targets, "{:.3f}"),
    ):
        console.print()
        console.print(table)


def write(document: Document, folder: Path) -> list[Path]:
    """coordination.json, the pictures, and coordination.html that shows them; the files written.

    Raises:
        UsageError: the folder cannot be written.
    """
    drawn = pictures(document)
    html = page(_TITLE, _TITLE, facts(document), drawn.values(), document.targets)
    files = {"coordination.json": dumped(document), **drawn, "coordination.html": html}
    return saved(folder, files)


def _cells(d: Document) -> list[tuple[str, str]]:
    """(background, scenario) of every scenario with campaigns."""
    return [(row.background, row.scenario) for row in d.find("pr_auc", method=PULSE, strength=ALL)]


def _areas(d: Document) -> Table:
    title = "Area under the precision-recall curve of accounts (in brackets 95 %)"
    table = plain_table(title, "", *METHODS.values())
    for background, scenario in _cells(d):
        _headed(table, d, background)
        figures = [d.figure("pr_auc", method, background, scenario) for method in METHODS]
        best = max(f.value for f in figures[1:] if not math.isnan(f.value))
        first, *others = figures
        colour = "green" if first.value > best else "red"
        table.add_row(
            f"  {d.scenarios[scenario]}",
            f"[{colour}]{said(first, '{:.3f}')}[/]",
            *(f"{f.value:.3f}" for f in others),
        )
    return table


def _named(d: Document) -> Table:
    heads = (
        "precision",
        "at any tick",
        "recall",
        "scores at recall .9",
        "campaigns found",
        "purity",
        "hours to detection",
    )
    table = plain_table("Accounts named in clusters by Usage Pulse", "", *heads)
    for background, scenario in _cells(d):
        _headed(table, d, background)
        cells = [said(d.figure(measure, PULSE, background, scenario)) for measure in _NAMED]
        delay = said(d.figure("delay_h", PULSE, background, scenario), "{:.0f}")
        table.add_row(f"  {d.scenarios[scenario]}", *cells, delay)
    return table


def _strengths(d: Document) -> Table:
    names = list(
        dict.fromkeys(r.strength for r in d.find("pr_auc", method=PULSE) if r.strength != ALL)
    )
    heads = [f"{what} {name}" for name in names for what in ("PR-AUC", "recall")]
    table = plain_table("By strength of the campaign", "", *heads)
    for background, scenario in _cells(d):
        _headed(table, d, background)
        cells = []
        for name in names:
            where = {"background": background, "scenario": scenario, "strength": name}
            for measure in _BY_STRENGTH:
                rows = d.find(measure, method=PULSE, **where)
                cells.append(f"{rows[0].figure.value:.2f}" if rows else "-")
        table.add_row(f"  {d.scenarios[scenario]}", *cells)
    return table


def _settings(d: Document) -> Table:
    table = plain_table("Best settings of the public methods, in hindsight", "")
    for head in (METHODS["co-sharing tuned"], METHODS["similarity tuned"]):
        table.add_column(head, no_wrap=True)  # words, not numbers
    for background, scenario in _cells(d):
        _headed(table, d, background)
        rows = [
            d.row("pr_auc", method, background, scenario)
            for method in ("co-sharing tuned", "similarity tuned")
        ]
        cells = [row.setting if row else "-" for row in rows]
        table.add_row(f"  {d.scenarios[scenario]}", *cells)
    return table


def _negatives(d: Document) -> Table:
    title = "Hard negatives: false clusters, and the share of these honest accounts that is named"
    methods = [PULSE, "co-sharing", "similarity"]
    table = plain_table(title, "", "accounts", "clusters", *(METHODS[m] for m in methods))
    for row in d.find("false_clusters", method=PULSE):
        if row.scenario.startswith("null_"):
            continue
        _headed(table, d, row.background)
        named = [d.figure("named", m, row.background, row.scenario).value for m in methods]
        table.add_row(
            f"  {d.scenarios[row.scenario]}",
            f"{row.figure.n:,}",
            f"{row.figure.value:.0f}",
            *("-" if math.isnan(value) else f"{value:.0%}" for value in named),
        )
    return table


def _headed(table: Table, d: Document, background: str) -> None:
    """A line with the background above its first row."""
    line = f"[bold]{d.backgrounds[background]}[/]"
    if line not in table.columns[0].cells:
        table.add_row(line)
