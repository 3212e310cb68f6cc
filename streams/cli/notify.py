"""`pulse notify`: does a channel work, what was sent, and what to send again."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import as_json, json_option, load_settings, with_store
from streams.errors import UsageError
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.policy.routes import Channel

__all__ = ["notify"]

_LIST = """
SELECT notification_id, made_at, event, severity, channel, state, attempts, next_at, sent_at,
       error, incident_id, account_id, org_id, kind, title, suppression_id
FROM notifications WHERE {every} OR state = 'failed'
ORDER BY made_at DESC, notification_id LIMIT {limit}"""


@click.group()
def notify() -> None:
    """Messages to people: test a channel, list what was sent, send again what was given up."""


@notify.command()
@click.argument("channel")
@click.option("--policy", metavar="FILE", help="Policy that names the channel.")
@click.pass_context
def test(ctx: click.Context, channel: str, policy: str | None) -> None:
    """Send a test message to CHANNEL and say what came of it; exit code 1 when it was not taken.

    The address is read from where the policy says it stands, as the worker does, and not shown.
    """
    from streams.alerting.notify import words
    from streams.alerting.notify.channels import Letter, deliver

    found = _channel(load_settings(ctx, policy=policy), channel)
    now = time.time_ns()
    fields = words.example(now // 1_000_000)
    letter = Letter(
        identity=f"test-{now}",
        incident=f"test-{now}",
        title=words.filled(found.title, fields),
        body=words.filled(found.body, fields),
        severity="",
        resolved=False,
    )
    started = time.monotonic()
    deliver(found, letter)
    click.echo(f"channel {channel}: took the message in {time.monotonic() - started:.1f} s")


@notify.command("list")
@click.option("--failed", is_flag=True, help="Only those that were given up.")
@click.option("--last", "limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@with_store
@json_option
def list_(settings: Settings, failed: bool, limit: int, json_: bool) -> None:
    """List messages, the newest first: to which channel, and what became of them."""
    from streams.cli.sql import answer
    from streams.storage.base import expand

    sql = expand(_LIST, {"every": not failed, "limit": limit})
    text = answer(settings, sql, "JSONEachRow").decode("utf-8", "replace")
    found = [json.loads(line) for line in text.splitlines() if line]
    if json_:
        click.echo(as_json(found))
        return
    for row in found:
        click.echo(_line(row))
    if not found:
        click.echo("no message was given up" if failed else "no message was made yet")


@notify.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--failed", is_flag=True, help="All that were given up.")
@with_store
def retry(settings: Settings, ids: tuple[str, ...], failed: bool) -> None:
    """Send messages again that were given up, or that wait for their next try.

    A running worker sends them within seconds, otherwise the next one that starts.
    """
    if bool(ids) == failed:
        raise UsageError("expected ids of messages (pulse notify list), or --failed for all")
    count = int(_again(settings, list(ids), failed))
    click.echo(f"{count} message{'s' * (count != 1)} due again")


def _channel(settings: Settings, name: str) -> Channel:
    from datetime import UTC, datetime

    from streams.policy.problems import nearest
    from streams.policy.watch import PolicyFile

    policy = PolicyFile(settings.policy).start(datetime.now(UTC).date())
    for channel in policy.channels:
        if channel.name == name:
            return channel
    known = [channel.name for channel in policy.channels]
    where = settings.policy or "the built-in policy"
    expected = nearest(name, known) if known else "it has no [[channels]]"
    raise UsageError(f"{where}: unknown channel {name!r}; {expected}")


def _again(settings: Settings, ids: list[str], failed: bool) -> str:
    """Done here, or by the worker that owns the data directory."""
    from streams.alerting.notify.again import performed
    from streams.cli.opening import here_or_by_owner
    from streams.storage import socket

    message = {"do": "retry", "ids": ids, "failed": failed}
    return here_or_by_owner(
        settings,
        lambda store: performed(store, lambda: time.time_ns() // 1_000_000, message),
        lambda path: socket.do(path, message),
    )


def _line(row: dict[str, Any]) -> str:
    state = row["state"]
    if state in ("due", "failed") and row["error"]:
        state += f" after {row['attempts']} attempts: {row['error']}"
    elif state == "silenced":
        state += f" by {row['suppression_id']}"
    elif state == "grouped":
        state = f"told with the cluster's incident {row['suppression_id']}"
    return (
        f"{row['notification_id']}  {row['made_at']}  {row['title']}\n    {row['channel']}: {state}"
    )
