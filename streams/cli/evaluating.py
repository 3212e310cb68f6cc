"""What the labs of `pulse evaluate` share: options, traces, progress, what was written."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import Command
from streams.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "ENVIRONMENT",
    "cards_option",
    "ended",
    "from_environment",
    "output_option",
    "progress",
    "seed_option",
]

ENVIRONMENT = "USAGE_TRACES"


def seed_option(command: Command) -> Command:
    """`--seed N`."""
    return click.option(
        "--seed",
        type=click.IntRange(0),
        default=1,
        show_default=True,
        help="Same seed, same figures.",
    )(command)


def output_option(name: str) -> Callable[[Command], Command]:
    """`--output DIR`, where NAME.json, the pictures and NAME.html go."""
    return click.option(
        "--output",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("artifacts/evaluation"),
        show_default=True,
        metavar="DIR",
        help=f"Where {name}.json, the pictures and {name}.html go.",
    )


def cards_option(what: str) -> Callable[[Command], Command]:
    """`--cards DIR`."""
    return click.option(
        "--cards",
        type=click.Path(file_okay=False, exists=True, path_type=Path),
        metavar="DIR",
        help=f"Also write the {what} (docs/detectors) of the repository in DIR.",
    )


def from_environment() -> Path | None:
    folder = os.environ.get(ENVIRONMENT)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise UsageError(f"environment {ENVIRONMENT}: expected a directory, got {folder!r}")
    return Path(folder)


def progress(begin: float) -> Callable[[str, float], None]:
    """One line on a terminal; elsewhere one line a stage."""
    last = ""

    def told(stage: str, done: float) -> None:
        nonlocal last
        spent = time.monotonic() - begin
        if sys.stderr.isatty():
            left = f", {spent / done - spent:,.0f} s left" if 0.02 < done < 1.0 else ""
            click.echo(f"\r\x1b[K{done:4.0%}  {stage}{left}", nl=False, err=True)
            if done >= 1.0:
                click.echo("\r\x1b[K", nl=False, err=True)
        elif stage != last:
            click.echo(f"{spent:5.0f} s  {stage}", err=True)
        last = stage

    return told


def ended(report: Callable[[Console], None], written: list[Path], begin: float) -> None:
    """The report on standard output, and where it is kept."""
    from rich.console import Console

    # A pipe has no width of its own; tables cut to 80 columns would lose the intervals.
    report(Console() if sys.stdout.isatty() else Console(width=200))
    click.echo(f"\n{time.monotonic() - begin:,.0f} s; written: {_listed(written)}")


def _listed(files: list[Path]) -> str:
    folders: dict[Path, list[str]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file.name)
    return "; ".join(f"{folder}: {', '.join(names)}" for folder, names in folders.items())
