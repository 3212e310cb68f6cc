"""`pulse evaluate`: the labelled scenario lab in a terminal; figures, pictures, detector cards."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import json_option
from streams.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detectors.calibration import Reference
    from streams.lab.run import Told

__all__ = ["evaluate"]

FULL, QUICK = 2000, 150
FULL_DAYS, QUICK_DAYS, QUICK_CALIBRATION_DAYS = 14, 7, 4
ENVIRONMENT = "USAGE_TRACES"


@click.command()
@click.option(
    "--traces",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="DIR",
    help="Directory with the ServeGen files: accounts are cut from real clients (default: "
    f"the environment's {ENVIRONMENT}, else the built-in population).",
)
@click.option(
    "--quick",
    is_flag=True,
    help=f"{QUICK} accounts a half, {QUICK_DAYS} days: about a minute, wide intervals.",
)
@click.option(
    "--accounts",
    type=click.IntRange(20, 100_000),
    help=f"Accounts in each of the two halves.  [default: {FULL}, with --quick {QUICK}]",
)
@click.option(
    "--days",
    type=click.IntRange(QUICK_DAYS, FULL_DAYS),
    help=f"Length of the played span.  [default: {FULL_DAYS}, with --quick {QUICK_DAYS}]",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same figures."
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("artifacts/evaluation"),
    show_default=True,
    metavar="DIR",
    help="Where evaluation.json, the pictures and evaluation.html go.",
)
@click.option("--only", metavar="SCENARIO", default="", help="Plant this kind of scenario alone.")
@click.option(
    "--cards",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="DIR",
    help="Also write the detector cards (docs/detectors) of the repository in DIR.",
)
@click.option(
    "--write-reference",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write what both halves teach the calibration, for populations without a history.",
)
@json_option
def evaluate(
    traces: Path | None,
    quick: bool,
    accounts: int | None,
    days: int | None,
    seed: int,
    output: Path,
    only: str,
    cards: Path | None,
    write_reference: Path | None,
    json_: bool,
) -> None:
    """The labelled scenario lab: recall, delay, false alarms per detector, with intervals.

    Two populations that share no client are played through the fold: calibrated on one, attacked
    and judged on the other, and the other way round, beside the baselines practitioners use.
    """
    from rich.console import Console

    from streams.lab.cards import write_cards
    from streams.lab.evaluation import dumped
    from streams.lab.report import print_report, write
    from streams.lab.run import Spec
    from streams.lab.run import evaluate as run

    _known(only)
    spec = Spec(
        accounts=accounts or (QUICK if quick else FULL),
        days=days or (QUICK_DAYS if quick else FULL_DAYS),
        calibration_days=QUICK_CALIBRATION_DAYS if quick else FULL_DAYS,
        seed=seed,
        traces=traces or _from_environment(),
        only=only,
    )
    begin = time.monotonic()
    evaluation, references = run(spec, _progress(begin))
    written = write(evaluation, output)
    if cards is not None:
        written += write_cards(evaluation, cards)
    if write_reference is not None:
        written.append(_written(write_reference, references))
    if json_:
        click.echo(dumped(evaluation), nl=False)
        return
    # A pipe has no width of its own; tables cut to 80 columns would lose the intervals.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    print_report(console, evaluation)
    click.echo(f"\n{time.monotonic() - begin:,.0f} s; written: {_listed(written)}")


def _known(only: str) -> None:
    from streams.lab.plan import SCENARIOS

    names = list(dict.fromkeys(scenario.name for scenario in SCENARIOS))
    if only and only not in names:
        raise UsageError(f"option --only: expected one of {', '.join(names)}, got {only!r}")


def _from_environment() -> Path | None:
    folder = os.environ.get(ENVIRONMENT)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise UsageError(f"environment {ENVIRONMENT}: expected a directory, got {folder!r}")
    return Path(folder)


def _progress(begin: float) -> Told:
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


def _written(file: Path, references: Mapping[str, Reference]) -> Path:
    document = {
        name: {
            "quantiles": [
                [round(value, 3) for value in row] for row in reference.quantiles.tolist()
            ],
            "length": [round(value, 3) for value in reference.length.tolist()],
        }
        for name, reference in references.items()
    }
    try:
        file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"option --write-reference: {file}: {error.strerror}") from None
    return file


def _listed(files: list[Path]) -> str:
    folders: dict[Path, list[str]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file.name)
    return "; ".join(f"{folder}: {', '.join(names)}" for folder, names in folders.items())
