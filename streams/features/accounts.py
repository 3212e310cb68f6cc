"""The account table of one partition: which row an account has, and the rows themselves.

Memory of the fold. Rows of accounts that were silent for long are given back; an account that
returns afterwards starts anew, on every worker and in every rebuild alike.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.features.layout import Layout

__all__ = ["Accounts"]

_FIRST_CAPACITY = 1024


class Accounts:
    """Account ids to rows of `state`; `stamp` is the last tick (epoch ms) that touched a row."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.index: dict[str, int] = {}
        self.names: list[str] = []
        self.orgs: list[str] = []
        self.state = np.zeros(_FIRST_CAPACITY, layout.dtype)
        self.stamp = np.zeros(_FIRST_CAPACITY, np.int64)
        self.dirty = np.zeros(_FIRST_CAPACITY, bool)
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, names: Sequence[str], orgs: Sequence[str]) -> NDArray[np.int64]:
        """Row of each account, new rows for accounts never seen; `orgs` are kept for new ones."""
        index = self.index
        found = [index.get(name, -1) for name in names]
        if -1 in found:
            for place, row in enumerate(found):
                if row < 0:
                    name = names[place]
                    found[place] = (
                        index.get(name, -1) if name in index else self._new(name, orgs[place])
                    )
        return np.array(found, np.int64)

    def _new(self, name: str, org: str) -> int:
        if self._free:
            row = self._free.pop()
            self.names[row], self.orgs[row] = name, sys.intern(org)
        else:
            row = len(self.names)
            self.names.append(name)
            self.orgs.append(sys.intern(org))  # one object an org, not one an account
            if row == len(self.state):
                self._grow(2 * row)
        self.index[name] = row
        return row

    def _grow(self, capacity: int) -> None:
        used = len(self.state)
        for field in ("state", "stamp", "dirty"):
            old = getattr(self, field)
            new = np.zeros(capacity, old.dtype)  # pages are only taken when they are written
            new[:used] = old
            setattr(self, field, new)

    def take(self, rows: NDArray[np.int64]) -> Any:
        """A copy of the hot part of the records of `rows`; words are copied, not fields."""
        return self._hot_words()[rows].view(self.layout.hot)[:, 0]

    def put(self, rows: NDArray[np.int64], records: Any) -> None:
        """Write `records`, that `take` returned, back."""
        self._hot_words()[rows] = records.view(np.uint64).reshape(len(rows), -1)

    def words(self) -> NDArray[np.uint64]:
        """The records as whole words: copied by them, not field by field."""
        return self.state.view(np.uint64).reshape(len(self.state), -1)

    def _hot_words(self) -> NDArray[np.uint64]:
        return self.words()[:, : self.layout.hot.itemsize // 8]

    def reserve(self, count: int) -> None:
        """Make room for `count` accounts at once."""
        if count > len(self.state):
            self._grow(1 << (count - 1).bit_length())

    def evict(self, before: int, held: NDArray[np.int64]) -> int:
        """Forget accounts not touched since `before` (epoch ms); returns how many.

        Rows in `held` (rows of events still to be counted) start anew but keep their place.
        """
        used = len(self.names)
        idle = np.flatnonzero((self.stamp[:used] < before) & (self.stamp[:used] > 0))
        self.state[idle] = np.zeros((), self.layout.dtype)
        self.stamp[idle] = 0
        self.dirty[idle] = False
        freed = np.setdiff1d(idle, held).tolist()
        for row in freed:
            del self.index[self.names[row]]
            self.names[row] = self.orgs[row] = ""
        self._free.extend(freed)
        return len(idle)
