"""Who acted on the same object lately: the first stage, from actions to meetings.

Per object a ring of the accounts that acted on it last, each with the time of its latest action,
at most `ring` of them and not older than the horizon. An action meets the others in the ring and
takes its own place in it, so it costs the same on a rare object and on one of a hundred thousand
accounts, and an account that repeats itself cannot push the others out. Rings grow in steps of
two: most objects have one account and take one entry.

Times need not rise: a late action meets what is in the ring and replaces nothing that is newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.coordination import ring_table
from detectors.coordination.meetings import Meetings
from detectors.coordination.parameters import Parameters
from detectors.coordination.ring_table import ENTRY, SLOT

__all__ = ["Rings"]

_CHUNK = 2048  # actions at a time: their meetings stay in the processor's cache
_NEVER = np.iinfo(np.int64).min
_NOT_YET = np.iinfo(np.int64).max


def _size(slots: int) -> int:
    return 1 << (slots - 1).bit_length()


class Rings:
    """The rings of all objects. Memory: about 60 bytes an object and 12 an entry."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._slots = np.zeros(_size(2 * _CHUNK), SLOT)
        self._arena = np.zeros(0, ENTRY)
        self._free = np.full(17, -1, np.int64)
        self._counts = np.array([0, 0, _NOT_YET])

    def __len__(self) -> int:
        return int(self._counts[0])

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._slots.nbytes + self._arena.nbytes

    def meet(
        self,
        account: NDArray[np.int64],
        object: NDArray[np.uint64],
        kind: NDArray[np.uint8],
        time_ms: NDArray[np.int64],
    ) -> Meetings:
        """The meetings of these actions with earlier ones and with each other, in their order."""
        parts, done = [], 0
        while done < len(account):
            cut = slice(done, done + _CHUNK)
            part, taken = self._chunk(account[cut], object[cut], kind[cut], time_ms[cut])
            parts.append(part)
            done += taken
            if len(self) >= self._parameters.object_capacity:
                self._make_room()
        return parts[0] if len(parts) == 1 else Meetings.together(parts)

    def _chunk(
        self,
        account: NDArray[np.int64],
        object: NDArray[np.uint64],
        kind: NDArray[np.uint8],
        time_ms: NDArray[np.int64],
    ) -> tuple[Meetings, int]:
        given = self._parameters
        self._reserve(len(account))
        out = Meetings.unset(len(account) * given.ring)
        found, taken = ring_table.meet(
            self._slots,
            self._arena,
            self._free,
            self._counts,
            account,
            object,
            kind,
            time_ms,
            given.ring,
            given.horizon_s,
            given.kernel_power,
            given.kernel_scale,
            given.expected_limit,
            given.object_capacity,
            out.account_a,
            out.account_b,
            out.time_a,
            out.time_b,
            out.object,
            out.kind,
            out.weight,
            out.popularity,
        )
        return out.head(found), taken

    def _reserve(self, actions: int) -> None:
        """Room for what so many actions may need at most."""
        objects, entries = int(self._counts[0]), int(self._counts[1])
        if 3 * (objects + actions) > 2 * len(self._slots):
            self._rebuild(_size(2 * (objects + actions)), _NEVER)
            entries = int(self._counts[1])
        needed = entries + actions * self._parameters.ring
        if needed > len(self._arena):
            grown = np.zeros(max(needed, len(self._arena) * 3 // 2), ENTRY)
            grown[:entries] = self._arena[:entries]
            self._arena = grown

    def _make_room(self) -> None:
        """At capacity the quarter that has been idle longest goes."""
        held = np.sort(self._slots["last"][self._slots["count"] > 0])
        self._rebuild(len(self._slots), int(held[len(held) // 4]) + 1)

    def _rebuild(self, slots: int, since: int) -> None:
        fresh, arena = np.zeros(slots, SLOT), np.zeros(len(self._arena), ENTRY)
        counts = np.array([0, 0, self._counts[2]])
        ring_table.copy(self._slots, self._arena, since, fresh, arena, counts)
        self._slots, self._arena, self._counts = fresh, arena, counts
        self._free[:] = -1

    def forget(self, now_ms: int) -> None:
        """Drops what nothing from `now_ms` on can meet; only memory changes, never a result."""
        since = now_ms - int(self._parameters.horizon_s * 1000)
        alive = int(((self._slots["count"] > 0) & (self._slots["last"] >= since)).sum())
        self._rebuild(_size(2 * (alive + _CHUNK)), since)
        self._arena = self._arena[: int(self._counts[1])].copy()

    def dump(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays."""
        self._rebuild(len(self._slots), _NEVER)
        held = self._slots[self._slots["count"] > 0]
        entries = self._arena[: int(self._counts[1])].copy()
        return {"objects": held, "entries": entries, "started": self._counts[2:].copy()}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Goes on where the dumped one stood.

        Stored arrays have forgotten that their records are aligned, and compiled code does not take
        them for the same.
        """
        self._counts[2] = state["started"][0]
        self._slots, self._arena = state["objects"].view(SLOT), state["entries"].view(ENTRY)
        self._rebuild(_size(2 * (len(self._slots) + _CHUNK)), _NEVER)
