"""Tables of actions (who did what, on which object, when) read for `pulse clusters`.

    bytes -> whole records -> checked cells -> numbers -> on disk, in order of time
             (_records)       (_cells)         (_names)   (_spool)

The input is read once, in blocks of a few megabytes. What stays in memory are the names of the
accounts and one hash an object; the actions themselves lie in the temporary directory.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from streams.errors import BadInput
from streams.traffic.actions_cells import ACTIONS, Cells, Columns, Header
from streams.traffic.actions_names import Names, hashed
from streams.traffic.actions_records import Records
from streams.traffic.actions_spool import ActionBlock, Spool

__all__ = ["MAX_KINDS", "Actions", "read_actions"]

MAX_KINDS: Final = 64  # a pair's kinds are bits of 64
_TOLD: Final = 3
_ENOUGH: Final = 1000
_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class Actions:
    """What a table holds; accounts, and the kinds that count, are numbered in order of their
    names.

    `accounts` are all of the table, also those with no action of a kind that was asked for; `rows`
    counts the actions of those kinds, `objects` distinct (kind, object), `skipped` bad rows
    (the first of which `first_bad` names), `disordered` rows older than one before them.
    """

    accounts: pa.Array
    kinds: tuple[str, ...]
    rows: int
    objects: int
    skipped: int
    first_bad: str
    disordered: int
    _account_rank: NDArray[np.int64]
    _kind_rank: NDArray[np.uint8]
    _spool: Spool

    def blocks(self) -> Iterator[ActionBlock]:
        """Actions in order of time (equal times by account, object, kind); again at each call."""
        return self._spool.blocks(self._account_rank, self._kind_rank)


@contextmanager
def read_actions(
    file: IO[bytes],
    name: str,
    *,
    columns: Columns = ACTIONS,
    kinds: Collection[str] | None = None,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] = lambda rows, read: None,
) -> Iterator[Actions]:
    """The actions of `file`, called `name` in messages, while the context is open.

    Args:
        columns: what the table calls its columns.
        kinds: signals that count; None for all.
        skip_bad: count bad rows instead of refusing the file.
        progress: called after each block with rows read and bytes of the file read so far.

    Raises:
        BadInput: what in the file cannot be read, and where.
        PulseError: the temporary directory is full.
    """
    with Spool() as spool:
        reading = _Reading(name, columns, kinds, skip_bad, spool)
        records = Records(file, name)
        for line, block in records.blocks():
            reading.take(line, block)
            progress(reading.seen, records.bytes_read)
        yield reading.actions()


class _Reading:
    """What is known after the blocks so far."""

    def __init__(
        self,
        name: str,
        columns: Columns,
        wanted: Collection[str] | None,
        skip_bad: bool,
        spool: Spool,
    ) -> None:
        self._name, self._columns, self._wanted = name, columns, wanted
        self._skip_bad = skip_bad
        self._spool = spool
        self._header: Header | None = None
        self._accounts, self._objects = Names(), Names()
        self._account_names: list[pa.Array] = []
        self._kinds: dict[str, int] = {}  # those that count, in order of appearance
        self._others: set[str] = set()
        self._bad: list[tuple[int, str]] = []
        self._bad_rows = 0
        self.seen = 0

    def take(self, line: int, block: bytes) -> None:
        if self._header is None:
            line, block = self._take_header(line, block)
            if self._header is None:
                return
        cells = self._header.read(line, block)
        self.seen += len(cells) + len(cells.bad)
        self._bad_rows += len(cells.bad)
        self._bad += cells.bad[: _TOLD - len(self._bad)]
        if self._skip_bad or not self._bad_rows:
            self._keep(cells)
        elif self._bad_rows >= _ENOUGH:
            raise self._refusal()

    def _take_header(self, line: int, block: bytes) -> tuple[int, bytes]:
        """Lines without anything in them may stand before it."""
        text = io.StringIO(block.decode(errors="replace"), newline="")
        reader = csv.reader(text)
        try:
            cells = next((row for row in reader if row), None)
        except csv.Error as error:
            raise BadInput(self._name, f"line {line}", f"not valid CSV: {error}") from None
        if cells is not None:
            first = line + reader.line_num - 1
            self._header = Header(cells, self._columns, self._name, first)
        rest = block.split(b"\n", reader.line_num)
        return line + reader.line_num, rest[-1] if len(rest) > reader.line_num else b""

    def _keep(self, cells: Cells) -> None:
        if not len(cells):
            return
        accounts, fresh = self._accounts.number(hashed(cells.account))
        self._account_names.append(cells.account.take(pa.array(fresh)))
        signals = cells.signal.dictionary_encode()
        names = signals.dictionary.to_pylist()
        codes = np.array([self._code(kind) for kind in names], np.int64)
        seeds = hashed(pa.array(names, pa.string()))
        which = signals.indices.to_numpy(zero_copy_only=False)
        kept = codes[which] >= 0
        objects = _mixed(hashed(cells.object), seeds[which])[kept]
        self._objects.number(objects)
        kinds = codes[which][kept].astype(np.uint8)
        self._spool.add(ActionBlock(accounts[kept], objects, kinds, cells.time[kept]))

    def _code(self, kind: str) -> int:
        """Number of a kind that counts, -1 for others."""
        if self._wanted is not None and kind not in self._wanted:
            if len(self._others) < _ENOUGH:
                self._others.add(kind)
            return -1
        if kind not in self._kinds and len(self._kinds) == MAX_KINDS:
            place = f"column {self._columns.signal}"
            problem = f"expected at most {MAX_KINDS} kinds of signal, got more: {self._listed()}"
            raise BadInput(self._name, place, f"{problem}; choose some with --kinds")
        return self._kinds.setdefault(kind, len(self._kinds))

    def _listed(self) -> str:
        names = sorted({*self._kinds, *self._others})
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        return ", ".join(names[:_LISTED]) + more

    def _refusal(self) -> BadInput:
        (line, problem), *others = self._bad
        more = "".join(f"; line {line}: {problem}" for line, problem in others)
        many = f"{'at least ' * (self._bad_rows >= _ENOUGH)}{self._bad_rows:,} bad rows"
        count = "--skip-bad leaves it out"
        if self._bad_rows > 1:
            count = f"{many}; --skip-bad leaves them out"
        return BadInput(self._name, f"line {line}", f"{problem}{more} ({count})")

    def actions(self) -> Actions:
        """All that was read."""
        if self._header is None:
            expected = f"expected a header with the columns {','.join(self._columns.names)}"
            raise BadInput(self._name, "line 1", f"{expected}, got an empty file")
        if self._bad_rows and not self._skip_bad:
            raise self._refusal()
        unknown = sorted(set(self._wanted or ()) - set(self._kinds))
        if unknown and (self._kinds or self._others):
            known = f"the file has {self._listed()}"
            raise BadInput(self._name, "", f"--kinds: no {', '.join(unknown)}: {known}")
        names = pa.concat_arrays(self._account_names or [pa.array([], pa.string())])
        order = compute.array_sort_indices(names)
        kinds = sorted(self._kinds)
        return Actions(
            names.take(order),
            tuple(kinds),
            len(self._spool),
            len(self._objects),
            self._bad_rows,
            "; ".join(f"line {line}: {problem}" for line, problem in self._bad),
            self._spool.disordered,
            _rank(order.to_numpy().astype(np.int64)),
            np.array([kinds.index(kind) for kind in self._kinds], np.uint8),
            self._spool,
        )


def _rank(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each number in `order`."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _mixed(hashes: NDArray[np.uint64], seeds: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The hash of an object as seen by one kind: the same text is another object to another."""
    mixed = (hashes ^ seeds) * np.uint64(0xFF51AFD7ED558CCD)
    return mixed ^ (mixed >> np.uint64(29))
