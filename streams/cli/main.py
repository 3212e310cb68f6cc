"""The command `pulse`: the tree of commands, and the edge where every failure becomes one line.

Nothing of a command is imported before it is called, so `pulse --help` answers at once. A
`PulseError` is printed as one line with its exit code (1 failure, 2 wrong usage); a traceback is
shown only under `--debug`.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from streams.cli.options import Globals
from streams.errors import PulseError

__all__ = ["COMMANDS", "cli", "main", "told"]

#: Name, module, attribute and the line shown by `pulse --help` (the command's own first sentence).
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("run", "demo", "The whole stack in one process, with live traffic and attacks in it."),
    "up": ("run", "up", "The whole stack in one process, for your own traffic."),
    "worker": ("run", "worker", "One production worker: Kafka to ClickHouse to alerts."),
    "replay": ("run", "replay", "Send stored traffic through the whole path and print a summary."),
    "sql": ("sql", "sql", "Ask the store a read-only question in SQL."),
    "accounts": ("accounts", "accounts", "What is known about an account."),
    "incidents": (
        "incidents",
        "incidents",
        "What needs somebody, and what people say about it.",
    ),
    "notify": (
        "notify",
        "notify",
        "Messages to people: test a channel, list what was sent, send again what was given up.",
    ),
    "policy": (
        "policy",
        "policy",
        "What alarms, and how often that may be wrong: check, explain and compare policies.",
    ),
    "dashboards": (
        "dashboards",
        "dashboards",
        "Grafana's boards and alert rules, as code.",
    ),
    "evaluate": (
        "evaluate",
        "evaluate",
        "The labelled scenario lab: recall, delay, false alarms per detector, with intervals.",
    ),
    "score": ("score", "score", "Score every row of a metric by how unusual it is."),
    "clusters": (
        "clusters",
        "clusters",
        "Find the accounts that act together in a table of actions.",
    ),
    "dead-letters": ("dead_letters", "dead_letters", "Events that could not be understood."),
    "simulate": ("simulate", "simulate", "Write synthetic traffic with labelled attacks in it."),
    "topics": ("topics", "topics", "Create the topics, and see how far workers are behind."),
    "migrate": ("migrate", "migrate", "Bring the tables of the store up to this version."),
    "doctor": ("doctor", "doctor", "Check everything this program needs and say how to mend it."),
    "settings": ("settings", "settings", "Every setting with the value it has now."),
    "completion": ("completion", "completion", "Print the completion script of a shell."),
}


class Tree(click.Group):
    """Imports a command when it is called, and turns every failure into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        found: object = getattr(importlib.import_module(f"streams.cli.{module}"), attribute)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; always ends in SystemExit unless `standalone_mode` is off."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        sys.exit(self._guarded(args, prog_name, complete_var, extra))

    def _guarded(
        self,
        args: Sequence[str] | None,
        prog_name: str | None,
        complete_var: str | None,
        extra: dict[str, Any],
    ) -> int:
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            result = super().main(arguments, prog_name, complete_var, False, **extra)
            sys.stdout.flush()
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            return 130
        except BrokenPipeError:
            return _reader_left()
        except Exception as error:  # noqa: BLE001 - the edge: whatever it was, a person gets one line
            if "--debug" in arguments:
                traceback.print_exc()
            return told(error)
        return result if isinstance(result, int) and not isinstance(result, bool) else 0

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            ctx.exit(_reader_left())


def told(error: Exception) -> int:
    """Print `error` as one line; the exit code."""
    code = 1
    if isinstance(error, PulseError):
        message, code = str(error), error.exit_code
    elif isinstance(error, OSError):
        message = f"{error.filename}: " if error.filename else ""
        message += error.strerror or str(error)
    else:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        message = f"internal error: {what} (run with --debug for the traceback)"
    click.echo("pulse: " + " ".join(message.split()), err=True)
    return code


def _reader_left() -> int:
    """`pulse ... | head`: nobody reads on, which is no failure; keep the last flush quiet too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


@click.group(cls=Tree, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Settings in a TOML file (`pulse settings` lists the names).",
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="usage-pulse", prog_name="pulse")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, debug: bool) -> None:
    """Usage Pulse: tells within seconds which accounts have started to misuse a model API.

    Every setting can stand in the file given by --config or in the environment as PULSE_<NAME>;
    an option beats the environment, and the environment beats the file.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """
    ctx.obj = Globals(config=config, debug=debug)


def main() -> None:
    """Entry point of the command `pulse`."""
    cli.main(prog_name="pulse")
