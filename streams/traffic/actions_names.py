"""Names as numbers: a 64-bit hash of every cell, and accounts numbered in order of appearance.

Second step of reading actions. Nothing here runs per row in Python: a block's cells are hashed and
looked up by compiled loops, and only the names not seen before are kept as text.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detectors.coordination.compiled import compiled

__all__ = ["Hashes", "Names", "hashed"]

Hashes = NDArray[np.uint64]

_START: Final = 1 << 16
_SEED: Final = 0x9E3779B97F4A7C15


def hashed(cells: pa.StringArray, seed: int = _SEED) -> Hashes:
    """64 bits of each cell; never 0. Among ten million names two meet once in 400,000 files."""
    _, offsets, data = cells.buffers()
    start = cells.offset
    places = np.frombuffer(offsets, np.int32)[start : start + len(cells) + 1]
    characters = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return _hash(characters, places, np.uint64(seed))


@compiled
def _hash(data: NDArray[np.uint8], places: NDArray[np.int32], seed: np.uint64) -> Hashes:
    """Eight bytes at a time, multiplied and folded; finished as in SplitMix64."""
    hashes = np.empty(len(places) - 1, np.uint64)
    for row in range(len(hashes)):
        at, end = places[row], places[row + 1]
        value = seed ^ (np.uint64(end - at) * np.uint64(0xD6E8FEB86659FD93))
        while at < end:
            word = np.uint64(0)
            for shift in range(min(8, end - at)):
                word |= np.uint64(data[at + shift]) << np.uint64(8 * shift)
            value = (value ^ word) * np.uint64(0xFF51AFD7ED558CCD)
            value ^= value >> np.uint64(32)
            at += 8
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value ^= value >> np.uint64(31)
        hashes[row] = value if value else np.uint64(1)
    return hashes


class Names:
    """Numbers hashes 0, 1, 2... in order of appearance; 24 bytes for each at most four times."""

    def __init__(self) -> None:
        self._keys: Hashes = np.zeros(_START, np.uint64)
        self._values = np.zeros(_START, np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def number(self, hashes: Hashes) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The number of each hash, and the rows in which a new one was met first."""
        while 2 * (self._count + len(hashes)) > len(self._keys):
            self._grow()
        numbers = np.empty(len(hashes), np.int32)
        fresh = np.empty(len(hashes), np.int64)
        met = _number(hashes, self._keys, self._values, self._count, numbers, fresh)
        self._count += met
        return numbers, fresh[:met]

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._keys = np.zeros(2 * len(keys), np.uint64)
        self._values = np.zeros(2 * len(keys), np.int32)
        _move(keys, values, self._keys, self._values)


@compiled
def _number(
    hashes: Hashes,
    keys: Hashes,
    values: NDArray[np.int32],
    count: int,
    numbers: NDArray[np.int32],
    fresh: NDArray[np.int64],
) -> int:
    mask = np.uint64(len(keys) - 1)
    met = 0
    for row in range(len(hashes)):
        slot = hashes[row] & mask
        while keys[slot] != 0 and keys[slot] != hashes[row]:
            slot = (slot + np.uint64(1)) & mask
        if keys[slot] == 0:
            keys[slot] = hashes[row]
            values[slot] = count + met
            fresh[met] = row
            met += 1
        numbers[row] = values[slot]
    return met


@compiled
def _move(
    keys: Hashes, values: NDArray[np.int32], to_keys: Hashes, to_values: NDArray[np.int32]
) -> None:
    mask = np.uint64(len(to_keys) - 1)
    for place in range(len(keys)):
        if keys[place] != 0:
            slot = keys[place] & mask
            while to_keys[slot] != 0:
                slot = (slot + np.uint64(1)) & mask
            to_keys[slot] = keys[place]
            to_values[slot] = values[place]
