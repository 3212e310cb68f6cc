"""Which partition an account belongs to: Kafka's default partitioner, whole columns at a time.

An account's events must meet in one partition whoever produced them, so this is exactly
`murmur2(key) & 0x7fffffff % partitions` of `org.apache.kafka.common.utils.Utils`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Partitioner", "murmur2"]

_SEED = 0x9747B28C
_M = np.uint32(0x5BD1E995)


def murmur2(keys: Sequence[bytes]) -> NDArray[np.uint32]:
    """Kafka's murmur2 of every key; keys of equal length are hashed together."""
    hashes = np.empty(len(keys), np.uint32)
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        joined = b"".join([keys[row] for row in rows.tolist()])
        table = np.frombuffer(joined, np.uint8).reshape(len(rows), length)
        hashes[rows] = _same_length(table)
    return hashes


def _same_length(table: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Keys as rows of bytes; unsigned 32-bit arithmetic wraps as in Java."""
    count, length = table.shape
    whole = length // 4 * 4
    words = np.ascontiguousarray(table[:, :whole]).view("<u4").astype(np.uint32, copy=False)
    h = np.full(count, _SEED ^ length, np.uint32)
    for column in range(whole // 4):
        k = words[:, column] * _M
        k ^= k >> np.uint32(24)
        h = h * _M ^ k * _M
    if length > whole:
        for place in range(length - whole):
            h ^= table[:, whole + place].astype(np.uint32) << np.uint32(8 * place)
        h = h * _M
    h ^= h >> np.uint32(13)
    h = h * _M
    return h ^ h >> np.uint32(15)


class Partitioner:
    """Partition of every account of a dictionary; the last dictionary's answer is remembered.

    A simulated or synthetic population keeps one dictionary for all its batches, so the hashing is
    done once; a file with accounts of its own pays for each batch's distinct accounts.
    """

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._accounts: Sequence[str] = ()
        self._answer: NDArray[np.int32] = np.empty(0, np.int32)

    def assign(self, accounts: Sequence[str]) -> NDArray[np.int32]:
        """Partition of each account, int32, in the order given."""
        if accounts is not self._accounts or len(accounts) != len(self._answer):
            hashes = murmur2([account.encode() for account in accounts])
            self._answer = ((hashes & np.uint32(0x7FFFFFFF)) % np.uint32(self.partitions)).astype(
                np.int32
            )
            self._accounts = accounts
        return self._answer
