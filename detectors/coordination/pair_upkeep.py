"""The rarer loops over the pair table: what is worth keeping, forgetting, choosing, packing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.compiled import Int, compiled
from detectors.coordination.kernel import evidence, place
from detectors.coordination.pair_table import PAIR_MS, WAYS, coincide, give_back

__all__ = ["chosen", "drop", "forget", "packed", "unpack", "values"]

_Records = NDArray[np.void]
_Ints = NDArray[np.int64]


@compiled
def values(
    slots: _Records,
    arena: _Records,
    several: int,
    most: int,
    horizon_s: float,
    power: float,
    scale: float,
    crowd: float,
    spacing: float,
) -> tuple[_Ints, NDArray[np.float64]]:
    """The slots of pairs with several objects, and ln(evidence) + freshness of each.

    `most` coincidences of a pair are looked at: the cost of evidence rises with their square.
    """
    at = np.empty(several, np.int64)
    value = np.empty(several, np.float64)
    picked = np.empty(most, np.int64)
    time_a, time_b = np.empty(most, np.int64), np.empty(most, np.int64)
    popularity = np.empty(most, np.float32)
    found = 0
    for slot in range(len(slots)):
        start, count = slots[slot]["start"], slots[slot]["count"]
        if count < 2:
            continue
        last = arena[start]["time_a"]
        for e in range(start, start + count):
            last = max(last, arena[e]["time_a"], arena[e]["time_b"])
        kept = coincide(arena, start, count, picked)
        for k in range(kept):
            time_a[k] = arena[picked[k]]["time_a"]
            time_b[k] = arena[picked[k]]["time_b"]
            popularity[k] = arena[picked[k]]["popularity"]
        sync, lag, _ = evidence(
            time_a[:kept],
            time_b[:kept],
            popularity[:kept],
            horizon_s,
            power,
            scale,
            crowd,
            spacing,
        )
        at[found] = slot
        value[found] = math.log(max(sync, lag, 1e-6)) + last / PAIR_MS
        found += 1
    return at, value


@compiled
def drop(
    keys: NDArray[np.uint64],
    slots: _Records,
    arena: _Records,
    free: _Ints,
    counts: _Ints,
    at: _Ints,
) -> None:
    """These pairs go."""
    for slot in at:
        give_back(arena, free, slots[slot]["start"], slots[slot]["room"])
        slots[slot]["count"] = 0
        keys[slot] = 0
    counts[0] -= len(at)
    counts[1] -= len(at)
    counts[3] += len(at)


@compiled
def forget(
    keys: NDArray[np.uint64],
    slots: _Records,
    arena: _Records,
    free: _Ints,
    counts: _Ints,
    since: int,
) -> None:
    """Meetings that lie before `since` go, and pairs without any."""
    for slot in range(len(slots)):
        start, count = slots[slot]["start"], slots[slot]["count"]
        left = 0
        for e in range(start, start + count):
            if max(arena[e]["time_a"], arena[e]["time_b"]) >= since:
                arena[start + left] = arena[e]
                left += 1
        if left == count:
            continue
        slots[slot]["count"] = left
        if left < 2 <= count:
            counts[1] -= 1
        if left == 0:
            give_back(arena, free, start, slots[slot]["room"])
            counts[0] -= 1
            keys[slot] = 0


@compiled
def chosen(
    slots: _Records, arena: _Records, at: _Ints, most: int
) -> tuple[_Ints, _Ints, NDArray[np.uint64], _Ints, NDArray[np.float32]]:
    """Coincidences of each pair, the entries of those with two or more, kinds of each pair.

    And how many objects each pair shares, and the popularity of those of pairs with two or more
    coincidences: each object once, as at the best meeting on it.
    """
    total = 0
    for slot in at:
        total += slots[slot]["count"]
    entries = np.empty(total, np.int64)
    kept = np.empty(len(at), np.int64)
    kinds = np.zeros(len(at), np.uint64)
    shared = np.zeros(len(at), np.int64)
    popularity = np.empty(total, np.float32)
    picked = np.empty(most, np.int64)
    found, told = 0, 0
    for i in range(len(at)):
        start, count = slots[at[i]]["start"], slots[at[i]]["count"]
        kept[i] = coincide(arena, start, count, picked)
        for e in range(start, start + count):
            kinds[i] |= np.uint64(1) << np.uint64(arena[e]["kind"])
        if kept[i] < 2:
            continue
        for k in range(kept[i]):
            entries[found] = picked[k]
            found += 1
        for e in range(start, start + count):
            if _best(arena, start, e) == e:
                popularity[told] = arena[e]["popularity"]
                shared[i] += 1
                told += 1
    return kept, entries[:found], kinds, shared, popularity[:told].copy()


@compiled
def _best(arena: _Records, start: Int, at: Int) -> Int:
    """The first entry of the block, from `start` on, about the same object as the one at `at`."""
    first = start
    while arena[first]["object"] != arena[at]["object"]:
        first += 1
    return first


@compiled
def packed(slots: _Records, arena: _Records, at: _Ints) -> _Records:
    """The entries of these slots, one after the other."""
    total = 0
    for slot in at:
        total += slots[slot]["count"]
    entries = np.empty(total, arena.dtype)
    found = 0
    for slot in at:
        for e in range(slots[slot]["count"]):
            entries[found] = arena[slots[slot]["start"] + e]
            found += 1
    return entries


@compiled
def unpack(
    keys: NDArray[np.uint64],
    slots: _Records,
    arena: _Records,
    counts: _Ints,
    held: NDArray[np.uint64],
    pairs: _Records,
    entries: _Records,
) -> None:
    """Fills an empty table with what was packed; a block takes the next power of two."""
    done = 0
    for i in range(len(held)):
        count = pairs[i]["count"]
        at = place(held[i], len(keys) // WAYS) * WAYS
        while keys[at]:
            at += 1
        room = 1
        while room < count:
            room *= 2
        keys[at] = held[i]
        slots[at]["start"] = counts[2]
        slots[at]["worth"] = pairs[i]["worth"]
        slots[at]["count"] = count
        slots[at]["room"] = room
        for e in range(count):
            arena[counts[2] + e] = entries[done + e]
        counts[2] += room
        done += count
        counts[0] += 1
        counts[1] += count >= 2
