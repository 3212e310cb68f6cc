"""Which kinds of signal go together, by the population; how many of a group stand on their own.

Beside the pair table. Two accounts that share an address share its network as well: that is one
thing said twice. For every two kinds it is counted how many accounts that share an object of the
one kind with somebody share one of the other with the same account, against those that do not share
the first: ten accounts of one ring count as ten, however many pairs they make. Kinds of which one
nearly always comes with the other count once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_KINDS", "Dependence"]

#: Kinds have a bit each in the mask of a pair.
MOST_KINDS: Final = 64
_HALF_LIFE_MS: Final = 86_400_000.0
#: Fewer accounts than this (discounted) say nothing about a kind.
_ENOUGH: Final = 30.0
#: The share of the room left by those without the one kind that those with it fill (as in kappa).
_TOGETHER: Final = 0.6
#: And that is more by this share of them: where everybody shares the other, nothing is said.
_MORE: Final = 0.3


class Dependence:
    """Counts of accounts by the kinds they share with somebody; old ones fade with a day.

    `known` are pairs of kinds that go together whatever was counted, such as address and network.
    """

    def __init__(self, known: Iterable[tuple[int, int]] = ()) -> None:
        self._known = sorted({(min(pair), max(pair)) for pair in known})
        self._both = np.zeros((MOST_KINDS, MOST_KINDS))
        self._accounts = 0.0
        self._at = 0

    def know(self, one: int, other: int) -> None:
        """These two kinds go together whatever is counted."""
        self._known = sorted({*self._known, (min(one, other), max(one, other))})

    def add(
        self,
        account_a: NDArray[np.int64],
        account_b: NDArray[np.int64],
        kind: NDArray[np.uint8],
        now_ms: int,
    ) -> None:
        """Meetings of one stretch of time, n of each; `now_ms` must not go back."""
        if now_ms > self._at:
            left = 0.5 ** ((now_ms - self._at) / _HALF_LIFE_MS) if self._at else 1.0
            self._both *= left
            self._accounts *= left
            self._at = now_ms
        if not len(kind):
            return
        pair = np.stack([account_a, account_b])
        _, first, number = np.unique(pair, axis=1, return_index=True, return_inverse=True)
        number = number.reshape(-1)
        shared = np.zeros((len(first), MOST_KINDS), bool)
        shared[number, kind] = True
        ends = np.concatenate([account_a[first], account_b[first]])
        account, place = np.unique(ends, return_inverse=True)
        place = place.reshape(-1)
        shared = np.concatenate([shared, shared])
        self._accounts += len(account)
        used = np.flatnonzero(shared.any(axis=0))
        for one in used:
            for other in used[used >= one]:
                with_both = np.unique(place[shared[:, one] & shared[:, other]])
                self._both[one, other] += len(with_both)
                if one != other:
                    self._both[other, one] += len(with_both)

    def together(self, one: int, other: int) -> bool:
        """Whoever shares the one kind nearly always shares the other, far more than those without.

        False while too few accounts were seen, unless it is known.
        """
        if one == other or (min(one, other), max(one, other)) in self._known:
            return True
        return max(self._filled(one, other), self._filled(other, one)) >= _TOGETHER

    def _filled(self, given: int, other: int) -> float:
        having, both = self._both[given, given], self._both[given, other]
        rest = self._accounts - having
        if having < _ENOUGH or rest < _ENOUGH:
            return 0.0
        without = min(max(self._both[other, other] - both, 0.0) / rest, 1.0 - 1e-9)
        more = float(both / having - without)
        return more / (1.0 - without) if more >= _MORE else 0.0

    def independent(self, kinds: int) -> list[list[int]]:
        """The kinds of a bit mask in sets that go together; each set counts as one kind."""
        sets: list[list[int]] = []
        for kind in (bit for bit in range(MOST_KINDS) if kinds >> bit & 1):
            near = [one for one in sets if any(self.together(kind, item) for item in one)]
            merged = sorted([kind, *(item for one in near for item in one)])
            sets = [one for one in sets if one not in near] + [merged]
        return sorted(sets)

    def dump(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays."""
        return {
            "both": self._both.copy(),
            "accounts": np.array([self._accounts]),
            "at": np.array([self._at], np.int64),
            "known": np.array(self._known, np.int64).reshape(-1, 2),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """What `dump` gave."""
        self._both = state["both"].copy()
        self._accounts = float(state["accounts"][0])
        self._at = int(state["at"][0])
        self._known = [(int(one), int(other)) for one, other in state["known"]]
