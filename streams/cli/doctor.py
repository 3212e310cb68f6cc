"""`pulse doctor`: everything this program needs, what is off, and how to mend it."""

from __future__ import annotations

import click

from streams.cli.options import (
    as_json,
    broker_option,
    data_option,
    json_option,
    load_settings,
    store_option,
)

__all__ = ["doctor"]

COLOURS = {"ok": "green", "note": "cyan", "off": "red"}


@click.command()
@data_option
@store_option
@broker_option
@json_option
@click.pass_context
def doctor(
    ctx: click.Context, data: str | None, store: str | None, broker: str | None, json_: bool
) -> None:
    """Check everything this program needs and say how to mend it.

    Exits with 1 when something needed is off. Changes nothing.
    """
    from streams.cli.checks import examine

    settings = load_settings(ctx, data=data, store=store, broker=broker)
    found = []
    for check in examine(settings):
        found.append(check)
        if not json_:
            state = click.style(f"{check.state:4}", COLOURS[check.state])
            click.echo(f"{state}  {check.name}: {check.found}")
            if check.mend:
                click.echo(f"      -> {check.mend}")
    off = [check.name for check in found if check.state == "off"]
    if json_:
        rows = [{"name": c.name, "state": c.state, "found": c.found, "mend": c.mend} for c in found]
        click.echo(as_json({"ok": not off, "checks": rows}))
    elif off:
        click.echo(f"off: {', '.join(off)}")
    else:
        click.echo("all is well")
    if off:
        ctx.exit(1)
