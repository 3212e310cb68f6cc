"""A stable 64-bit hash of text columns: the same in every process, on every machine.

Under the signals: objects and accounts are compared by it, in memory and in the store, so it must
never change. Python's own `hash` differs from process to process.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["hash_text", "hash_word", "mixed"]

_MULTIPLY: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
_FIRST: Final = np.uint64(0xBF58_476D_1CE4_E5B9)
_SECOND: Final = np.uint64(0x94D0_49BB_1331_11EB)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each 64-bit number scattered over all of them: the finaliser of SplitMix64 (Steele 2014)."""
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


def hash_text(text: pa.Array) -> NDArray[np.uint64]:
    """(n,) hash of each value of a string array, eight bytes at a time for all values at once."""
    count = len(text)
    if not count:
        return np.zeros(0, np.uint64)
    text = text.cast(pa.large_binary())
    ends = np.frombuffer(text.buffers()[1], np.int64)[text.offset :][: count + 1]
    content = np.zeros(int(ends[-1] - ends[0]) + 8, np.uint8)  # so that a word may be read past it
    if text.buffers()[2] is not None:
        content[:-8] = np.frombuffer(text.buffers()[2], np.uint8)[ends[0] : ends[-1]]
    words = np.ndarray((len(content) - 7,), np.dtype("<u8"), content.data, strides=(1,))
    lengths = np.diff(ends)
    starts = ends[:-1] - ends[0]
    hashes = lengths.astype(np.uint64) * _MULTIPLY
    rows = np.flatnonzero(lengths > 0)
    done = 0
    while len(rows):
        left = lengths[rows] - done
        word = words[starts[rows] + done].astype(np.uint64)
        short = left < 8
        if short.any():
            word[short] &= (np.uint64(1) << (left[short] * 8).astype(np.uint64)) - np.uint64(1)
        hashes[rows] = mixed(hashes[rows] * _MULTIPLY ^ word)
        rows = rows[left > 8]
        done += 8
    return mixed(hashes)


def hash_word(word: str) -> np.uint64:
    """The hash of one word."""
    return np.uint64(hash_text(pa.array([word], pa.string()))[0])
