"""`pulse completion`: the script that teaches a shell to complete `pulse`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    For bash: `eval "$(pulse completion bash)"` in ~/.bashrc; zsh alike; for fish:
    `pulse completion fish > ~/.config/fish/completions/pulse.fish`.
    """
    from streams.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "pulse", "_PULSE_COMPLETE").source())
