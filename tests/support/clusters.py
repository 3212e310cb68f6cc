"""`pulse clusters` as a person calls it, and the tables it reads and writes."""

from __future__ import annotations

import csv
from pathlib import Path

from click.testing import CliRunner, Result

from streams.cli.main import cli

__all__ = ["HEADER", "run", "table", "written"]

HEADER = "account_id,signal,object_id,timestamp\n"


def run(source: Path | str, *more: str, text: bytes | None = None) -> Result:
    """The command at the edge where a failure becomes one line."""
    return CliRunner().invoke(cli, ["clusters", str(source), *more], input=text, prog_name="pulse")


def written(tmp_path: Path, rows: list[str]) -> Path:
    """A table of actions."""
    path = tmp_path / "actions.csv"
    path.write_text(HEADER + "".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a result."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
