"""Co-sharing in a time window: the classic count of who shared the same object within S seconds.

The method practitioners know from CooRnet and CooRTweet (Giglietto et al. 2020; Righetti & Balluff
2023), beside this package's own: `pulse clusters --method co-sharing` and the evaluation use it.
Two actions by different accounts on one object at most S seconds apart are one repetition of their
pair; a pair is tied from so many repetitions on. Nothing is weighed: a popular object ties
strangers, and a window is good for campaigns of its own pace only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.compiled import compiled

__all__ = ["CoSharing", "Ties", "TooManyTies", "components"]

_START = 1 << 12


class TooManyTies(ValueError):
    """More pairs than the table may hold: the window is too long for this traffic."""


@dataclass(frozen=True, slots=True)
class Ties:
    """Tied pairs in order of (account_a, account_b), a < b; `repeats` counts their repetitions."""

    account_a: NDArray[np.int64]
    account_b: NDArray[np.int64]
    repeats: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.account_a)


class CoSharing:
    """Counts in one pass over actions in order of time, cut anywhere.

    Memory is one block, the last `window_ms` before it, and 32 to 64 bytes a pair.

    Args:
        window_ms: two actions as far apart as this still count.
        capacity: pairs held at most.
    """

    def __init__(self, window_ms: int, capacity: int = 1 << 25) -> None:
        self._window = window_ms
        self._capacity = capacity
        self._keys = np.zeros((_START, 2), np.int64)
        self._repeats = np.zeros(_START, np.int64)
        self._pairs = 0
        self._account = np.empty(0, np.int64)
        self._object = np.empty(0, np.uint64)
        self._time = np.empty(0, np.int64)

    def push(
        self, account: NDArray[np.int64], object: NDArray[np.uint64], time_ms: NDArray[np.int64]
    ) -> None:
        """Counts the repetitions that these actions make with each other and with those before.

        Raises:
            TooManyTies: the table of pairs is full.
            ValueError: times go backwards.
        """
        if not len(time_ms):
            return
        held = len(self._time)
        times = np.concatenate([self._time, time_ms])
        if (np.diff(times[max(held - 1, 0) :]) < 0).any():
            raise ValueError("expected actions in order of time")
        accounts = np.concatenate([self._account, account])
        objects = np.concatenate([self._object, object])
        # Stable: the actions of an object stay in order of time.
        order = np.argsort(objects, kind="stable")
        fresh = order >= held
        place, partner = 0, -1
        while True:
            place, partner, self._pairs = _count(
                accounts[order],
                objects[order],
                times[order],
                fresh,
                self._window,
                self._keys,
                self._repeats,
                self._pairs,
                place,
                partner,
            )
            if place == len(order):
                break
            self._grow()
        recent = times >= times[-1] - self._window
        self._account, self._object, self._time = accounts[recent], objects[recent], times[recent]

    def _grow(self) -> None:
        if self._pairs >= self._capacity:
            raise TooManyTies(f"more than {self._capacity:,} pairs share an object")
        keys, repeats = self._keys, self._repeats
        self._keys = np.zeros((2 * len(keys), 2), np.int64)
        self._repeats = np.zeros(2 * len(keys), np.int64)
        _move(keys, repeats, self._keys, self._repeats)

    def ties(self, repeats: int = 1) -> Ties:
        """The pairs with at least so many repetitions (1 or more)."""
        tied = np.flatnonzero(self._repeats >= max(repeats, 1))
        a, b = self._keys[tied, 0], self._keys[tied, 1]
        order = np.lexsort((b, a))
        return Ties(a[order], b[order], self._repeats[tied][order])


@compiled
def _slot(keys: NDArray[np.int64], repeats: NDArray[np.int64], a: int, b: int) -> np.int64:
    mixed = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(b)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xFF51AFD7ED558CCD)
    mask = np.uint64(len(repeats) - 1)
    slot = (mixed ^ (mixed >> np.uint64(32))) & mask
    while repeats[slot] and (keys[slot, 0] != a or keys[slot, 1] != b):
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@compiled
def _count(
    account: NDArray[np.int64],
    object: NDArray[np.uint64],
    time: NDArray[np.int64],
    fresh: NDArray[np.bool_],
    window: int,
    keys: NDArray[np.int64],
    repeats: NDArray[np.int64],
    pairs: int,
    place: int,
    partner: int,
) -> tuple[int, int, int]:
    """(action, partner, pairs) at which the table is half full, to go on there; else the end."""
    n = len(account)
    for i in range(place, n):
        if not fresh[i]:
            continue
        j = partner if i == place and partner >= 0 else i - 1
        while j >= 0 and object[j] == object[i] and time[i] - time[j] <= window:
            a, b = min(account[i], account[j]), max(account[i], account[j])
            if a != b:
                if 2 * pairs >= len(repeats):
                    return i, j, pairs
                slot = _slot(keys, repeats, a, b)
                if repeats[slot] == 0:
                    keys[slot, 0], keys[slot, 1] = a, b
                    pairs += 1
                repeats[slot] += 1
            j -= 1
    return n, -1, pairs


@compiled
def _move(
    keys: NDArray[np.int64],
    repeats: NDArray[np.int64],
    to_keys: NDArray[np.int64],
    to_repeats: NDArray[np.int64],
) -> None:
    for i in range(len(repeats)):
        if repeats[i]:
            slot = _slot(to_keys, to_repeats, keys[i, 0], keys[i, 1])
            to_keys[slot, 0], to_keys[slot, 1] = keys[i, 0], keys[i, 1]
            to_repeats[slot] = repeats[i]


def components(ties: Ties, accounts: int) -> NDArray[np.int64]:
    """Label of each account 0 .. accounts - 1: who is tied, directly or through others; -1: none.

    Labels count from 0 in order of the smallest account.
    """
    parent = np.arange(accounts)
    _join(parent, ties.account_a, ties.account_b)
    tied = np.zeros(accounts, np.bool_)
    tied[ties.account_a] = tied[ties.account_b] = True
    labels = np.full(accounts, -1, np.int64)
    labels[tied] = np.unique(parent[tied], return_inverse=True)[1]
    return labels


@compiled
def _join(parent: NDArray[np.int64], a: NDArray[np.int64], b: NDArray[np.int64]) -> None:
    """Union of the smaller root, with halved paths; afterwards each one's parent is its root."""
    for i in range(len(a)):
        x, y = a[i], b[i]
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = parent[y]
        parent[max(x, y)] = min(x, y)
    for i in range(len(parent)):
        parent[i] = parent[parent[i]]
