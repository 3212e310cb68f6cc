"""`pulse settings`: every setting and the value in force; secrets stay masked."""

from __future__ import annotations

from urllib.parse import urlsplit

import click

from streams.cli.options import (
    as_json,
    broker_option,
    data_option,
    json_option,
    load_settings,
    store_option,
)
from streams.settings import PREFIX, Setting, describe

__all__ = ["settings"]

MASK = "********"


@click.command()
@data_option
@store_option
@broker_option
@json_option
@click.pass_context
def settings(
    ctx: click.Context, data: str | None, store: str | None, broker: str | None, json_: bool
) -> None:
    """Every setting with the value it has now.

    A star marks what differs from the default. Secrets are masked; set them in the environment,
    or name a file that holds them in PULSE_<NAME>_FILE.
    """
    in_force = load_settings(ctx, data=data, store=store, broker=broker)
    values = {setting.name: getattr(in_force, setting.name) for setting in describe()}
    if json_:
        rows = [_as_dict(setting, values[setting.name]) for setting in describe()]
        click.echo(as_json(rows))
        return
    for setting in describe():
        value = values[setting.name]
        star = "*" if value != setting.default else " "
        unit = f" {setting.unit}" if setting.unit else ""
        click.echo(f"{star} {setting.name} = {_shown(setting, value)!s}{unit}")
        click.echo(f"    {setting.sentence}")


def _as_dict(setting: Setting, value: object) -> dict[str, object]:
    return {
        "name": setting.name,
        "value": _masked(setting, value),
        "default": setting.default,
        "unit": setting.unit,
        "environment": PREFIX + setting.name.upper(),
        "sentence": setting.sentence,
        "secret": setting.secret,
    }


def _shown(setting: Setting, value: object) -> object:
    masked = _masked(setting, value)
    return '""' if masked == "" else masked


def _masked(setting: Setting, value: object) -> object:
    """The value without secrets, also without a password that somebody put into an address."""
    if setting.secret:
        return MASK if value else ""
    if isinstance(value, str) and "@" in value and (password := urlsplit(value).password):
        return value.replace(f":{password}@", f":{MASK}@")
    return value
