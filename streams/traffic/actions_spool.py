"""Actions on disk as columns, handed out in order of time however they came in.

Third step of reading actions: what was read lies in the temporary directory, 21 bytes an action, in
runs that are each in order of time; handing out merges the runs a span of time at once, so memory
is bounded by one run and one span. Equal times are in order of account, object and kind: the same
rows in another order are the same actions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final, Self, cast

import numpy as np
from numpy.typing import NDArray

from streams.errors import PulseError

__all__ = ["ActionBlock", "Spool"]

RUN_ROWS: Final = 1 << 21
SPAN_ROWS: Final = 1 << 18
_SAMPLES_A_RUN: Final = 512
_COLUMNS: Final = {"time": np.int64, "account": np.int32, "object": np.uint64, "kind": np.uint8}


@dataclass(frozen=True, slots=True)
class ActionBlock:
    """Actions as columns of one length: numbers of accounts and kinds, hash of the object."""

    account: NDArray[np.int64]
    object: NDArray[np.uint64]
    kind: NDArray[np.uint8]
    time: NDArray[np.int64]  # epoch ms

    def __len__(self) -> int:
        return len(self.time)


class Spool:
    """Takes actions in any order, gives them in order of time as often as it is asked."""

    def __init__(self) -> None:
        self._files: dict[str, IO[bytes]] = {}
        self._waiting: list[ActionBlock] = []
        self._waiting_rows = 0
        self._runs: list[int] = [0]
        self._latest = np.iinfo(np.int64).min
        self.disordered = 0

    def __enter__(self) -> Self:
        for name in _COLUMNS:
            try:
                self._files[name] = tempfile.TemporaryFile(prefix="pulse-")
            except OSError as error:
                self.__exit__(None, None, None)
                raise _full(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def __len__(self) -> int:
        return self._runs[-1] + self._waiting_rows

    def add(self, block: ActionBlock) -> None:
        """Keeps the actions of `block`; `disordered` counts those older than one before them."""
        if not len(block):
            return
        latest = np.maximum(np.maximum.accumulate(block.time), self._latest)
        self.disordered += int((block.time < latest).sum())
        self._latest = latest[-1]
        self._waiting.append(block)
        self._waiting_rows += len(block)
        if self._waiting_rows >= RUN_ROWS:
            self._write_run()

    def _write_run(self) -> None:
        columns = {
            name: np.concatenate([getattr(block, name) for block in self._waiting])
            for name in _COLUMNS
        }
        self._waiting, self._waiting_rows = [], 0
        times = columns["time"]
        order = np.argsort(times, kind="stable") if (np.diff(times) < 0).any() else None
        for name, kind in _COLUMNS.items():
            column = columns[name].astype(kind, copy=False)
            try:
                self._files[name].write((column if order is None else column[order]).data)
                self._files[name].flush()
            except OSError as error:
                raise _full(error) from None
        self._runs.append(self._runs[-1] + len(times))

    def blocks(
        self, account_rank: NDArray[np.int64], kind_rank: NDArray[np.uint8]
    ) -> Iterator[ActionBlock]:
        """All actions in order of time; account n becomes account_rank[n], and kinds likewise."""
        if self._waiting:
            self._write_run()
        if not self._runs[-1]:
            return
        columns = {
            name: np.memmap(cast(Any, self._files[name]), kind, "r")
            for name, kind in _COLUMNS.items()
        }
        times = columns["time"]
        places = self._runs[:-1]
        for until in self._spans(times):
            ends = [
                stop if until is None else place + int(np.searchsorted(times[place:stop], until))
                for place, stop in zip(places, self._runs[1:], strict=True)
            ]
            parts = [slice(*edges) for edges in zip(places, ends, strict=True)]
            pieces = {name: [column[part] for part in parts] for name, column in columns.items()}
            yield _merged(pieces, account_rank, kind_rank)
            places = ends

    def _spans(self, times: NDArray[np.int64]) -> Iterator[int | None]:
        """The times at which to cut, so that about `SPAN_ROWS` actions lie between two; then None.

        Every run gives samples as dense as it is long; equal times are never cut apart.
        """
        step = max(1, SPAN_ROWS // _SAMPLES_A_RUN)
        samples = np.sort(
            np.concatenate(
                [
                    times[start:stop:step]
                    for start, stop in zip(self._runs[:-1], self._runs[1:], strict=True)
                ]
            )
        )
        yield from np.unique(samples[_SAMPLES_A_RUN::_SAMPLES_A_RUN]).tolist()
        yield None


def _merged(
    parts: dict[str, list[NDArray[Any]]],
    account_rank: NDArray[np.int64],
    kind_rank: NDArray[np.uint8],
) -> ActionBlock:
    columns = {name: np.concatenate(pieces) for name, pieces in parts.items()}
    time, objects = columns["time"], columns["object"]
    account, kind = account_rank[columns["account"]], kind_rank[columns["kind"]]
    order = np.lexsort((kind, objects, account, time))
    return ActionBlock(account[order], objects[order], kind[order], time[order])


def _full(error: OSError) -> PulseError:
    where = f"temporary directory {tempfile.gettempdir()}: {error.strerror or error}"
    return PulseError(f"{where}; set TMPDIR to one with 21 bytes of room for each action")
