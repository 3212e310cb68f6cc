"""The loops of the rings: finding an object, meeting who is in its ring, taking a place in it.

An open-addressed table of objects, each with a block of 1, 2, 4 ... `ring` entries of one arena.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.compiled import Int, compiled
from detectors.coordination.kernel import place, weigh

__all__ = ["ENTRY", "LEAST_WATCH_S", "SLOT", "copy", "exposure", "meet"]

SLOT = np.dtype(
    [
        ("object", np.uint64),
        ("last", np.int64),  # time of the latest action (ms)
        ("start", np.int64),  # of the ring's entries in the arena
        ("actions", np.float32),  # counts that halve every horizon
        ("accounts", np.float32),
        ("count", np.int16),  # entries in use; 0 marks a free slot
        ("room", np.int16),
    ],
    align=True,
)
ENTRY = np.dtype([("time", np.int64), ("account", np.uint32)])
#: [0] objects held, [1] entries taken from the arena's end, [2] time of the first action (ms)
_Counts = NDArray[np.int64]
LEAST_WATCH_S = 60.0


@compiled
def _find(slots: NDArray[np.void], object: np.uint64) -> Int:
    """The slot of `object`, or the free one where it belongs."""
    at = place(object, len(slots))
    while slots[at]["count"] and slots[at]["object"] != object:
        at = (at + 1) & (len(slots) - 1)
    return at


@compiled
def _room(
    free: NDArray[np.int64], arena: NDArray[np.void], counts: _Counts, room: Int, step: int
) -> Int:
    """Where `room` entries are free: a block given back (a list through the arena), or the end."""
    start: Int = free[step]
    if start >= 0:
        free[step] = arena[start]["time"]
        return start
    start = counts[1]
    counts[1] += room
    return start


@compiled
def _grow(
    slots: NDArray[np.void],
    arena: NDArray[np.void],
    free: NDArray[np.int64],
    counts: _Counts,
    at: Int,
    limit: int,
) -> None:
    """Twice the room for the ring of slot `at`."""
    old, room = slots[at]["start"], slots[at]["room"]
    step = 0
    while (1 << step) < room:
        step += 1
    more = min(2 * room, limit)
    start = _room(free, arena, counts, more, step + 1)
    for i in range(room):
        arena[start + i]["time"] = arena[old + i]["time"]
        arena[start + i]["account"] = arena[old + i]["account"]
    arena[old]["time"] = free[step]
    free[step] = old
    slots[at]["start"] = start
    slots[at]["room"] = more


@compiled
def exposure(watched_s: float, horizon_s: float) -> float:
    """Seconds that a count which halves every horizon stands for, after so long a watch.

    A count of events at a constant rate, divided by this, is the rate from the first minute on; of
    a long watch it is H / ln 2.

    >>> [round(exposure(d * 86_400.0, 2 * 86_400.0) / 86_400.0, 2) for d in (0.1, 2, 20)]
    [0.1, 1.44, 2.88]
    """
    watched = max(watched_s, LEAST_WATCH_S)
    return float(horizon_s / math.log(2.0) * (1.0 - 0.5 ** (watched / horizon_s)))


@compiled
def meet(
    slots: NDArray[np.void],
    arena: NDArray[np.void],
    free: NDArray[np.int64],
    counts: _Counts,
    account: NDArray[np.int64],
    what: NDArray[np.uint64],
    kind: NDArray[np.uint8],
    time_ms: NDArray[np.int64],
    limit: int,
    horizon_s: float,
    power: float,
    scale: float,
    expected: float,
    capacity: int,
    account_a: NDArray[np.int64],
    account_b: NDArray[np.int64],
    time_a: NDArray[np.int64],
    time_b: NDArray[np.int64],
    met: NDArray[np.uint64],
    met_kind: NDArray[np.uint8],
    weight: NDArray[np.float32],
    popularity: NDArray[np.float32],
) -> tuple[int, int]:
    """How many meetings were written, and how many actions were done before a table was full."""
    horizon = np.int64(horizon_s * 1000.0)
    found = 0
    for i in range(len(account)):
        now, own = time_ms[i], account[i]
        counts[2] = min(counts[2], now)
        at = _find(slots, what[i])
        if slots[at]["count"] == 0:
            if counts[0] >= capacity:
                return found, i
            slots[at]["object"] = what[i]
            slots[at]["last"] = now
            slots[at]["start"] = _room(free, arena, counts, 1, 0)
            slots[at]["room"] = 1
            slots[at]["actions"] = 0.0
            slots[at]["accounts"] = 0.0
            counts[0] += 1
        idle = max(0, now - slots[at]["last"])
        if idle > horizon:  # as if it had been forgotten, so that it never matters when it was
            slots[at]["count"] = 0
            slots[at]["actions"] = 0.0
            slots[at]["accounts"] = 0.0
        start, count = slots[at]["start"], slots[at]["count"]
        mine, oldest = -1, 0
        for e in range(count):
            if arena[start + e]["account"] == own:
                mine = e
            then = arena[start + e]["time"]
            other = np.int64(arena[start + e]["account"])
            if then < arena[start + oldest]["time"] or (
                then == arena[start + oldest]["time"] and other < arena[start + oldest]["account"]
            ):
                oldest = e
        if mine >= 0 and arena[start + mine]["time"] == now:
            continue  # said twice
        left = 0.5 ** (idle * 0.001 / horizon_s)
        actions = slots[at]["actions"] * left + 1.0
        accounts = slots[at]["accounts"] * left + (mine < 0)
        slots[at]["actions"] = actions
        slots[at]["accounts"] = accounts
        slots[at]["last"] = max(slots[at]["last"], now)
        # A second, in the long run.
        rate = (actions - 1.0) / exposure((now - counts[2]) * 0.001, horizon_s)
        for e in range(count):
            then = arena[start + e]["time"]
            other = np.int64(arena[start + e]["account"])
            lag = abs(now - then)
            if e == mine or lag >= horizon or rate * lag * 0.001 > expected:
                continue
            first = own < other
            account_a[found] = own if first else other
            account_b[found] = other if first else own
            time_a[found] = now if first else then
            time_b[found] = then if first else now
            met[found] = what[i]
            met_kind[found] = kind[i]
            weight[found] = weigh(lag, horizon_s, power, scale)
            popularity[found] = max(accounts, 2.0)
            found += 1
        if mine < 0 and count < limit:
            if count == slots[at]["room"]:
                _grow(slots, arena, free, counts, at, limit)
                start = slots[at]["start"]
            mine = count
            slots[at]["count"] = count + 1
            arena[start + mine]["time"] = now
        elif mine < 0:
            mine = oldest
        if mine >= 0 and arena[start + mine]["time"] <= now:
            arena[start + mine]["time"] = now
            arena[start + mine]["account"] = own
    return found, len(account)


@compiled
def copy(
    slots: NDArray[np.void],
    arena: NDArray[np.void],
    since: int,
    into: NDArray[np.void],
    into_arena: NDArray[np.void],
    counts: _Counts,
) -> None:
    """Everything whose latest action is not before `since`, into empty tables."""
    for old in range(len(slots)):
        count = slots[old]["count"]
        if count == 0 or slots[old]["last"] < since:
            continue
        at = _find(into, slots[old]["object"])
        into[at] = slots[old]
        into[at]["start"] = counts[1]
        for e in range(slots[old]["room"]):
            into_arena[counts[1] + e] = arena[slots[old]["start"] + e]
        counts[0] += 1
        counts[1] += slots[old]["room"]
