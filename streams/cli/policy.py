"""`pulse policy`: check a policy file, say in words what it means, compare two of them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from streams.cli.options import (
    as_json,
    data_option,
    json_option,
    load_settings,
    store_option,
    tell,
)
from streams.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.policy.model import Policy
    from streams.policy.population import Ask
    from streams.policy.problems import Problem
    from streams.settings import Settings

__all__ = ["policy"]

BUILT_IN = "default"

_file_argument = click.argument(
    "file", metavar="[FILE]", required=False, type=click.Path(path_type=Path)
)
_at_option = click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day with which expiry dates are compared; today (UTC) if not given.",
)


@click.group()
def policy() -> None:
    """What alarms, and how often that may be wrong: check, explain and compare policies.

    A policy is a TOML file; `pulse policy show` prints one to begin with. Without FILE the one
    that the setting `policy` names is meant, or else the built-in one; the word `default` in place
    of a file means the built-in one, too.
    """


@policy.command()
@_file_argument
@_at_option
@data_option
@store_option
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    file: Path | None,
    at: datetime | None,
    data: str | None,
    store: str | None,
    json_: bool,
) -> None:
    """Check a policy; every mistake is named with its line.

    With --data or --store its lists are compared with the accounts there: a cohort that matches
    nobody is a mistake. Exit codes: 0 right, 2 refused.
    """
    from streams.policy.population import unmatched
    from streams.policy.problems import PolicyError

    settings = load_settings(ctx, data=data, store=store)
    source = _source(settings, file)
    notes: list[Problem] = []
    try:
        found = _loaded(source, _day(at))
        if data is not None or store is not None:
            problems, notes = unmatched(found, _asking(settings), _lines(source))
            if problems:
                raise PolicyError(source, problems)
    except PolicyError as error:
        _refuse(ctx, error.lines(), error.problems, json_=json_)
    if json_:
        click.echo(
            as_json(
                {"ok": True, "version": found.version, "problems": [], "notes": _plain(notes)},
            )
        )
        return
    for note in notes:
        click.echo(note.at(source, "note: "), err=True)
    click.echo(f"{source}: a right policy, version {found.version}: {_size(found)}")


@policy.command()
@_file_argument
@_at_option
@click.option(
    "--accounts",
    type=click.IntRange(1),
    help="Say how often for so many accounts, each active all day.",
)
@data_option
@store_option
@json_option
@click.pass_context
def explain(
    ctx: click.Context,
    file: Path | None,
    at: datetime | None,
    accounts: int | None,
    data: str | None,
    store: str | None,
    json_: bool,
) -> None:
    """Say in words what would alarm, how rare that is, and how often it may be wrong.

    How often depends on the traffic: --data or --store measures it (its last seven days),
    --accounts supposes it.
    """
    from detectors.base import all_detectors
    from streams.policy.explain import explained, lines
    from streams.policy.population import Population, population

    if accounts is not None and (data is not None or store is not None):
        raise UsageError("--accounts and --data or --store: expected one of them")
    settings = load_settings(ctx, data=data, store=store)
    today = _day(at)
    found = _read(ctx, settings, file, today, json_=json_)
    people = Population.of(accounts) if accounts is not None else None
    if data is not None or store is not None:
        people = population(_asking(settings))
        if people is None:
            raise UsageError("the store holds no traffic yet: suppose some with --accounts N")
    told = explained(found, all_detectors(), people, today)
    tell(told, lines, json_=json_)


@policy.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--exit-code", is_flag=True, help="Exit with 1 when they differ.")
@json_option
@click.pass_context
def diff(ctx: click.Context, old: Path, new: Path, exit_code: bool, json_: bool) -> None:
    """Say what changes when the policy NEW follows the policy OLD.

    Thresholds that move because budgets or shares did are told as well. Comments, order and
    values equal to a default make no difference. Expiry dates are not compared with today.
    """
    from streams.policy.differences import differences

    settings = load_settings(ctx)
    before = _read(ctx, settings, old, None, json_=json_)
    after = _read(ctx, settings, new, None, json_=json_)
    found = differences(before, after)
    if json_:
        rows = [{"part": d.part, "name": d.name, "sentence": d.sentence} for d in found]
        click.echo(
            as_json({"old": before.version, "new": after.version, "differences": rows}),
        )
    else:
        for difference in found:
            click.echo(str(difference))
        if not found:
            click.echo(f"the same policy, version {before.version}")
    if found and exit_code:
        ctx.exit(1)


@policy.command()
@_file_argument
@click.option("--bare", is_flag=True, help="Leave the comments out.")
@click.pass_context
def show(ctx: click.Context, file: Path | None, bare: bool) -> None:
    """Print a policy as TOML with everything spelt out; a good beginning for a file of your own.

    Example: pulse policy show default > policy.toml
    """
    from detectors.base import all_detectors
    from streams.policy.template import written

    found = _read(ctx, load_settings(ctx), file, None, json_=False)
    click.echo(written(found, all_detectors(), comments=not bare), nl=False)


@policy.command()
def schema() -> None:
    """Print the JSON schema of policy files, for editors."""
    from streams.policy.schema import text

    click.echo(text(), nl=False)


def _source(settings: Settings, file: Path | None) -> str:
    """The file that is meant, or `BUILT_IN`."""
    return str(file) if file is not None else settings.policy or BUILT_IN


def _loaded(source: str, today: date | None) -> Policy:
    from streams.policy.load import load
    from streams.policy.model import default_policy

    return default_policy() if source == BUILT_IN else load(Path(source), today=today)


def _lines(source: str) -> dict[str, int]:
    from streams.policy.load import content_of, named_lines

    return {} if source == BUILT_IN else named_lines(content_of(Path(source)))


def _read(
    ctx: click.Context, settings: Settings, file: Path | None, today: date | None, *, json_: bool
) -> Policy:
    """The policy, or the end of the command with all its mistakes."""
    from streams.policy.problems import PolicyError

    try:
        return _loaded(_source(settings, file), today)
    except PolicyError as error:
        _refuse(ctx, error.lines(), error.problems, json_=json_)


def _refuse(
    ctx: click.Context, lines: Sequence[str], problems: Sequence[Problem], *, json_: bool
) -> NoReturn:
    """A line for each mistake on standard error (JSON: on standard output), and exit code 2."""
    if json_:
        answer = {"ok": False, "version": None, "problems": _plain(problems), "notes": []}
        click.echo(as_json(answer))
    else:
        for line in lines:
            click.echo(line, err=True)
    ctx.exit(2)


def _plain(problems: Sequence[Problem]) -> list[dict[str, object]]:
    return [{"line": p.line, "name": p.name, "sentence": p.sentence} for p in problems]


def _day(at: datetime | None) -> date:
    return at.date() if at is not None else datetime.now(UTC).date()


def _size(found: Policy) -> str:
    """What is in it, in a few words."""
    enabled = sum(detector.enabled for detector in found.detectors.values())
    parts = [
        f"{enabled} of {len(found.detectors)} detectors",
        *(
            f"{len(part)} {one if len(part) == 1 else many}"
            for part, one, many in (
                (found.cohorts, "cohort", "cohorts"),
                (found.allow, "entry in the allow-list", "entries in the allow-list"),
                (found.known_groups, "known group", "known groups"),
                (found.channels, "channel", "channels"),
                (found.routes, "route", "routes"),
            )
        ),
    ]
    return ", ".join(parts)


def _asking(settings: Settings) -> Ask:
    """Asks the store of `settings`, whoever owns it, as `pulse sql` does."""
    from streams.cli.sql import answer

    def ask(sql: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in answer(settings, sql, "JSONEachRow").splitlines()]

    return ask
