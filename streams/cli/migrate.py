"""`pulse migrate`: the tables of the store, brought up to this version of the program."""

from __future__ import annotations

import click

from streams.cli.options import as_json, json_option, with_store
from streams.settings import Settings

__all__ = ["migrate"]


@click.command()
@with_store
@json_option
def migrate(settings: Settings, json_: bool) -> None:
    """Bring the tables of the store up to this version.

    Run it again at will: what is done is not done twice. A store that a newer program migrated is
    refused.
    """
    from streams.cli.opening import opened
    from streams.storage import migrations

    with opened(settings) as connection:
        done = migrations.migrate(connection, settings.retention_days)
    version = len(migrations.load())
    if json_:
        click.echo(as_json({"version": version, "applied": done}))
        return
    for label in done:
        click.echo(f"applied {label}")
    click.echo(f"schema {version:04d}" + ("" if done else ", nothing to do"))
