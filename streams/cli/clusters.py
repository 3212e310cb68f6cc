"""`pulse clusters`: which accounts of a table of actions act together, from CSV to CSV.

ACTIONS.csv -> read, checked, in order of time -> a method -> ACCOUNTS.csv, PAIRS.csv, a summary
               streams.traffic.actions            clusters_methods      clusters_report
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from streams.cli.files import Line, distinct, opened_input, opened_output
from streams.cli.options import as_json, json_option
from streams.errors import UsageError

if TYPE_CHECKING:
    from streams.cli.clusters_decide import Rules
    from streams.cli.clusters_found import Found
    from streams.traffic.actions import Actions

__all__ = ["clusters"]

FORMATS = ("actions", "coortweet")
METHODS = ("coordination", "co-sharing")


@click.command()
@click.argument("source", metavar="ACTIONS.csv")
@click.option(
    "--output",
    required=True,
    metavar="ACCOUNTS.csv",
    help="Where to write account_id,cluster_id,score; - for standard output.",
)
@click.option(
    "--pairs",
    metavar="PAIRS.csv",
    help="Where to write account_a,account_b,score of the tied pairs; - for standard output.",
)
@click.option("--kinds", metavar="KIND,...", help="Only these signals count; all others do not.")
@click.option(
    "--policy",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Thresholds and known groups of this policy: its tables coordination and known_groups.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default=METHODS[0],
    show_default=True,
    help="co-sharing is the classic counter: two accounts are tied when they share an object "
    "within --window seconds.",
)
@click.option(
    "--window",
    type=float,
    metavar="SECONDS",
    help="Of --method co-sharing: this far apart is still together.  [default: 60]",
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    metavar="N",
    help="Of --method co-sharing: a pair is tied from so many repetitions on.  [default: 1]",
)
@click.option(
    "--as",
    "format_",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="What the columns are called: coortweet is object_id,account_id,content_id,"
    "timestamp_share, one kind of signal.",
)
@click.option(
    "--skip-bad", is_flag=True, help="Leave out rows that cannot be read, and say how many."
)
@json_option
def clusters(
    source: str,
    output: str,
    pairs: str | None,
    kinds: str | None,
    policy: Path | None,
    method: str,
    window: float | None,
    repeats: int | None,
    format_: str,
    skip_bad: bool,
    json_: bool,
) -> None:
    """Find the accounts that act together in a table of actions.

    ACTIONS.csv (- for standard input; gzip is unpacked) has the columns
    account_id,signal,object_id,timestamp in any order: account did something at this time (Unix
    seconds, fractions allowed) with this object, and signal names the kind of object, as template,
    network or payment. Other columns are ignored. Rows in another order than that of time are
    sorted.

    ACCOUNTS.csv has every account of the input, best score first; cluster_id is 1, 2, 3... from the
    largest cluster on, and empty for an account that is in none. A cluster needs two independent
    kinds of signal, timing being one; where the file has one kind only, that kind is enough.

    It is read once, at any length: names of accounts stay in memory, actions lie in the temporary
    directory (21 bytes each). After an error neither file is written.

    Example: pulse clusters actions.csv.gz --output accounts.csv --pairs pairs.csv
    """
    windowed = method == METHODS[1]
    if policy is not None and windowed:
        raise UsageError("option --policy: not with --method co-sharing")
    for option, value in (("--window", window), ("--repeats", repeats)):
        if value is not None and not windowed:
            raise UsageError(f"option {option}: only with --method co-sharing")
    if window is not None and not 0.0 <= window <= 31 * 86_400:
        raise UsageError(f"option --window: expected 0 to 2678400 seconds, got {window:g}")
    how = _How(
        format=format_,
        kinds=None if kinds is None else _names(kinds),
        skip_bad=skip_bad,
        window_s=(60.0 if window is None else window) if windowed else None,
        repeats=repeats or 1,
        policy=policy,
    )
    _check_places(source, output, pairs, json_)
    with ExitStack() as stack:
        file = stack.enter_context(opened_input(source))
        # All of both is written before either appears under its name.
        out = stack.enter_context(opened_output(output))
        beside = stack.enter_context(opened_output(pairs, "--pairs")) if pairs else None
        summary = _run(how, file, out, beside, json_)
    click.echo(summary, err=not json_ and "-" in (output, pairs))


@dataclass(frozen=True, slots=True)
class _How:
    format: str
    kinds: frozenset[str] | None
    skip_bad: bool
    window_s: float | None  # of co-sharing; None is the other method
    repeats: int
    policy: Path | None


def _run(
    how: _How, source: tuple[IO[bytes], str, int], out: IO[str], beside: IO[str] | None, json_: bool
) -> str:
    """Read, find and write; the summary."""
    from streams.cli.clusters_report import as_object, lines, write_accounts, write_pairs

    started = time.monotonic()
    rules = _rules(how.policy)
    line = Line("actions")
    with _read(how, source, line) as actions:
        line.begin("compared")
        found = _find(how, actions, rules, lambda rows: line.tell(rows, rows / actions.rows))
        line.begin("writing")
        write_accounts(out, actions, found)
        if beside is not None:
            write_pairs(beside, actions, found)
        line.end()
        seconds = time.monotonic() - started
        if json_:
            return as_json(as_object(actions, found, seconds))
        return "\n".join(lines(actions, found, seconds))


@contextmanager
def _read(how: _How, source: tuple[IO[bytes], str, int], line: Line) -> Iterator[Actions]:
    from streams.traffic.actions import read_actions
    from streams.traffic.actions_cells import ACTIONS, COORTWEET

    file, name, size = source
    line.begin("read")

    def progress(rows: int, read: int) -> None:
        line.tell(rows, read / size if size else None)

    columns = COORTWEET if how.format == "coortweet" else ACTIONS
    with read_actions(
        file, name, columns=columns, kinds=how.kinds, skip_bad=how.skip_bad, progress=progress
    ) as actions:
        line.end()
        if actions.skipped:
            click.echo(
                f"{name}: {actions.skipped:,} bad rows left out, {actions.first_bad}", err=True
            )
        if actions.disordered:
            rows = f"{actions.disordered:,} rows are older than one before them"
            click.echo(f"{name}: {rows}: sorted by time", err=True)
        yield actions


def _rules(policy: Path | None) -> Rules:
    from streams.cli.clusters_decide import Rules
    from streams.policy.load import load

    # Past traffic may be judged with a policy whose entries have expired since.
    return Rules() if policy is None else Rules.of(load(policy, today=None))


def _find(how: _How, actions: Actions, rules: Rules, progress: Callable[[int], None]) -> Found:
    from streams.cli.clusters_methods import co_sharing, coordination

    if how.window_s is not None:
        return co_sharing(actions, how.window_s, how.repeats, progress)
    return coordination(actions, rules, progress)


def _check_places(source: str, output: str, pairs: str | None, json_: bool) -> None:
    places = {"ACTIONS.csv": source, "option --output": output}
    if pairs is not None:
        places["option --pairs"] = pairs
    if source == "-":  # standard input is no place to write to
        del places["ACTIONS.csv"]
    distinct(places)
    if json_ and "-" in (output, pairs):
        raise UsageError("option --json: its summary and a result cannot both be standard output")


def _names(text: str) -> frozenset[str]:
    names = frozenset(filter(None, (part.strip() for part in text.split(","))))
    if not names:
        raise UsageError("option --kinds: expected names of signals separated by commas")
    return names
