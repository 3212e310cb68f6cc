"""The command `pulse` inside the test's own process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from streams.cli.main import cli

__all__ = ["good", "run"]


def run(*arguments: object) -> Result:
    """What came of `pulse` with these words."""
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="pulse")


def good(*arguments: object) -> str:
    """What it printed; it ended well and complained of nothing."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout
