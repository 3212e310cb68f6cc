"""How both labs show what they measured: a figure in words, tables, the page, the folder.

Stands between the documents and the reports and cards, which say what is worth a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.table import Table

from streams.errors import UsageError
from streams.lab.figures import Target
from streams.lab.resample import Figure
from streams.lab.svg import tag

__all__ = ["markdown", "page", "plain_table", "said", "saved", "targets_table"]

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #f7f7f5; --text: #1b1c1e; --muted: #63676e; }
@media (prefers-color-scheme: dark) { :root { --ground: #141517; --text: #ececea;
  --muted: #a2a7af; } }
body { margin: 24px auto; max-width: 900px; padding: 0 16px; background: var(--ground);
  color: var(--text); font: 14px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; border-radius: 8px; } figure { margin: 18px 0; }
td, th { text-align: left; padding: 3px 14px 3px 0; } p { color: var(--muted); }
"""


def said(figure: Figure, form: str = "{:.2f}") -> str:
    """A figure with its interval, as `.61 (.55 to .67)`."""
    if math.isnan(figure.value):
        return "-"
    parts = [form.format(value) for value in (figure.value, figure.low, figure.high)]
    if form == "{:.2f}" and all(part.startswith("0") for part in parts):
        parts = [part[1:] for part in parts]
    return f"{parts[0]} ({parts[1]} to {parts[2]})"


def plain_table(title: str, *columns: str) -> Table:
    """A table for a terminal: names in the first column, numbers in the others."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2))
    made.add_column(columns[0], no_wrap=True)
    for name in columns[1:]:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def targets_table(targets: Iterable[Target], form: str = "{:.2f}") -> Table:
    """What was to be reached, beside what was measured, for a terminal."""
    made = plain_table("Targets", "target", "wanted", "measured", "n", "")
    for target in targets:
        made.add_row(
            target.name,
            target.wanted,
            said(target.figure, form),
            str(target.figure.n),
            "[green]reached[/]" if target.reached else "[red]not reached[/]",
        )
    return made


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of a card."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def page(
    title: str, heading: str, facts: str, pictures: Iterable[str], targets: Iterable[Target]
) -> str:
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
        for target in targets
    ]
    body = [
        tag("h1", heading),
        tag("p", facts),
        *(tag("figure", picture) for picture in pictures),
        tag("table", head, *cells),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def saved(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Writes the texts by the names of their files; the files written.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"option --output: {error.filename}: {error.strerror}") from None
    return [folder / name for name in files]
