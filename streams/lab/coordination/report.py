"""The evaluation of coordination for people: tables in the terminal; a folder with JSON, pictures
and one page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from streams.errors import UsageError
from streams.lab.coordination.document import ALL, METHODS, PULSE, Document, Measure, dumped
from streams.lab.coordination.pictures import pictures
from streams.lab.report import said
from streams.lab.svg import tag

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
        _targets(document),
    ):
        console.print()
        console.print(table)


def write(document: Document, folder: Path) -> list[Path]:
    """coordination.json, the pictures, and coordination.html that shows them; the files written.

    Raises:
        UsageError: the folder cannot be written.
    """
    drawn = pictures(document)
    files = {"coordination.json": dumped(document), **drawn}
    files["coordination.html"] = _page(document, drawn)
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


def _cells(d: Document) -> list[tuple[str, str]]:
    """(background, scenario) of every scenario with campaigns."""
    return [(row.background, row.scenario) for row in d.find("pr_auc", method=PULSE, strength=ALL)]


def _areas(d: Document) -> Table:
    table = _table("Area under the precision-recall curve of accounts (in brackets 95 %)", "")
    for title in METHODS.values():
        table.add_column(title, justify="right", no_wrap=True)
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
    table = _table("Accounts named in clusters by Usage Pulse", "", *heads)
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
    table = _table("By strength of the campaign", "", *heads)
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
    table = Table(
        title="Best settings of the public methods, in hindsight",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2),
    )
    for head in ("", METHODS["co-sharing tuned"], METHODS["similarity tuned"]):
        table.add_column(head, no_wrap=True)
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
    table = _table(title, "", "accounts", "clusters", *(METHODS[m] for m in methods))
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


def _targets(d: Document) -> Table:
    table = _table("Targets", "target", "wanted", "measured", "n", "")
    for target in d.targets:
        table.add_row(
            target.name,
            target.wanted,
            said(target.figure, "{:.3f}"),
            str(target.figure.n),
            "[green]reached[/]" if target.reached else "[red]not reached[/]",
        )
    return table


_STYLE = """
:root { color-scheme: light dark; --ground: #f7f7f5; --text: #1b1c1e; --muted: #63676e; }
@media (prefers-color-scheme: dark) { :root { --ground: #141517; --text: #ececea;
  --muted: #a2a7af; } }
body { margin: 24px auto; max-width: 900px; padding: 0 16px; background: var(--ground);
  color: var(--text); font: 14px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; border-radius: 8px; } figure { margin: 18px 0; }
td, th { text-align: left; padding: 3px 14px 3px 0; } p { color: var(--muted); }
"""


def _page(document: Document, drawn: dict[str, str]) -> str:
    """One HTML page without script: facts, pictures, targets."""
    head = tag("tr", *(tag("th", name) for name in ("target", "wanted", "measured (95 %)", "")))
    cells = [
        tag(
            "tr",
            tag("td", target.name),
            tag("td", target.wanted.replace("<", "&lt;").replace(">", "&gt;")),
            tag("td", said(target.figure)),
            tag("td", "reached" if target.reached else "not reached"),
        )
        for target in document.targets
    ]
    body = [
        tag("h1", _TITLE),
        tag("p", facts(document)),
        *(tag("figure", picture) for picture in drawn.values()),
        tag("table", head, *cells),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_TITLE}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )
