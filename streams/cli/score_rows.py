"""Rows of a two-column CSV for `pulse score`: read a block at a time, every cell checked.

What cannot be read ends the reading with file, line and expectation.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Final, NoReturn

import numpy as np

from detectors.base import FloatArray
from streams.errors import BadInput

__all__ = ["Rows", "read"]

HEADER: Final = ["timestamp", "value"]
BLOCK_ROWS: Final = 16_384
_MILLISECONDS_FROM: Final = 1e11  # as seconds: the year 5138
_LATEST: Final = 1e14
_FORMS: Final = "epoch seconds or milliseconds, RFC 3339 or YYYY-MM-DD HH:MM:SS"


@dataclass(frozen=True, slots=True)
class Rows:
    """A block; `timestamps` and `texts` as they stood in the file."""

    timestamps: list[str]
    texts: list[str]
    times: FloatArray  # epoch s
    values: FloatArray  # NaN where the cell was empty


def read(file: IO[bytes], name: str, *, counts: bool = False) -> Iterator[Rows]:
    """Blocks of the rows of `file`; `counts` refuses negative values.

    Raises:
        BadInput: naming `name` and the line.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, strict=True)
    try:
        _check_header(name, next(reader, None))
        yield from _blocks(reader, _Cells(name, counts))
    except csv.Error as error:
        raise BadInput(name, f"line {reader.line_num}", f"no CSV: {error}") from None
    finally:
        text.detach()


def _check_header(name: str, cells: list[str] | None) -> None:
    if cells is None:
        raise BadInput(name, "line 1", "expected the header timestamp,value, got an empty file")
    if [cell.strip().lower() for cell in cells] != HEADER:
        got = ",".join(cells)[:80]
        raise BadInput(name, "line 1", f"expected the header timestamp,value, got {got!r}")


def _blocks(reader: Iterator[list[str]], cells: _Cells) -> Iterator[Rows]:
    numbered = ((reader.line_num, row) for row in reader if row)  # type: ignore[attr-defined]
    while block := list(islice(numbered, BLOCK_ROWS)):
        lines = [line for line, _ in block]
        for line, row in block:
            if len(row) != 2:
                cells.refuse(line, f"expected two cells, timestamp,value, got {len(row)}")
        timestamps = [row[0] for _, row in block]
        texts = [row[1] for _, row in block]
        times, values = cells.times(timestamps, lines), cells.values(texts, lines)
        yield Rows(timestamps, texts, times, values)


class _Cells:
    """Turns cells into numbers; the first timestamp tells the form of all."""

    def __init__(self, name: str, counts: bool) -> None:
        self._name = name
        self._counts = counts
        self._calendar: bool | None = None  # until the first row is seen
        self._unit = 1.0
        self._last = -math.inf
        self._last_text = ""

    def refuse(self, line: int, problem: str) -> NoReturn:
        raise BadInput(self._name, f"line {line}", problem)

    def times(self, texts: list[str], lines: list[int]) -> FloatArray:
        """Epoch seconds, none before the one before."""
        if self._calendar is None:
            self._calendar, self._unit = _form(texts[0])
        moments = _quickly(self._read, texts)
        if moments is None or not (np.abs(moments) < _LATEST).all():
            moments = np.array([self._time(*cell) for cell in zip(texts, lines, strict=True)])
        backwards = np.flatnonzero(np.diff(moments, prepend=self._last) < 0)
        if backwards.size:
            row = int(backwards[0])
            before = texts[row - 1] if row else self._last_text
            self.refuse(
                lines[row],
                f"timestamp: expected none before that of the row before, {before!r}, "
                f"got {texts[row]!r}",
            )
        self._last, self._last_text = float(moments[-1]), texts[-1]
        return moments

    def values(self, texts: list[str], lines: list[int]) -> FloatArray:
        """Finite numbers, NaN for empty cells."""
        numbers = _quickly(_floats, texts)
        if numbers is None or not np.isfinite(numbers).all() or any("_" in cell for cell in texts):
            numbers = np.array([self._value(*cell) for cell in zip(texts, lines, strict=True)])
        negative = np.flatnonzero(numbers < 0) if self._counts else np.empty(0, dtype=np.int64)
        if negative.size:
            row = int(negative[0])
            self.refuse(lines[row], f"value: expected a count, 0 or more, got {texts[row]!r}")
        return numbers

    def _read(self, texts: list[str]) -> FloatArray:
        return _calendar(texts) if self._calendar else _floats(texts) * self._unit

    def _time(self, text: str, line: int) -> float:
        moment = _quickly(self._read, [text])
        if moment is None or not abs(moment[0]) < _LATEST:  # NaN, too, is not below
            self.refuse(line, f"timestamp: expected {_FORMS}, one form in a file, got {text!r}")
        return float(moment[0])

    def _value(self, text: str, line: int) -> float:
        if not text or text.isspace():
            return math.nan
        number = _quickly(_floats, [text])
        if number is None or not math.isfinite(number[0]) or "_" in text:
            self.refuse(line, f"value: expected a finite number or nothing, got {text!r}")
        return float(number[0])


def _quickly(convert: Callable[[list[str]], FloatArray], texts: list[str]) -> FloatArray | None:
    """All at once; None when a cell is not of the form, so that a closer look can say which."""
    try:
        return convert(texts)
    except (ValueError, OverflowError):
        return None


def _floats(texts: list[str]) -> FloatArray:
    return np.fromiter(map(float, texts), dtype=np.float64, count=len(texts))


def _calendar(texts: list[str]) -> FloatArray:
    """Epoch seconds; a time without a zone is UTC."""
    moments = list(map(datetime.fromisoformat, map(str.strip, texts)))
    aware = [m if m.tzinfo else m.replace(tzinfo=UTC) for m in moments]
    return np.fromiter(map(datetime.timestamp, aware), dtype=np.float64, count=len(texts))


def _form(text: str) -> tuple[bool, float]:
    """Whether the timestamps of a file are dates, else the seconds of their unit, by the first."""
    number = _quickly(_floats, [text])
    if number is None:
        return True, 1.0
    return False, 1e-3 if abs(number[0]) >= _MILLISECONDS_FROM else 1.0
