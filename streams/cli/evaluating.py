"""What the labs of `pulse evaluate` share on a terminal: traces, progress, what was written."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from streams.errors import UsageError

__all__ = ["ENVIRONMENT", "from_environment", "listed", "progress"]

ENVIRONMENT = "USAGE_TRACES"


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


def listed(files: list[Path]) -> str:
    folders: dict[Path, list[str]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file.name)
    return "; ".join(f"{folder}: {', '.join(names)}" for folder, names in folders.items())
