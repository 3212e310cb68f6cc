"""`pulse evaluate coordination`: planted campaigns, hard negatives, public methods beside ours."""

from __future__ import annotations

import time
from pathlib import Path

import click

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

__all__ = ["coordination"]

FULL, QUICK = 1200, 400
FULL_VIRAL, QUICK_VIRAL = 3000, 1000
SEEDS, QUICK_SEEDS = 20, 5


@click.command()
@click.option(
    "--traces",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="DIR",
    help="Directory with the ServeGen and CooRTweet files: backgrounds are real (default: the "
    f"environment's {ENVIRONMENT}, else built-in backgrounds).",
)
@click.option("--quick", is_flag=True, help="Fewer campaigns: within a minute, wide intervals.")
@click.option(
    "--accounts",
    type=click.IntRange(100, 100_000),
    help=f"Honest accounts of the API background.  [default: {FULL}, with --quick {QUICK}]",
)
@seed_option
@output_option("coordination")
@cards_option("detector card")
@json_option
def coordination(
    traces: Path | None,
    quick: bool,
    accounts: int | None,
    seed: int,
    output: Path,
    cards: Path | None,
    json_: bool,
) -> None:
    """Campaigns of several shapes against honest groups: precision, recall, delay, false clusters.

    Campaigns are planted into shares of one kind and into API requests of eight kinds. Beside
    `pulse clusters` and the live flow stand the two public methods, co-sharing in a time window and
    TF-IDF similarity networks, each at its published settings and at its best in hindsight.
    """
    from streams.lab.coordination.card import write_card
    from streams.lab.coordination.report import print_report, write
    from streams.lab.coordination.run import Spec, evaluate
    from streams.lab.figures import dumped

    spec = Spec(
        accounts=accounts or (QUICK if quick else FULL),
        runs=1 if quick else 3,
        api_runs=1 if quick else 2,
        nulls=QUICK_SEEDS if quick else SEEDS,
        viral=QUICK_VIRAL if quick else FULL_VIRAL,
        seed=seed,
        traces=traces or from_environment(),
        quick=quick,
    )
    begin = time.monotonic()
    document = evaluate(spec, progress(begin))
    written = write(document, output)
    if cards is not None:
        written += write_card(document, cards)
    if json_:
        click.echo(dumped(document), nl=False)
        return
    ended(lambda console: print_report(console, document), written, begin)
