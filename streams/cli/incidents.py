"""`pulse incidents`: what needs somebody, and what people say about it."""

from __future__ import annotations

import getpass
import re
import time
from pathlib import Path
from typing import Any

import click

from streams.cli.options import as_json, data_option, json_option, load_settings, store_option
from streams.errors import DataDirectoryLocked, UsageError
from streams.settings import Settings

__all__ = ["incidents"]

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(m|h|d)")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


@click.group()
def incidents() -> None:
    """What needs somebody, and what people say about it."""


def _by(command: Any) -> Any:
    return click.option(
        "--by", metavar="NAME", default=None, help="Who says so (default: the user's name)."
    )(command)


def _note(command: Any) -> Any:
    return click.option("--note", default="", help="A remark for the next shift.")(command)


@incidents.command("list")
@click.option("--all", "all_", is_flag=True, help="Resolved ones as well.")
@click.option("--last", "limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@data_option
@store_option
@json_option
@click.pass_context
def list_(
    ctx: click.Context, all_: bool, limit: int, data: str | None, store: str | None, json_: bool
) -> None:
    """List open incidents, the worst first."""
    from streams.cli.incident_rows import lines, listed

    found = listed(load_settings(ctx, data=data, store=store), all_, limit)
    if json_:
        click.echo(as_json(found))
        return
    for line in lines(found):
        click.echo(line)


@incidents.command()
@click.argument("incident", metavar="ID")
@data_option
@store_option
@json_option
@click.pass_context
def show(
    ctx: click.Context, incident: str, data: str | None, store: str | None, json_: bool
) -> None:
    """Show an incident: sentence, numbers, what people said, and the SQL behind it."""
    from streams.cli.incident_rows import shown, story

    found = shown(load_settings(ctx, data=data, store=store), incident)
    if json_:
        click.echo(as_json(found))
        return
    for line in story(found):
        click.echo(line)


@incidents.command()
@click.argument("incident", metavar="ID")
@_by
@_note
@data_option
@store_option
@click.pass_context
def ack(
    ctx: click.Context,
    incident: str,
    by: str | None,
    note: str,
    data: str | None,
    store: str | None,
) -> None:
    """Acknowledge: somebody looks at it."""
    settings = load_settings(ctx, data=data, store=store)
    _do(settings, {"do": "acknowledge", "incident_id": incident, "by": _who(by), "note": note})
    click.echo(f"{incident}: acknowledged by {_who(by)}")


@incidents.command()
@click.argument("incident", metavar="ID")
@click.argument("owner")
@_by
@data_option
@store_option
@click.pass_context
def assign(
    ctx: click.Context,
    incident: str,
    owner: str,
    by: str | None,
    data: str | None,
    store: str | None,
) -> None:
    """Give it an owner."""
    settings = load_settings(ctx, data=data, store=store)
    _do(settings, {"do": "assign", "incident_id": incident, "owner": owner, "by": _who(by)})
    click.echo(f"{incident}: now {owner}'s")


@incidents.command()
@click.argument("incident", metavar="ID")
@_by
@_note
@data_option
@store_option
@click.pass_context
def resolve(
    ctx: click.Context,
    incident: str,
    by: str | None,
    note: str,
    data: str | None,
    store: str | None,
) -> None:
    """Nothing is left to do about it."""
    settings = load_settings(ctx, data=data, store=store)
    _do(settings, {"do": "resolve", "incident_id": incident, "by": _who(by), "note": note})
    click.echo(f"{incident}: resolved by {_who(by)}")


@incidents.command()
@click.argument("incident", metavar="ID")
@click.argument("label", type=click.Choice(["true", "false", "unsure"]))
@_by
@_note
@data_option
@store_option
@click.pass_context
def label(
    ctx: click.Context,
    incident: str,
    label: str,
    by: str | None,
    note: str,
    data: str | None,
    store: str | None,
) -> None:
    """Say whether the alarm was right: what every detector's word is worth is counted from it."""
    message = {"do": "label", "incident_id": incident, "label": label, "by": _who(by), "note": note}
    _do(load_settings(ctx, data=data, store=store), message)
    click.echo(f"{incident}: labelled {label}")


@incidents.command()
@click.option("--account", "accounts", multiple=True, metavar="PATTERN")
@click.option("--org", "orgs", multiple=True, metavar="PATTERN")
@click.option("--kind", "kinds", multiple=True, metavar="KIND")
@click.option("--for", "span", required=True, metavar="TIME", help="As 30m, 8h or 7d.")
@click.option("--reason", required=True, help="Why nobody needs to hear of it.")
@click.option("--owner", default=None, metavar="NAME", help="Who answers for it (default: --by).")
@_by
@data_option
@store_option
@click.pass_context
def silence(
    ctx: click.Context,
    accounts: tuple[str, ...],
    orgs: tuple[str, ...],
    kinds: tuple[str, ...],
    span: str,
    reason: str,
    owner: str | None,
    by: str | None,
    data: str | None,
    store: str | None,
) -> None:
    """Send no notification about these for a while; incidents open all the same."""
    message = {
        "do": "silence",
        "accounts": list(accounts),
        "orgs": list(orgs),
        "kinds": list(kinds),
        "owner": owner or _who(by),
        "reason": reason,
        "expires_at": time.time_ns() // 1_000_000 + _span_ms(span),
        "by": _who(by),
    }
    name = _do(load_settings(ctx, data=data, store=store), message)
    click.echo(f"silence {name} for {span}; end it with `pulse incidents unsilence {name}`")


@incidents.command()
@click.argument("silence", metavar="ID")
@_by
@data_option
@store_option
@click.pass_context
def unsilence(
    ctx: click.Context, silence: str, by: str | None, data: str | None, store: str | None
) -> None:
    """End a silence now."""
    settings = load_settings(ctx, data=data, store=store)
    _do(settings, {"do": "revoke", "suppression_id": silence, "by": _who(by)})
    click.echo(f"silence {silence}: ended")


@incidents.command()
@data_option
@store_option
@json_option
@click.pass_context
def silences(ctx: click.Context, data: str | None, store: str | None, json_: bool) -> None:
    """List the silences in force, and how much each has held back."""
    from streams.cli.incident_rows import silence_lines, silenced

    found = silenced(load_settings(ctx, data=data, store=store), time.time_ns() // 1_000_000)
    if json_:
        click.echo(as_json(found))
        return
    for line in silence_lines(found):
        click.echo(line)


def _do(settings: Settings, message: dict[str, Any]) -> str:
    """Done here, or by the worker that owns the data directory."""
    from streams.alerting.people import People, perform
    from streams.cli.opening import opened
    from streams.storage.socket import SOCKET_NAME, do

    if not settings.store and not Path(settings.data).is_dir():
        raise UsageError(f"{settings.data}: no such data directory")
    try:
        with opened(settings, wait=0.5) as store:
            return perform(People(store, lambda: time.time_ns() // 1_000_000), message)
    except DataDirectoryLocked:
        return do(Path(settings.data) / SOCKET_NAME, message)


def _who(by: str | None) -> str:
    return by or getpass.getuser()


def _span_ms(text: str) -> int:
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--for {text}: expected a time as 30m, 8h or 7d")
    return round(float(found[1]) * _SECONDS[found[2]] * 1000)
