"""One signals partition's memory: actions of a slot in, meetings out.

Inside the signals agent, between the waiting signals and the store. What comes out depends only on
what is in each slot and on the order of slots: actions are sorted by time, account and object, of
what an account repeats on an object in a slot only the earliest counts, and time is forgotten at
full hours of slots. Without clock or I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.meetings import Meetings
from detectors.coordination.parameters import Parameters
from detectors.coordination.rings import Rings
from streams.coordination.hashing import mixed
from streams.coordination.names import Names
from streams.coordination.signals import Signals, slot_end

__all__ = ["Actions", "Closed", "Stage"]

_HOUR_MS: Final = 3_600_000
_NUMBERS, _LENGTHS, _TEXT = "names.number", "names.length", "names.text"
_FORGOT: Final = "forgot"


@dataclass(frozen=True, slots=True)
class Actions:
    """n signals waiting for their slot: (n,) account number, object, kind, ts, slot (epoch ms)."""

    account: NDArray[np.int64]
    object: NDArray[np.uint64]
    kind: NDArray[np.uint8]
    ts: NDArray[np.int64]
    slot: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.slot)

    def take(self, which: Any) -> Actions:
        """Those selected by a slice, mask or index array."""
        return Actions(*(getattr(self, f.name)[which] for f in fields(Actions)))

    @staticmethod
    def concat(parts: list[Actions]) -> Actions:
        """All of them in order."""
        if len(parts) == 1:
            return parts[0]
        empty = Actions(
            np.zeros(0, np.int64),
            np.zeros(0, np.uint64),
            np.zeros(0, np.uint8),
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
        )
        return Actions(
            *(
                np.concatenate([getattr(part, f.name) for part in [empty, *parts]])
                for f in fields(Actions)
            )
        )


class Closed(NamedTuple):
    """A closed slot: its end (epoch ms), the actions that counted, what they brought."""

    slot: int
    actions: int
    meetings: Meetings


class Stage:
    """Rings and the names of the accounts in them."""

    def __init__(self, parameters: Parameters, after_ms: int = 0) -> None:
        self._after_ms = after_ms
        self.rings = Rings(parameters)
        self.names = Names()
        self.forgot = 0

    def actions(self, found: Signals) -> Actions:
        """Signals as they wait, with the numbers of their accounts; none of before `after_ms`."""
        if self._after_ms:
            found = found.take(found.ts >= self._after_ms)
        numbers = self.names.numbers(found.names)
        return Actions(
            numbers[found.account] if len(found) else np.zeros(0, np.int64),
            found.object,
            found.kind,
            found.ts,
            slot_end(found.tick),
        )

    def close(self, actions: Actions) -> Iterator[Closed]:
        """Close every slot that these actions lie in, in order."""
        actions = self._sorted(actions)
        starts = np.flatnonzero(np.diff(actions.slot, prepend=np.int64(-1)))
        for start, stop in pairwise([*starts.tolist(), len(actions)]):
            cut = slice(start, stop)
            slot = int(actions.slot[start])
            hour = (slot - 1) // _HOUR_MS * _HOUR_MS
            if hour > self.forgot:
                self.rings.forget(hour - _HOUR_MS)  # late actions are up to an hour old
                self.forgot = hour
            meetings = self.rings.meet(
                actions.account[cut], actions.object[cut], actions.kind[cut], actions.ts[cut]
            )
            yield Closed(slot, stop - start, meetings)

    def _sorted(self, actions: Actions) -> Actions:
        """By slot, time, account and object; what an account repeats on an object is left out."""
        hashes = self.names.hashes(actions.account)
        order = np.lexsort((actions.object, hashes, actions.ts, actions.slot))
        actions, hashes = actions.take(order), hashes[order]
        key = mixed(actions.object + mixed(hashes ^ actions.slot.view(np.uint64)))
        _, first = np.unique(key, return_index=True)
        first.sort()
        return actions if len(first) == len(actions) else actions.take(first)

    def dump(self, waiting: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Everything as arrays; forgets names that neither the rings nor `waiting` accounts use."""
        state: dict[str, NDArray[Any]] = {
            f"rings.{name}": array for name, array in self.rings.dump().items()
        }
        held = state["rings.entries"]["account"].astype(np.int64)
        self.names.keep(np.union1d(held[held < self.names.issued], waiting))
        numbers, names = self.names.dump()
        state[_NUMBERS] = numbers
        state[_LENGTHS] = np.fromiter(map(len, names), np.int64, len(names))
        state[_TEXT] = np.frombuffer(b"".join(names), np.uint8)
        state[_FORGOT] = np.array([self.forgot], np.int64)
        return state

    def load(self, state: dict[str, NDArray[Any]]) -> None:
        """Into an empty stage, what `dump` gave."""
        self.rings.load(
            {
                name.removeprefix("rings."): array
                for name, array in state.items()
                if name.startswith("rings.")
            }
        )
        text = state[_TEXT].tobytes()
        ends = np.cumsum(state[_LENGTHS])
        starts = ends - state[_LENGTHS]
        names = [text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        self.names.load(state[_NUMBERS], names)
        self.forgot = int(state[_FORGOT][0])
