"""`pulse evaluate`: the labelled scenario lab in a terminal; figures, pictures, detector cards."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.evaluate_coordination import coordination
from streams.cli.evaluating import (
    ENVIRONMENT,
    cards_option,
    ended,
    from_environment,
    output_option,
    progress,
    seed_option,
)
from streams.cli.options import json_option
from streams.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detectors.calibration import Reference

__all__ = ["evaluate"]

FULL, QUICK = 340, 150
FULL_DAYS, QUICK_DAYS, QUICK_CALIBRATION_DAYS = 14, 7, 4


@click.group(invoke_without_command=True)
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
    help=f"Accounts in each of the two halves; {FULL} take some minutes.  [default: {FULL}, with "
    f"--quick {QUICK}]",
)
@click.option(
    "--days",
    type=click.IntRange(QUICK_DAYS, FULL_DAYS),
    help=f"Length of the played span.  [default: {FULL_DAYS}, with --quick {QUICK_DAYS}]",
)
@seed_option
@output_option("evaluation")
@click.option("--only", metavar="SCENARIO", default="", help="Plant this kind of scenario alone.")
@cards_option("detector cards")
@click.option(
    "--write-reference",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write what both halves teach the calibration, for populations without a history.",
)
@json_option
@click.pass_context
def evaluate(
    ctx: click.Context,
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

    That is the lab of single accounts; `pulse evaluate coordination` is that of groups.
    """
    if ctx.invoked_subcommand is not None:
        _nothing_before(ctx)
        return
    from streams.lab.cards import write_cards
    from streams.lab.figures import dumped
    from streams.lab.report import print_report, write
    from streams.lab.run import Spec
    from streams.lab.run import evaluate as run

    _known(only)
    spec = Spec(
        accounts=accounts or (QUICK if quick else FULL),
        days=days or (QUICK_DAYS if quick else FULL_DAYS),
        calibration_days=QUICK_CALIBRATION_DAYS if quick else FULL_DAYS,
        seed=seed,
        traces=traces or from_environment(),
        only=only,
    )
    begin = time.monotonic()
    evaluation, references = run(spec, progress(begin))
    written = write(evaluation, output)
    if cards is not None:
        written += write_cards(evaluation, cards)
    if write_reference is not None:
        written.append(_written(write_reference, references))
    if json_:
        click.echo(dumped(evaluation), nl=False)
        return
    ended(lambda console: print_report(console, evaluation), written, begin)


evaluate.add_command(coordination)


def _nothing_before(ctx: click.Context) -> None:
    """Options in front of a lab's name would be lost without a word."""
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if source == click.core.ParameterSource.COMMANDLINE:
            option = parameter.opts[0]
            raise UsageError(
                f"option {option}: expected behind the name: "
                f"pulse evaluate {ctx.invoked_subcommand} {option} ..."
            )


def _known(only: str) -> None:
    from streams.lab.plan import SCENARIOS

    names = list(dict.fromkeys(scenario.name for scenario in SCENARIOS))
    if only and only not in names:
        raise UsageError(f"option --only: expected one of {', '.join(names)}, got {only!r}")


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
