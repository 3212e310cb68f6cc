"""What the keeper carries from slot to slot: names, pairs, kinds, groups, activity.

A function of the meetings it has taken in, in order; dumped and loaded as arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detectors.coordination.groups import Groups
from detectors.coordination.kinds import Dependence
from detectors.coordination.meetings import Meetings
from detectors.coordination.pairs import Pairs
from detectors.coordination.parameters import Parameters
from streams.coordination.evidence import activity
from streams.coordination.names import Names
from streams.coordination.ties import Scored, scored
from streams.storage.base import Store

__all__ = ["Memory", "plain", "text_array"]

_HOUR_MS: Final = 3_600_000
_KNOWN: Final = (("ip", "network"), ("template", "band"))


def text_array(value: Any) -> NDArray[np.uint8]:
    """Plain data as bytes of JSON, for a snapshot."""
    return np.frombuffer(msgspec.json.encode(value), np.uint8)


def plain(array: NDArray[np.uint8]) -> Any:
    """What `text_array` was given."""
    return msgspec.json.decode(array.tobytes())


class Memory:
    """State of one timeline."""

    def __init__(self, groups: Groups, parameters: Parameters) -> None:
        self.groups = groups
        self.pairs = Pairs(parameters)
        self.dependence = Dependence()
        self.kinds: list[str] = []
        self._memory_ms = round(parameters.memory_s * 1000)
        self._names = Names()
        self._forgot = 0
        self._active: dict[str, int] = {}  # distinct ticks since `_start`, up to `_through`
        self._start = self._through = 0

    def take(self, rows: pa.Table, slot: int) -> dict[frozenset[str], int]:
        """Meetings of a slot; returns who met in it, and when last (epoch ms)."""
        hour = (slot - 1) // _HOUR_MS * _HOUR_MS
        if hour > self._forgot:
            self.pairs.forget(hour)
            self._forgot = hour
        name_a, name_b = (rows.column(f"account_{end}").to_pylist() for end in "ab")
        numbers = self._numbers(name_a, name_b)
        times = [np.asarray(rows.column(f"ms_{end}").to_numpy(), np.int64) for end in "ab"]
        kind = self._codes(rows.column("kind_name").to_pylist())
        swapped = numbers[0] > numbers[1]
        self.pairs.add(
            Meetings(
                np.where(swapped, numbers[1], numbers[0]),
                np.where(swapped, numbers[0], numbers[1]),
                np.where(swapped, times[1], times[0]),
                np.where(swapped, times[0], times[1]),
                np.asarray(rows.column("object").to_numpy(), np.uint64),
                kind,
                np.asarray(rows.column("weight").to_numpy(), np.float32),
                np.asarray(rows.column("popularity").to_numpy(), np.float32),
            )
        )
        self.dependence.add(numbers[0], numbers[1], kind, slot)
        latest = np.maximum(times[0], times[1]).tolist()
        acted: dict[frozenset[str], int] = {}
        for a, b, ms in zip(name_a, name_b, latest, strict=True):
            pair = frozenset((a, b))
            acted[pair] = max(ms, acted.get(pair, 0))
        return acted

    def _numbers(self, name_a: list[str], name_b: list[str]) -> list[NDArray[np.int64]]:
        return [self._names.numbers([name.encode() for name in side]) for side in (name_a, name_b)]

    def _codes(self, words: list[str]) -> NDArray[np.uint8]:
        for name in dict.fromkeys(words):
            if name in self.kinds:
                continue
            self.kinds.append(name)
            for pair in _KNOWN:
                if name in pair and all(one in self.kinds for one in pair):
                    self.dependence.know(*(self.kinds.index(one) for one in pair))
        code = {name: place for place, name in enumerate(self.kinds)}
        return np.fromiter((code[word] for word in words), np.uint8, len(words))

    def scored(self, store: Store, parameters: Parameters, start: int, slot: int) -> Scored:
        """Scores and communities at the end of a slot; activity: ticks in (start, slot]."""
        meetings = self.pairs.surviving()
        used = np.unique(np.concatenate([meetings.account_a, meetings.account_b]))
        words, place, _ = self._names.ordered(used, used)
        text = words.take(pa.array(place)).to_pylist()
        names = dict(zip(used.tolist(), text, strict=True))
        self._count(store, text, start, slot)
        moments = np.zeros(self._names.issued, np.int64)
        moments[used] = [self._active.get(name, 0) for name in text]
        return scored(meetings, moments, names, parameters)

    def moments(self, account: str) -> int:
        """Distinct ticks it acted in, as last counted."""
        return self._active.get(account, 0)

    def _count(self, store: Store, names: list[str], start: int, slot: int) -> None:
        """Ticks that came since the last count, and all of them of accounts new here."""
        if start != self._start or slot < self._through:
            self._active, self._start = {}, start
        fresh = [name for name in names if name not in self._active]
        if slot > self._through:
            # Of everybody counted, also of who has no pair just now: they may have one later.
            for name, more in activity(store, sorted(self._active), self._through, slot).items():
                self._active[name] += more
        counted = activity(store, sorted(fresh), start, slot)
        self._active |= {name: counted.get(name, 0) for name in fresh}
        self._through = slot

    def dump(self) -> dict[str, NDArray[Any]]:
        """For a snapshot; forgets the names of accounts without a meeting."""
        pairs = self.pairs.dump()
        keys = pairs["keys"].astype(np.uint64)
        used = np.concatenate([keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)])
        self._names.keep(np.unique(used).astype(np.int64))
        numbers, names = self._names.dump()
        state: dict[str, NDArray[Any]] = {f"pairs.{name}": part for name, part in pairs.items()}
        state |= {f"kinds.{name}": array for name, array in self.dependence.dump().items()}
        state["names.number"] = numbers
        state["memory"] = text_array(
            {
                "names": [name.decode() for name in names],
                "kinds": self.kinds,
                "groups": self.groups.dump(),
                "forgot": self._forgot,
            }
        )
        return state

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Into an empty memory, what `dump` gave."""
        rest = plain(state["memory"])
        self.pairs.load(_part(state, "pairs."))
        self.dependence.load(_part(state, "kinds."))
        self._names.load(state["names.number"], [name.encode() for name in rest["names"]])
        self.kinds = list(rest["kinds"])
        self.groups.load(rest["groups"])
        self._forgot = int(rest["forgot"])


def _part(state: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)
    }
