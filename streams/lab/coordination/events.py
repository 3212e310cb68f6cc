"""Actions by column, as the lab makes them and every method reads them: who, when, on what.

First stage of the coordination lab. A background, a campaign and a hard negative are all `Events`:
one row a request (or a share), one column of objects a signal. `actions` makes of them what the
stream reads: one row an account, object and moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COLUMNS",
    "DAY_MS",
    "HOUR_MS",
    "KIND_OF",
    "Actions",
    "Events",
    "actions",
    "joined",
    "words",
]

Integers = NDArray[np.int64]
Words = NDArray[np.uint64]
Bools = NDArray[np.bool_]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
#: Objects of one API request, in this order; a request has two MinHash bands.
COLUMNS: Final = (
    "template",
    "band",
    "band",
    "network",
    "ip",
    "payment",
    "user_agent",
    "end_user",
    "signup",
)
#: Code of the kind of each column; a file with one column has the first one's.
KIND_OF: Final = np.array([0, 1, 1, 2, 3, 4, 5, 6, 7], np.uint8)


@dataclass(frozen=True, slots=True)
class Events:
    """n requests: account (n,), time_ms (n,), objects (n, columns) with 0 for none."""

    account: Integers
    time_ms: Integers
    objects: Words

    def __len__(self) -> int:
        return len(self.account)

    def only(self, which: Bools) -> Events:
        """The rows `which` (n,)."""
        return Events(self.account[which], self.time_ms[which], self.objects[which])

    def ordered(self) -> Events:
        """In order of time; ties by account, so that no two orders are possible."""
        order = np.lexsort((self.objects[:, 0], self.account, self.time_ms))
        return Events(self.account[order], self.time_ms[order], self.objects[order])


@dataclass(frozen=True, slots=True)
class Actions:
    """m actions in order of time: what `Stream.push` takes, column by column."""

    account: Integers
    object: Words
    kind: NDArray[np.uint8]
    time_ms: Integers

    def __len__(self) -> int:
        return len(self.account)

    def only(self, rows: Integers) -> Actions:
        """These rows, in this order."""
        return Actions(self.account[rows], self.object[rows], self.kind[rows], self.time_ms[rows])

    def before(self, time_ms: int) -> int:
        """How many of them are older than `time_ms`."""
        return int(np.searchsorted(self.time_ms, time_ms, side="left"))


def joined(parts: Sequence[Events]) -> Events:
    """All of them in order of time."""
    return Events(
        np.concatenate([part.account for part in parts]),
        np.concatenate([part.time_ms for part in parts]),
        np.concatenate([part.objects for part in parts]),
    ).ordered()


def actions(events: Events, slot_ms: int = 0) -> Actions:
    """Every object of every event in order of (time, account, object).

    With a `slot_ms`, of the actions of one account on one object in one slot only the earliest
    counts, as in the live flow.
    """
    columns = events.objects.shape[1]
    objects = events.objects.reshape(-1)
    account = np.repeat(events.account, columns)
    time_ms = np.repeat(events.time_ms, columns)
    kind = np.tile(KIND_OF[:columns], len(events))
    there = objects != 0
    account, time_ms = account[there], time_ms[there]
    objects, kind = objects[there], kind[there]
    order = np.lexsort((objects, account, time_ms))
    if slot_ms:
        slot = time_ms[order] // slot_ms
        by = np.lexsort((np.arange(len(order)), objects[order], account[order], slot))
        a, o, s = account[order][by], objects[order][by], slot[by]
        first = np.ones(len(by), np.bool_)
        first[1:] = (a[1:] != a[:-1]) | (o[1:] != o[:-1]) | (s[1:] != s[:-1])
        order = order[np.sort(by[first])]
    return Actions(account[order], objects[order], kind[order], time_ms[order])


def words(scope: int, number: Integers | int) -> Words:
    """Object ids (uint64, never 0) of `number` within `scope`: what a keyed hash would give.

    The finaliser of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014).
    """
    z = np.atleast_1d(np.asarray(number)).astype(np.uint64) + np.uint64(scope) * np.uint64(1 << 40)
    with np.errstate(over="ignore"):
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    found: Words = np.maximum(z, np.uint64(1))
    return found
