"""`pulse score`: how unusual each row of one metric is, from a CSV file to a CSV file.

Reads a block of rows at a time, so memory stays bounded however long the file is; the mathematics
is `detectors.series`, the reading `streams.cli.score_rows`.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from streams.errors import UsageError

if TYPE_CHECKING:
    from _csv import Writer as CsvWriter

    from streams.cli.score_rows import Rows

__all__ = ["score"]

PROGRESS_S = 0.5


@click.command()
@click.argument("source", metavar="IN.csv")
@click.option(
    "--output", required=True, metavar="OUT.csv", help="Where to write; - for standard output."
)
@click.option(
    "--counts",
    is_flag=True,
    help="The values are counts: a negative one is an error. Without it negative values are "
    "welcome, as temperatures and balances have them.",
)
def score(source: str, output: str, counts: bool) -> None:
    """Score every row of a metric by how unusual it is.

    IN.csv (- for standard input) has the columns timestamp,value; OUT.csv gets
    timestamp,value,score, one row for each, the first two unchanged. A score is in 0..1, and a row
    is judged by the rows up to it only. Timestamps are epoch seconds or milliseconds, RFC 3339, or
    YYYY-MM-DD with or without HH:MM:SS (taken as UTC), at any interval and with gaps; they must not
    go backwards, equal ones are fine. An empty value is a missing one and scores 0; nan, inf and
    text are errors. After an error there is no OUT.csv.

    Example: pulse score requests.csv --output scores.csv
    """
    from detectors.series import SeriesDetector
    from streams.cli.score_rows import read

    detector = SeriesDetector()
    with _input(source) as (file, name, size), _output(output) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("timestamp", "value", "score"))
        progress = _Progress(file, size)
        for rows in read(file, name, counts=counts):
            scores = detector.update(rows.times, rows.values)
            _write(writer, rows, scores.tolist())
            progress.tell(len(scores))
        progress.end()


def _write(writer: CsvWriter, rows: Rows, scores: list[float]) -> None:
    texts = [f"{number:.9f}" for number in scores]
    writer.writerows(zip(rows.timestamps, rows.texts, texts, strict=True))


class _Progress:
    """One line on a terminal that is rewritten; nothing elsewhere."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        self._rows = 0
        self._started = self._told = time.monotonic()
        self._shown = False

    def tell(self, rows: int) -> None:
        self._rows += rows
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self._told < PROGRESS_S:
            return
        self._told, self._shown = now, True
        share = f"{self._file.tell() / self._size:4.0%}  " if self._size else ""
        rate = self._rows / max(now - self._started, 1e-9)
        line = f"\r{share}{self._rows:,} rows, {rate:,.0f} rows/s "
        click.echo(line, nl=False, err=True)

    def end(self) -> None:
        if self._shown:
            click.echo("\r" + " " * 50 + "\r", nl=False, err=True)


@contextmanager
def _input(source: str) -> Iterator[tuple[IO[bytes], str, int]]:
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
def _output(output: str) -> Iterator[IO[str]]:
    """Text to `output`, which appears under its name only when all of it is there."""
    if output == "-":
        stdout = click.get_binary_stream("stdout")
        out = _text(stdout)
        try:
            yield out
            out.flush()
        finally:
            out.detach()
        return
    # A link stays a link; a pipe or a device is written to, never replaced.
    path = Path(output).resolve()
    special = path.exists() and not path.is_file()
    part = path if special else path.with_name(path.name + f".{os.getpid()}.part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise UsageError(f"option --output: {output}: {error.strerror}") from None
    try:
        with file, _text(file) as out:
            yield out
        if not special:
            os.replace(part, path)
    finally:
        if not special:
            part.unlink(missing_ok=True)


def _text(file: IO[bytes]) -> io.TextIOWrapper:
    # Cells are echoed as they came, even bytes that are no UTF-8.
    return io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
