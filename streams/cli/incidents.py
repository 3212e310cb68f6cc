"""`pulse incidents`: what needs somebody, and what people say about it."""

from __future__ import annotations

import getpass
import re
import time
from typing import Any

import click

from streams.cli.options import json_option, tell, with_store
from streams.errors import UsageError
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
@with_store
@json_option
def list_(settings: Settings, all_: bool, limit: int, json_: bool) -> None:
    """List open incidents, the worst first."""
    from streams.cli.incident_rows import lines, listed

    found = listed(settings, all_, limit)
    tell(found, lines, json_=json_)


@incidents.command()
@click.argument("incident", metavar="ID")
@with_store
@json_option
def show(settings: Settings, incident: str, json_: bool) -> None:
    """Show an incident: sentence, numbers, what people said, and the SQL behind it."""
    from streams.cli.incident_rows import shown, story

    found = shown(settings, incident)
    tell(found, story, json_=json_)


@incidents.command()
@click.argument("incident", metavar="ID")
@_by
@_note
@with_store
def ack(settings: Settings, incident: str, by: str | None, note: str) -> None:
    """Acknowledge: somebody looks at it."""
    _decide(settings, "acknowledge", by, incident_id=incident, note=note)
    click.echo(f"{incident}: acknowledged by {_who(by)}")


@incidents.command()
@click.argument("incident", metavar="ID")
@click.argument("owner")
@_by
@with_store
def assign(settings: Settings, incident: str, owner: str, by: str | None) -> None:
    """Give it an owner."""
    _decide(settings, "assign", by, incident_id=incident, owner=owner)
    click.echo(f"{incident}: now {owner}'s")


@incidents.command()
@click.argument("incident", metavar="ID")
@_by
@_note
@with_store
def resolve(settings: Settings, incident: str, by: str | None, note: str) -> None:
    """Nothing is left to do about it."""
    _decide(settings, "resolve", by, incident_id=incident, note=note)
    click.echo(f"{incident}: resolved by {_who(by)}")


@incidents.command()
@click.argument("incident", metavar="ID")
@click.argument("label", type=click.Choice(["true", "false", "unsure"]))
@_by
@_note
@with_store
def label(settings: Settings, incident: str, label: str, by: str | None, note: str) -> None:
    """Say whether the alarm was right: what every detector's word is worth is counted from it."""
    _decide(settings, "label", by, incident_id=incident, label=label, note=note)
    click.echo(f"{incident}: labelled {label}")


@incidents.command()
@click.option("--account", "accounts", multiple=True, metavar="PATTERN")
@click.option("--org", "orgs", multiple=True, metavar="PATTERN")
@click.option("--kind", "kinds", multiple=True, metavar="KIND")
@click.option("--for", "span", required=True, metavar="TIME", help="As 30m, 8h or 7d.")
@click.option("--reason", required=True, help="Why nobody needs to hear of it.")
@click.option("--owner", default=None, metavar="NAME", help="Who answers for it (default: --by).")
@_by
@with_store
def silence(
    settings: Settings,
    accounts: tuple[str, ...],
    orgs: tuple[str, ...],
    kinds: tuple[str, ...],
    span: str,
    reason: str,
    owner: str | None,
    by: str | None,
) -> None:
    """Send no notification about these for a while; incidents open all the same."""
    name = _decide(
        settings,
        "silence",
        by,
        accounts=list(accounts),
        orgs=list(orgs),
        kinds=list(kinds),
        owner=owner or _who(by),
        reason=reason,
        expires_at=_now_ms() + _span_ms(span),
    )
    click.echo(f"silence {name} for {span}; end it with `pulse incidents unsilence {name}`")


@incidents.command()
@click.argument("silence", metavar="ID")
@_by
@with_store
def unsilence(settings: Settings, silence: str, by: str | None) -> None:
    """End a silence now."""
    _decide(settings, "revoke", by, suppression_id=silence)
    click.echo(f"silence {silence}: ended")


@incidents.command()
@with_store
@json_option
def silences(settings: Settings, json_: bool) -> None:
    """List the silences in force, and how much each has held back."""
    from streams.cli.incident_rows import silence_lines, silenced

    found = silenced(settings, _now_ms())
    tell(found, silence_lines, json_=json_)


def _decide(settings: Settings, do: str, by: str | None, **what: object) -> str:
    """What a person decided, on the store or through the worker that owns it; its answer."""
    from streams.alerting.people import People, perform
    from streams.cli.opening import here_or_by_owner
    from streams.storage import socket

    message = {"do": do, "by": _who(by), **what}
    return here_or_by_owner(
        settings,
        lambda store: perform(People(store, _now_ms), message),
        lambda path: socket.do(path, message),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _who(by: str | None) -> str:
    return by or getpass.getuser()


def _span_ms(text: str) -> int:
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--for {text}: expected a time as 30m, 8h or 7d")
    return round(float(found[1]) * _SECONDS[found[2]] * 1000)
