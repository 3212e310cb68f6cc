"""Pairs of accounts and their best meetings: the second stage, from meetings to coincidences.

One coincidence counts once: of a pair, the best meeting per object is held, and of those, best
first, one per moment of either account counts. An evening of both on one viral object is then one
coincidence, not a thousand. Memory is bounded: `pair_table` says which pair goes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.coordination import pair_table, pair_upkeep
from detectors.coordination.meetings import Meetings
from detectors.coordination.pair_table import ENTRY, SLOT, WAYS
from detectors.coordination.parameters import Parameters

__all__ = ["PairMeetings", "Pairs"]

_CHUNK = 8192  # meetings at a time: bounds how far the arena is grown ahead
_STAY = 0.25  # of the pairs with several objects, when there are too many of them,
_EXAMINED = 3  # judged by so many of their best coincidences


@dataclass(frozen=True, slots=True)
class PairMeetings:
    """Pairs with two or more coincidences; those of pair p are rows start[p] to start[p + 1].

    All objects that pair p met on, each once, are rows shared[p] to shared[p + 1] of another table:
    those of the coincidences, and what stood in their shade.

    Pairs are in order of (account_a, account_b), the coincidences of a pair best first.

    Attributes:
        account_a, account_b: of each pair, a < b (int64).
        kinds: of each pair, bit k is set when they met on an object of kind k, be it in the shade
            of a better coincidence at the same moment (uint64).
        start: pairs + 1 row numbers (int64).
        shared: pairs + 1 row numbers of the other table (int64).
        shared_popularity: that table, accounts on each such object when they met (float32).
        time_a, time_b: when each acted (int64, epoch ms).
        object: hash of what they acted on (uint64).
        kind: code of the kind of signal (uint8).
        weight: of the lag between them (float32).
        popularity: accounts on the object when they met (float32).
    """

    account_a: NDArray[np.int64]
    account_b: NDArray[np.int64]
    kinds: NDArray[np.uint64]
    start: NDArray[np.int64]
    shared: NDArray[np.int64]
    shared_popularity: NDArray[np.float32]
    time_a: NDArray[np.int64]
    time_b: NDArray[np.int64]
    object: NDArray[np.uint64]
    kind: NDArray[np.uint8]
    weight: NDArray[np.float32]
    popularity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.account_a)


class Pairs:
    """The pair table. Memory: at most about 80 bytes a single and 1.3 kB a pair with 32 objects."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        slots = 1 << (max(parameters.single_capacity, WAYS) - 1).bit_length()
        self._keys = np.zeros(slots, np.uint64)
        self._slots = np.zeros(slots, SLOT)
        self._arena = np.zeros(0, ENTRY)
        self._free = np.full(17, -1, np.int64)
        self._counts = np.zeros(4, np.int64)

    def __len__(self) -> int:
        """Pairs held, with one object or more."""
        return int(self._counts[0])

    @property
    def several(self) -> int:
        """Pairs held with two objects or more."""
        return int(self._counts[1])

    @property
    def evicted(self) -> int:
        """Pairs that went for want of room."""
        return int(self._counts[3])

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._keys.nbytes + self._slots.nbytes + self._arena.nbytes

    def add(self, meetings: Meetings, moments: NDArray[np.int64] | None = None) -> None:
        """Takes meetings in. `moments` (by account id) makes eviction divide by activity."""
        given = self._parameters
        renew_ms = 0 if math.isinf(given.renew_s) else int(given.renew_s * 1000)
        done = 0
        while done < len(meetings):
            end = min(done + _CHUNK, len(meetings))
            self._reserve(end - done)
            done = pair_table.add(
                self._keys,
                self._slots,
                self._arena,
                self._free,
                self._counts,
                done,
                end,
                meetings.account_a,
                meetings.account_b,
                meetings.time_a,
                meetings.time_b,
                meetings.object,
                meetings.kind,
                meetings.weight,
                meetings.popularity,
                given.meetings,
                renew_ms,
                given.pair_capacity,
            )
            if self.several >= given.pair_capacity:
                self._sweep(moments)

    def _reserve(self, meetings: int) -> None:
        used = int(self._counts[2])
        needed = used + meetings * 2 * self._parameters.meetings
        if needed > len(self._arena):
            grown = np.zeros(max(needed, len(self._arena) * 5 // 4), ENTRY)
            grown[:used] = self._arena[:used]
            self._arena = grown

    def _sweep(self, moments: NDArray[np.int64] | None) -> None:
        """The least valuable of the pairs with several objects go."""
        given = self._parameters
        at, value = pair_upkeep.values(
            self._slots,
            self._arena,
            self.several,
            _EXAMINED,
            given.horizon_s,
            given.kernel_power,
            given.kernel_scale,
            given.crowd,
            given.spacing,
        )
        if moments is not None:
            key = self._keys[at]
            both = moments[(key >> np.uint64(32)).astype(np.int64)].astype(np.float64)
            both *= moments[(key & np.uint64(0xFFFFFFFF)).astype(np.int64)]
            value -= given.activity_power * np.log(np.maximum(both, 1.0))
        rank = int((1.0 - _STAY) * len(at))
        least = np.partition(value, rank)[rank]
        gone = at[value < least] if (value < least).any() else at[value == least]
        pair_upkeep.drop(self._keys, self._slots, self._arena, self._free, self._counts, gone)

    def forget(self, now_ms: int) -> None:
        """Drops meetings that lie `memory_s` before `now_ms`."""
        if math.isinf(self._parameters.memory_s):
            return
        since = now_ms - int(self._parameters.memory_s * 1000)
        pair_upkeep.forget(self._keys, self._slots, self._arena, self._free, self._counts, since)

    def surviving(self) -> PairMeetings:
        """Pairs with two or more coincidences."""
        at = np.flatnonzero(self._slots["count"] >= 2)
        at = at[np.argsort(self._keys[at])]
        kept, chosen, kinds, shared, popularity = pair_upkeep.chosen(
            self._slots, self._arena, at, self._parameters.meetings
        )
        key = self._keys[at[kept >= 2]]
        rows = self._arena[chosen]
        return PairMeetings(
            (key >> np.uint64(32)).astype(np.int64),
            (key & np.uint64(0xFFFFFFFF)).astype(np.int64),
            kinds[kept >= 2],
            _starts(kept[kept >= 2]),
            _starts(shared[kept >= 2]),
            popularity,
            *(rows[name].copy() for name in PairMeetings.__slots__[6:]),
        )

    def dump(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays."""
        at = np.flatnonzero(self._slots["count"])
        at = at[np.argsort(self._keys[at])]
        return {
            "keys": self._keys[at],
            "pairs": self._slots[at],
            "entries": pair_upkeep.packed(self._slots, self._arena, at),
            "evicted": self._counts[3:].copy(),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Goes on where the dumped one stood (under the same parameters)."""
        self.__init__(self._parameters)  # type: ignore[misc]
        # As with the rings, stored arrays have forgotten that their records are aligned.
        pairs, entries = state["pairs"].view(SLOT), state["entries"].view(ENTRY)
        rooms = sum(2 * int(count) for count in pairs["count"]) if len(entries) else 0
        self._arena = np.zeros(rooms, ENTRY)
        pair_upkeep.unpack(
            self._keys,
            self._slots,
            self._arena,
            self._counts,
            state["keys"],
            pairs,
            entries,
        )
        self._counts[3] = state["evicted"][0]


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row numbers of parts of these lengths, one after the other."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
