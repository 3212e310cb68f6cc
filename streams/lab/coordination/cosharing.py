"""Co-sharing in a time window: the public method of CooRTweet, beside ours.

Two accounts are tied by every pair of actions on the same object within a window; ties of at least
two make the network (Giglietto et al., "It takes a village to manipulate the media", 2020; Righetti
and Balluff, "CooRTweet", 2023, whose vignette takes 60 s, two, and the heavier half of the edges).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.events import Events

__all__ = ["Shared", "shared_within"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_MOST_PAIRS: Final = 6_000_000


@dataclass(frozen=True, slots=True)
class Shared:
    """Tied pairs a < b (m,) and how often they shared (m,)."""

    a: Integers
    b: Integers
    times: Integers

    def least(self, times: int) -> Shared:
        """Those that shared at least so often."""
        keep = self.times >= times
        return Shared(self.a[keep], self.b[keep], self.times[keep])

    def strongest(self, accounts: int) -> Floats:
        """(accounts,) the heaviest edge of each."""
        score = np.zeros(accounts)
        for side in (self.a, self.b):
            np.maximum.at(score, side, self.times.astype(np.float64))
        return score

    def strength(self, accounts: int) -> Floats:
        """(accounts,) the sum of the edges of each."""
        both = np.concatenate([self.a, self.b])
        return np.bincount(both, np.tile(self.times, 2), accounts).astype(np.float64)

    def heavier_half(self, accounts: int) -> Bools:
        """(accounts,) who has an edge of at least the median weight, as in the vignette."""
        flagged = np.zeros(accounts, np.bool_)
        if len(self.times):
            keep = self.times >= np.quantile(self.times, 0.5)
            flagged[self.a[keep]] = flagged[self.b[keep]] = True
        return flagged


def shared_within(events: Events, window_s: float, columns: tuple[int, ...] = (0,)) -> Shared:
    """Every pair of accounts with actions on one object no more than `window_s` apart, counted.

    All `columns` of objects count alike. The most popular objects are left out as far as needed to
    hold the pairs in memory, as one does in practice with what everybody shares.
    """
    objects = events.objects[:, columns].T.reshape(-1)
    account = np.tile(events.account, len(columns))
    time_s = np.tile(events.time_ms, len(columns)) / 1000.0
    there = np.flatnonzero(objects != 0)
    there = there[np.lexsort((account[there], time_s[there], objects[there]))]
    account, time_s = account[there], time_s[there]
    item = np.cumsum(np.diff(objects[there], prepend=objects[there][:1]) != 0)
    # One axis for all objects: those of the next begin beyond the window of the last.
    span = (time_s.max(initial=0.0) - time_s.min(initial=0.0)) + 2.0 * window_s + 1.0
    axis = item * span + (time_s - time_s.min(initial=0.0))
    ahead = np.searchsorted(axis, axis + window_s, side="right") - np.arange(len(axis)) - 1
    ahead = _affordable(ahead, item)
    first = np.repeat(np.arange(len(axis)), ahead)
    within = np.arange(len(first)) - np.repeat(np.cumsum(ahead) - ahead, ahead)
    one, other = account[first], account[first + within + 1]
    differ = one != other
    one, other = one[differ], other[differ]
    size = int(account.max(initial=0)) + 1
    key, times = np.unique(
        np.minimum(one, other) * size + np.maximum(one, other), return_counts=True
    )
    return Shared(key // size, key % size, times.astype(np.int64))


def _affordable(ahead: Integers, item: Integers) -> Integers:
    """`ahead` with the objects of the most pairs silenced, until the rest can be held."""
    if ahead.sum() <= _MOST_PAIRS:
        return ahead
    pairs = np.bincount(item, ahead)
    order = np.argsort(pairs, kind="stable")
    keep = np.zeros(len(pairs), np.bool_)
    keep[order[np.cumsum(pairs[order]) <= _MOST_PAIRS]] = True
    return np.where(keep[item], ahead, 0)
