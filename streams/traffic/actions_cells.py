"""Cells of actions: a block of records becomes columns, every cell checked, bad rows named by line.

Between the records of the file (`actions_records`) and the actions (`actions`). A block goes
through Arrow's parser at once; only one in which something is wrong is read row by row.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow import csv as arrow_csv

from streams.errors import BadInput
from streams.traffic.readers.format import LAST_MS

__all__ = ["ACTIONS", "COORTWEET", "MAX_ACCOUNT_BYTES", "Cells", "Columns", "Header"]

MAX_ACCOUNT_BYTES: Final = 1024
_LAST_S: Final = LAST_MS / 1000
_TIME: Final = "seconds since 1970 like 1623881091 or 1623881091.25"
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Columns:
    """What a table calls the columns of an action; without a column of signals all are one kind."""

    account: str = "account_id"
    signal: str | None = "signal"
    object: str = "object_id"
    time: str = "timestamp"
    kind: str = "object"

    @property
    def names(self) -> list[str]:
        """As they must stand in the header."""
        return [name for name in (self.account, self.signal, self.object, self.time) if name]


ACTIONS: Final = Columns()
#: CooRTweet's tables of shared objects.
COORTWEET: Final = Columns(signal=None, time="timestamp_share")


@dataclass(frozen=True, slots=True)
class Cells:
    """Columns of one block without its bad rows, which `bad` holds as (line, what is wrong)."""

    account: pa.StringArray
    signal: pa.StringArray
    object: pa.StringArray
    time: NDArray[np.int64]  # epoch ms
    bad: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.time)


class Header:
    """The first row of the table; knows where its columns stand, and reads the rows after it.

    Raises:
        BadInput: a column is missing or stands there twice.
    """

    def __init__(self, cells: list[str], columns: Columns, name: str, line: int = 1) -> None:
        self.columns = columns
        found = [cell.strip().lower() for cell in cells]
        for wanted in columns.names:
            if found.count(wanted) != 1:
                kind = "more than one" if wanted in found else "no"
                got = repr(",".join(cells)[:200]) if any(found) else "nothing"
                expected = f"expected the columns {','.join(columns.names)} separated by commas"
                raise BadInput(name, f"line {line}", f"{expected}, got {kind} {wanted} in {got}")
        self._width = len(found)
        self._places = [found.index(name) for name in columns.names]

    def read(self, line: int, block: bytes) -> Cells:
        """The rows of `block`, whose first line has the number `line`."""
        cells = self._quickly(block)
        return self._carefully(line, block) if cells is None else cells

    def _quickly(self, block: bytes) -> Cells | None:
        """All rows at once; None when anything is wrong in any of them."""
        wanted = [str(place) for place in self._places]
        types = {name: pa.string() for name in wanted[:-1]} | {wanted[-1]: pa.float64()}
        try:
            table = arrow_csv.read_csv(
                io.BytesIO(block),
                arrow_csv.ReadOptions(
                    use_threads=False,
                    column_names=[str(place) for place in range(self._width)],
                    block_size=len(block) + 1,
                ),
                arrow_csv.ParseOptions(newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=types,
                    null_values=[],
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
        if not len(table):
            return None
        *texts, times = (table.column(name).combine_chunks() for name in wanted)
        seconds = times.to_numpy(zero_copy_only=False)
        # NaN fails each comparison.
        if not ((seconds >= 0.0) & (seconds < _LAST_S)).all():
            return None
        if any(compute.min(compute.binary_length(text)).as_py() == 0 for text in texts):
            return None
        if compute.max(compute.binary_length(texts[0])).as_py() > MAX_ACCOUNT_BYTES:
            return None
        return self._cells(texts, np.rint(seconds * 1000.0).astype(np.int64))

    def _cells(self, texts: list[pa.StringArray], times: NDArray[np.int64]) -> Cells:
        if len(texts) == 3:
            return Cells(texts[0], texts[1], texts[2], times)
        return Cells(texts[0], pa.repeat(self.columns.kind, len(times)), texts[1], times)

    def _carefully(self, line: int, block: bytes) -> Cells:
        text = io.StringIO(block.decode(errors="surrogateescape"), newline="")
        reader = csv.reader(text)
        texts: list[list[str]] = [[] for _ in self._places[1:]]
        times: list[float] = []
        bad: list[tuple[int, str]] = []
        while True:
            number = line + reader.line_num
            try:
                row = next(reader, None)
            except csv.Error as error:
                bad.append((number, f"not valid CSV: {error}"))
                continue
            if row is None:
                break
            if not row:
                continue
            problem, cells, seconds = self._checked(row)
            if problem:
                bad.append((number, problem))
                continue
            for column, cell in zip(texts, cells, strict=True):
                column.append(cell)
            times.append(seconds)
        arrays = [pa.array(column, pa.string()) for column in texts]
        milliseconds = np.rint(np.array(times, np.float64) * 1000.0).astype(np.int64)
        cells_read = self._cells(arrays, milliseconds)
        cells_read.bad.extend(bad)
        return cells_read

    def _checked(self, row: list[str]) -> tuple[str, list[str], float]:
        """What is wrong (nothing: ""), the texts, the seconds."""
        if len(row) != self._width:
            return f"expected {self._width} columns, got {len(row)}", [], 0.0
        *texts, time = (row[place] for place in self._places)
        *named, time_name = self.columns.names
        for name, cell in zip(named, texts, strict=True):
            if not cell:
                return f"{name} is empty", [], 0.0
            try:
                size = len(cell.encode())
            except UnicodeEncodeError as error:
                byte = ord(cell[error.start]) - 0xDC00
                return f"{name}: expected UTF-8 text, got byte 0x{byte:02x}", [], 0.0
            if name == self.columns.account and size > MAX_ACCOUNT_BYTES:
                limit = f"expected at most {MAX_ACCOUNT_BYTES:,} bytes"
                return f"{name}: {limit}, got {size:,}", [], 0.0
        seconds = _seconds(time)
        if 0.0 <= seconds < _LAST_S:
            return "", texts, seconds
        unit = ", which would be milliseconds" if 1e11 < seconds < math.inf else ""
        got = time if len(time) <= _SHOWN else time[:_SHOWN] + "..."
        return f"{time_name}: expected {_TIME}, got {got!r}{unit}", [], 0.0


def _seconds(text: str) -> float:
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan
