"""The loops of the pair table: meetings into blocks of memory, and which pair goes when it is full.

A slot is a pair. Its meetings, at most one an object, stand best first in a block of 1, 2, 4 ...
entries of one arena. Slots lie in buckets of 16: a pair with one object competes with the others of
its bucket for a place, a pair with two or more keeps its place until there are more such pairs than
`pair_capacity` and the least valuable are swept out.

Value is evidence and freshness together: ln(evidence) + last meeting / scale of time. So evidence e
times smaller counts as much when it is one such time fresher: without that, newcomers would never
stay beside what had grown before, and what ended long ago would never go.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.compiled import Int, compiled
from detectors.coordination.kernel import place

__all__ = ["ENTRY", "PAIR_MS", "SLOT", "WAYS", "add", "coincide", "give_back"]

WAYS = 16
SINGLE_MS = 86_400_000.0  # a pair with one object lives by the day,
PAIR_MS = 7 * SINGLE_MS  # one with several by the week
SLOT = np.dtype(
    [
        ("start", np.int64),  # of the block in the arena
        ("worth", np.float32),  # value of a pair with one object
        ("count", np.int16),  # meetings held
        ("room", np.int16),
    ],
    align=True,
)
ENTRY = np.dtype(
    [
        ("time_a", np.int64),
        ("time_b", np.int64),
        ("object", np.uint64),
        ("weight", np.float32),
        ("popularity", np.float32),
        ("kind", np.uint8),
    ],
    align=True,
)
_Keys = NDArray[np.uint64]  # a << 32 | b; 0, which no pair has, marks a free slot
_Counts = NDArray[np.int64]  # [0] pairs held, [1] with several objects, [2] arena used, [3] evicted
_Records = NDArray[np.void]


@compiled
def give_back(arena: _Records, free: NDArray[np.int64], start: Int, room: Int) -> None:
    """A block of `room` entries into the list of free ones of its size."""
    step = 0
    while (1 << step) < room:
        step += 1
    arena[start]["time_a"] = free[step]
    free[step] = start


@compiled
def _take(arena: _Records, free: NDArray[np.int64], counts: _Counts, room: Int) -> Int:
    step = 0
    while (1 << step) < room:
        step += 1
    start: Int = free[step]
    if start >= 0:
        free[step] = arena[start]["time_a"]
        return start
    start = counts[2]
    counts[2] += room
    return start


@compiled
def _before(
    arena: _Records, at: int, weight: float, time_a: int, time_b: int, object: np.uint64
) -> bool:
    """Whether the entry comes before such a meeting: by weight, then times, then object."""
    if arena[at]["weight"] != weight:
        return bool(arena[at]["weight"] > weight)
    if arena[at]["time_a"] != time_a:
        return bool(arena[at]["time_a"] < time_a)
    if arena[at]["time_b"] != time_b:
        return bool(arena[at]["time_b"] < time_b)
    return bool(arena[at]["object"] < object)


@compiled
def coincide(arena: _Records, start: Int, count: Int, chosen: NDArray[np.int64]) -> int:
    """Entries that count once each: best first, one a moment of a, one a moment of b.

    As many as `chosen` has room for.
    """
    found = 0
    for e in range(start, start + count):
        if found == len(chosen):
            break
        fresh = True
        for k in range(found):
            c = chosen[k]
            if arena[c]["time_a"] == arena[e]["time_a"] or arena[c]["time_b"] == arena[e]["time_b"]:
                fresh = False
                break
        if fresh:
            chosen[found] = e
            found += 1
    return found


@compiled
def _place(
    keys: _Keys, slots: _Records, arena: _Records, free: NDArray[np.int64], counts: _Counts,
    key: np.uint64, worth: float,
) -> int:  # fmt: skip
    """The slot of `key`, a free one, or that of the least valuable single; -1 when none goes."""
    bucket = place(key, len(keys) // WAYS) * WAYS
    empty = -1
    for at in range(bucket, bucket + WAYS):
        if keys[at] == key:
            return at
        if keys[at] == 0 and empty < 0:
            empty = at
    if empty < 0:
        least = -1
        for at in range(bucket, bucket + WAYS):
            if slots[at]["count"] == 1 and (
                least < 0
                or slots[at]["worth"] < slots[least]["worth"]
                or (slots[at]["worth"] == slots[least]["worth"] and keys[at] > keys[least])
            ):
                least = at
        counts[3] += 1
        if least < 0 or slots[least]["worth"] > np.float32(worth):
            return -1
        give_back(arena, free, slots[least]["start"], 1)
        counts[0] -= 1
        empty = least
    keys[empty] = key
    slots[empty]["start"] = _take(arena, free, counts, 1)
    slots[empty]["count"] = 0
    slots[empty]["room"] = 1
    counts[0] += 1
    return empty


@compiled
def add(
    keys: _Keys,
    slots: _Records,
    arena: _Records,
    free: NDArray[np.int64],
    counts: _Counts,
    first: int,
    end: int,
    account_a: NDArray[np.int64],
    account_b: NDArray[np.int64],
    time_a: NDArray[np.int64],
    time_b: NDArray[np.int64],
    object: NDArray[np.uint64],
    kind: NDArray[np.uint8],
    weight: NDArray[np.float32],
    popularity: NDArray[np.float32],
    most: int,
    renew_ms: int,
    capacity: int,
) -> int:
    """Takes meetings from `first` to `end` in; returns where it stopped for want of room."""
    for i in range(first, end):
        if counts[1] >= capacity:
            return i
        now = max(time_a[i], time_b[i])
        early = min(time_a[i], time_b[i])
        worth = math.log(max(weight[i], 1e-6)) + now / SINGLE_MS
        key = (np.uint64(account_a[i]) << np.uint64(32)) | np.uint64(account_b[i])
        at = _place(keys, slots, arena, free, counts, key, worth)
        if at < 0:
            continue
        start, count = slots[at]["start"], slots[at]["count"]
        if count == most and _before(
            arena, start + count - 1, weight[i], time_a[i], time_b[i], object[i]
        ):
            continue  # the usual case for a pair that meets all the time
        same, below = -1, count
        for e in range(start, start + count):
            if arena[e]["object"] == object[i] and (
                renew_ms == 0
                or min(arena[e]["time_a"], arena[e]["time_b"]) // renew_ms == early // renew_ms
            ):
                same = e - start
            if below == count and not _before(arena, e, weight[i], time_a[i], time_b[i], object[i]):
                below = e - start
        if same >= 0 and same < below:
            continue  # a better one on this object is there
        if same < 0 and below >= most:
            continue
        last = same  # the entry to overwrite
        if same < 0:
            if count < most:
                if count == slots[at]["room"]:
                    block = _take(arena, free, counts, 2 * count)
                    for e in range(count):
                        arena[block + e] = arena[start + e]
                    give_back(arena, free, start, count)
                    start = block
                    slots[at]["start"] = block
                    slots[at]["room"] = 2 * count
                last = count
                slots[at]["count"] = count + 1
                if count == 1:
                    counts[1] += 1
            else:
                last = count - 1
        for e in range(start + last, start + below, -1):
            arena[e] = arena[e - 1]
        arena[start + below]["time_a"] = time_a[i]
        arena[start + below]["time_b"] = time_b[i]
        arena[start + below]["object"] = object[i]
        arena[start + below]["weight"] = weight[i]
        arena[start + below]["popularity"] = popularity[i]
        arena[start + below]["kind"] = kind[i]
        slots[at]["worth"] = max(slots[at]["worth"], np.float32(worth)) if count else worth
    return end
