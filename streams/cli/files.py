"""Files of commands that turn one file into others: `-` for a pipe, whole results or none.

A result appears under its name only when all of it is there; a link stays a link, and a pipe or a
device is written to, never replaced.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from streams.errors import UsageError

__all__ = ["Line", "distinct", "opened_input", "opened_output"]

_EVERY_S = 0.5


@contextmanager
def opened_input(source: str) -> Iterator[tuple[IO[bytes], str, int]]:
    """The open file, its name for messages, its size (0 when it has none)."""
    if source == "-":
        yield click.get_binary_stream("stdin"), "standard input", 0
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise UsageError(f"{source}: cannot be read: {error.strerror}") from None
    with file:
        yield file, source, os.fstat(file.fileno()).st_size


@contextmanager
def opened_output(output: str, option: str = "--output") -> Iterator[IO[str]]:
    """Text to `output`; bytes that are no UTF-8 leave as they came (surrogateescape)."""
    if output == "-":
        stdout = click.get_binary_stream("stdout")
        out = _text(stdout)
        try:
            yield out
            out.flush()
        finally:
            out.detach()
        return
    path = Path(output).resolve()
    special = path.exists() and not path.is_file()
    part = path if special else path.with_name(path.name + f".{os.getpid()}.part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise UsageError(f"option {option}: {output}: {error.strerror}") from None
    try:
        with file, _text(file) as out:
            yield out
        if not special:
            os.replace(part, path)
    finally:
        if not special:
            part.unlink(missing_ok=True)


def _text(file: IO[bytes]) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")


def distinct(names: dict[str, str]) -> None:
    """Refuses two of the named places being one file; also two being one pipe.

    Args:
        names: what a person calls it (as "option --output") -> its path.

    Raises:
        UsageError: naming the two.
    """
    seen: dict[str | tuple[int, int], str] = {}
    for what, path in names.items():
        place: str | tuple[int, int] = path
        if path != "-":
            resolved = Path(path).resolve()
            place = str(resolved)
            if resolved.is_file():
                status = resolved.stat()
                place = (status.st_dev, status.st_ino)  # hard links are one file, too
            elif resolved.exists():
                continue
        if place in seen:
            raise UsageError(f"{what}: {path} is {seen[place]} already")
        seen[place] = what


class Line:
    """One line on a terminal that is rewritten as work goes on; nothing elsewhere."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._told = time.monotonic()
        self._width = 0
        self.begin("")

    def begin(self, work: str) -> None:
        """What comes now: rate and remaining time count from here."""
        self._work = work
        self._started = time.monotonic()

    def tell(self, done: int, share: float | None) -> None:
        """`done` units are through, which is `share` (0..1) of all; None when nobody knows."""
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._told < _EVERY_S:
            return
        self._told = now
        spent = max(now - self._started, 1e-9)
        parts = [f"{self._work} {done:,} {self._unit}", f"{done / spent:,.0f} {self._unit}/s"]
        if share:
            parts = [f"{share:4.0%}", *parts, f"{_left(spent * (1 / share - 1))} left"]
        self._show(", ".join(parts))

    def _show(self, text: str) -> None:
        click.echo("\r" + text.ljust(self._width), nl=False, err=True)
        self._width = len(text)

    def end(self) -> None:
        """Leaves an empty line behind."""
        if self._width:
            self._show("")
            click.echo("\r", nl=False, err=True)
            self._width = 0


def _left(seconds: float) -> str:
    whole = round(max(seconds, 0.0))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
