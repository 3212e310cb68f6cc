"""What the commands share: settings in force, the options that override them, JSON output."""

from __future__ import annotations

import datetime
import functools
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streams.errors import UsageError
from streams.settings import Settings, load

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = [
    "Globals",
    "as_json",
    "broker_option",
    "data_option",
    "json_option",
    "load_settings",
    "require_broker",
    "speed_factor",
    "store_option",
    "tell",
    "with_store",
]

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Globals:
    """Options in front of the command."""

    config: Path | None = None
    debug: bool = False


def load_settings(ctx: click.Context, **overrides: object) -> Settings:
    """Settings in force for this command; an option that was not given (None) overrides nothing."""
    shared = ctx.find_object(Globals) or Globals()
    return load(overrides, file=shared.config)


def data_option(command: Command) -> Command:
    """`--data DIR`."""
    return click.option(
        "--data",
        metavar="DIR",
        shell_complete=_directories,
        help="Directory of the embedded store.",
    )(command)


def store_option(command: Command) -> Command:
    """`--store URL`."""
    return click.option(
        "--store", metavar="URL", help="ClickHouse server, clickhouse://host:9000/database."
    )(command)


def with_store(command: Callable[..., None]) -> Callable[..., None]:
    """`--data` and `--store`; the command gets the `settings` in force with them in their place."""

    @data_option
    @store_option
    @click.pass_context
    @functools.wraps(command)
    def called(
        ctx: click.Context, /, *, data: str | None, store: str | None, **arguments: Any
    ) -> None:
        command(settings=load_settings(ctx, data=data, store=store), **arguments)

    return called


def broker_option(command: Command) -> Command:
    """`--broker HOST:PORT`."""
    return click.option("--broker", metavar="HOST:PORT,...", help="Kafka to connect to.")(command)


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "json_", is_flag=True, help="Print JSON.")(command)


def require_broker(settings: Settings) -> None:
    """The embedded broker lives inside `pulse up`; other processes need an address."""
    if not settings.broker:
        raise UsageError("no broker given: use --broker HOST:PORT or set PULSE_BROKER")


def speed_factor(speed: str) -> float | None:
    """How many times as fast as it happened; None for `max`, as fast as it goes."""
    if speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < math.inf:
        raise UsageError(f"--speed: expected max or a factor above 0, got {speed!r}")
    return factor


def as_json(value: object) -> str:
    """JSON of rows as they come from the store; times as ISO 8601 in UTC, bytes as text or hex."""
    return json.dumps(value, default=_plain, ensure_ascii=False, indent=2)


def tell(found: Any, lines: Callable[[Any], Iterable[str]], *, json_: bool) -> None:
    """What a command found, as JSON or in lines for people."""
    if json_:
        click.echo(as_json(found))
        return
    for line in lines(found):
        click.echo(line)


def _plain(value: object) -> object:
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        text = aware.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z")
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return str(value)


def _directories(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]
