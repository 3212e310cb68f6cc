"""The unit of traffic between readers, simulator and sender: encoded events beside columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BATCH_EVENTS", "MAX_LINE_BYTES", "Batch"]

#: Events in one batch: enough to make numpy cheap, few enough to stay in the cache.
BATCH_EVENTS = 4096

#: A longer line cannot travel: a message is at most 1 MiB, its envelope included.
MAX_LINE_BYTES = 1024 * 1024 - 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in the order in which they are to be sent.

    `accounts` is the dictionary of account names, `account` (int32) the index of each event's
    account in it, `ts` (int64) event times in epoch ms, `lines` one JSON object each, without a
    newline. The dictionary may be shared by many batches and hold names that this one never uses.
    """

    accounts: Sequence[str]
    account: NDArray[np.int32]
    ts: NDArray[np.int64]
    lines: list[bytes]

    def __len__(self) -> int:
        return len(self.lines)

    def slice(self, start: int, stop: int) -> Batch:
        """Events `start` to `stop`, the dictionary shared."""
        return Batch(
            self.accounts, self.account[start:stop], self.ts[start:stop], self.lines[start:stop]
        )

    def account_ids(self) -> Iterator[str]:
        """The account of each event, as text."""
        return (self.accounts[index] for index in self.account.tolist())
