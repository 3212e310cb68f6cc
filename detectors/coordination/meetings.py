"""What the first stage hands to the second: two accounts that acted on one object near in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Meetings"]


@dataclass(frozen=True, slots=True)
class Meetings:
    """Meetings as columns of one length, in the order they were found.

    Attributes:
        account_a, account_b: the two accounts, a < b (int64, 0 <= id < 2**32).
        time_a, time_b: when each of them acted (int64, epoch ms).
        object: hash of what they acted on (uint64).
        kind: code of the kind of signal (uint8, below 64).
        weight: of the lag between them, whatever the object (float32; 16 at once, 5.6 at a minute,
            0.9 at an hour): which meeting of a pair is the better one.
        popularity: accounts on the object lately, those two included (float32).
    """

    account_a: NDArray[np.int64]
    account_b: NDArray[np.int64]
    time_a: NDArray[np.int64]
    time_b: NDArray[np.int64]
    object: NDArray[np.uint64]
    kind: NDArray[np.uint8]
    weight: NDArray[np.float32]
    popularity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.account_a)

    @staticmethod
    def unset(count: int) -> Meetings:
        """Columns of `count` rows to be filled."""
        return Meetings(
            np.empty(count, np.int64),
            np.empty(count, np.int64),
            np.empty(count, np.int64),
            np.empty(count, np.int64),
            np.empty(count, np.uint64),
            np.empty(count, np.uint8),
            np.empty(count, np.float32),
            np.empty(count, np.float32),
        )

    @staticmethod
    def empty() -> Meetings:
        """No meetings."""
        return Meetings.unset(0)

    def head(self, count: int) -> Meetings:
        """The first `count`, without the memory of the rest."""
        return Meetings(*(getattr(self, name)[:count].copy() for name in self.__slots__))

    @staticmethod
    def together(parts: Sequence[Meetings]) -> Meetings:
        """All `parts` one after the other."""
        if not parts:
            return Meetings.empty()
        return Meetings(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in Meetings.__slots__
            )
        )
