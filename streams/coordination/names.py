"""Accounts as small numbers while they are in the rings, and the way back to their names.

Inside the signals agent. A number is given out again when its account is forgotten, so nothing that
is stored or ordered may depend on it: order is by the hash of the name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.coordination.hashing import hash_text

__all__ = ["Names"]


class Names:
    """Names (UTF-8) to numbers below 2**32 and back."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._names: list[bytes] = []
        self._free: list[int] = []
        self._hashes = np.zeros(1024, np.uint64)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def issued(self) -> int:
        """Every number ever given out is below this."""
        return len(self._names)

    def numbers(self, names: Sequence[bytes]) -> NDArray[np.int64]:
        """(n,) number of each name; new ones get one."""
        known = self._numbers
        fresh = [name for name in names if name not in known]
        if fresh:
            self._add(list(dict.fromkeys(fresh)))
        return np.fromiter(map(known.__getitem__, names), np.int64, len(names))

    def ordered(
        self, one: NDArray[np.int64], other: NDArray[np.int64]
    ) -> tuple[pa.Array, NDArray[np.int32], NDArray[np.int32]]:
        """The names of two columns of numbers, sorted, and the place of each row among them."""
        marks = np.zeros(self.issued, bool)
        marks[one] = marks[other] = True
        used = sorted(np.flatnonzero(marks).tolist(), key=self._names.__getitem__)
        places = np.zeros(self.issued, np.int32)
        places[used] = np.arange(len(used), dtype=np.int32)
        names = pa.array([self._names[number] for number in used], pa.binary()).cast(pa.string())
        return names, places[one], places[other]

    def hashes(self, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
        """(n,) hash of each name, the same in every process."""
        return self._hashes[numbers]

    def keep(self, used: NDArray[np.int64]) -> None:
        """Forget all but these."""
        kept = np.zeros(len(self._names), bool)
        kept[used] = True
        for number in np.flatnonzero(~kept).tolist():
            if self._numbers.get(self._names[number]) == number:
                del self._numbers[self._names[number]]
                self._names[number] = b""
                self._free.append(number)

    def dump(self) -> tuple[NDArray[np.int64], list[bytes]]:
        """Numbers in use, and their names."""
        return np.fromiter(self._numbers.values(), np.int64, len(self)), list(self._numbers)

    def load(self, numbers: NDArray[np.int64], names: Sequence[bytes]) -> None:
        """Into an empty table, what `dump` gave."""
        size = int(numbers.max()) + 1 if len(numbers) else 0
        self._names = [b""] * size
        self._hashes = np.zeros(max(1024, size), np.uint64)
        for number, name in zip(numbers.tolist(), names, strict=True):
            self._names[number] = name
            self._numbers[name] = number
        self._hashes[numbers] = hash_text(pa.array(names, pa.binary()))
        self._free = sorted(set(range(size)) - set(self._numbers.values()), reverse=True)

    def _add(self, fresh: list[bytes]) -> None:
        hashes = hash_text(pa.array(fresh, pa.binary()))
        numbers = []
        for name in fresh:
            if self._free:
                number = self._free.pop()
                self._names[number] = name
            else:
                number = len(self._names)
                self._names.append(name)
            self._numbers[name] = number
            numbers.append(number)
        if len(self._names) > len(self._hashes):
            more = np.zeros(len(self._names), np.uint64)
            self._hashes = np.concatenate([self._hashes, more])
        self._hashes[numbers] = hashes
