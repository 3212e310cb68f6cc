"""The edge of the command line: help, exit codes, one line for every failure, quiet ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from streams.cli.main import COMMANDS, cli
from streams.errors import PulseError, UsageError

# kafka-python reads its message definitions with functions that Python 3.11 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated")

PULSE = [sys.executable, "-m", "streams.cli"]
HEAVY = ("numpy", "pyarrow", "chdb", "faust", "kafka", "aiohttp", "confluent_kafka", "scipy")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="pulse")


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = [path]
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        found += leaves(child, (*path, name))
    return found


def failing_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """`pulse settings` meets `error` while it reads the settings."""

    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("streams.cli.options.load", load)


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys; from streams.cli.main import cli\n"
        "try: cli.main(['--help'], 'pulse')\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_is_the_commands_own(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name][2]


def test_every_command_explains_itself() -> None:
    for path in leaves(cli):
        result = run(*path, "--help")
        assert result.exit_code == 0, path
        assert result.stdout.startswith(f"Usage: {' '.join(['pulse', *path])}")
        documented = [line for line in result.stdout.splitlines()[1:] if line.startswith("  ")]
        assert documented, path


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("sql",), ("--nonsense",), ("topics", "create", "--partitions", "0")],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert result.stdout == ""


def test_a_wrong_setting_exits_with_2_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_PORT", "web")
    result = run("settings")
    assert result.exit_code == 2
    assert result.stderr == (
        "pulse: environment variable PULSE_PORT: port: expected a whole number, got 'web'\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PulseError("it\nfailed"), 1, "pulse: it failed\n"),
        (UsageError("wrong"), 2, "pulse: wrong\n"),
        (OSError(28, "No space left on device"), 1, "pulse: No space left on device\n"),
        (OSError(2, "No such file", "a"), 1, "pulse: a: No such file\n"),
        (
            ZeroDivisionError("division by zero"),
            1,
            "pulse: internal error: ZeroDivisionError: division by zero "
            "(run with --debug for the traceback)\n",
        ),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_every_failure_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    failing_with(monkeypatch, error)
    result = run("settings")
    assert result.exit_code == code
    assert result.stderr == line
    assert result.stdout == ""


def test_a_traceback_is_shown_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    failing_with(monkeypatch, ZeroDivisionError("x"))
    assert "Traceback" not in run("settings").stderr
    assert "Traceback" in run("--debug", "settings").stderr


def test_options_beat_the_environment_and_that_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "pulse.toml"
    file.write_text('data = "file"\ntopic = "file"\nhost = "file"\n', encoding="utf-8")
    monkeypatch.setenv("PULSE_DATA", "environment")
    monkeypatch.setenv("PULSE_HOST", "environment")
    shown = run("--config", str(file), "settings", "--data", "option").stdout
    assert "* data = option" in shown
    assert "* host = environment" in shown
    assert "* topic = file" in shown


def test_settings_never_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_STORE_PASSWORD", "s3cret")
    monkeypatch.setenv("PULSE_STORE", "clickhouse://user:s3cret@host/db")
    for arguments in (("settings",), ("settings", "--json")):
        shown = run(*arguments).stdout
        assert "s3cret" not in shown
        assert "********" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    script = run("completion", shell).stdout
    assert f"_PULSE_COMPLETE={shell}_complete" in script


def test_completion_completes() -> None:
    environment = {
        **os.environ,
        "_PULSE_COMPLETE": "bash_complete",
        "COMP_WORDS": "pulse dead",
        "COMP_CWORD": "1",
    }
    code = "from streams.cli.main import cli; cli.main(prog_name='pulse')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "plain,dead-letters\n"


def test_a_reader_that_leaves_is_no_failure() -> None:
    pipe = " ".join([sys.executable, "-m", "streams.cli", "settings"]) + "; echo code $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({pipe}) | head -n 1"], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "code 0"
    closed = f"exec 3>&1; ({pipe}) | (exec 0<&-; sleep 1)"
    done = subprocess.run(["bash", "-c", closed], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "code 0"


def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PULSE, "settings"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr == b"pulse: No space left on device\n"


def test_an_interrupt_ends_quietly(tmp_path: Path) -> None:
    output = tmp_path / "long.ndjson"
    arguments = ["simulate", "--output", str(output), "--hours", "8000", "--rate", "1000"]
    # A test run in the background ignores interrupts and hands that down: undo it for the child.
    listening = ["env", "--default-signal=INT", *PULSE]
    process = subprocess.Popen([*listening, *arguments], stderr=subprocess.PIPE)
    part = output.with_name(output.name + ".part")
    while process.poll() is None and not (part.exists() and part.stat().st_size):
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert list(tmp_path.iterdir()) == [], "nothing unfinished is left behind"
