"""Which fetches a seek has overtaken, and whether one fetch follows the other without a hole.

Beside the consumer. Fetching and seeking happen in another thread; a fetch that was under way when
a seek was asked for may hold what lay before it. Such a fetch must not be mistaken for what the
seek brought, and one that is dropped must be missed by the next.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from faust.types import TP

__all__ = ["Seeks"]


class Seeks:
    """`read_to` is the offset up to which each partition was fetched, where it is known."""

    def __init__(self) -> None:
        self.read_to: dict[TP, int] = {}
        self._count: Counter[TP] = Counter()
        self._under_way: Counter[TP] = Counter()
        self._fetched_at: dict[TP, int] = {}
        self._follows: dict[TP, int | None] = {}

    @contextlib.contextmanager
    def under_way(self, tps: Iterable[TP]) -> Iterator[None]:
        """While these are sought; what is fetched meanwhile may be from before or after."""
        tps = set(tps)
        self._count.update(tps)
        self._under_way.update(tps)
        try:
            yield
        finally:
            self._count.update(tps)
            self._under_way.subtract(tps)

    def counted(self) -> Mapping[TP, int]:
        """To be handed to `fetched` by a fetch that begins now."""
        return dict(self._count)

    def fetched(self, records: Mapping[TP, Sequence[Any]], before: Mapping[TP, int]) -> None:
        """Note what a fetch brought; `before` is what `counted` said when it began."""
        for tp, batch in records.items():
            self._follows[tp] = self.read_to.get(tp)
            self._fetched_at[tp] = before.get(tp, 0)
            if self.overtaken(tp):
                self.read_to.pop(tp, None)  # nothing is sure until the next seek
            else:
                self.read_to[tp] = batch[-1].offset + 1

    def dropped(self, tps: Iterable[TP]) -> None:
        """A fetch of these was thrown away."""
        for tp in tps:
            self.read_to.pop(tp, None)

    def follows(self, tp: TP) -> int | None:
        """Where the fetch before the last one ended, None when that is not known."""
        return self._follows.get(tp)

    def overtaken(self, tp: TP) -> bool:
        """Whether a seek was asked for since the last fetch began."""
        return self._under_way[tp] > 0 or self._count[tp] != self._fetched_at.get(tp, 0)
