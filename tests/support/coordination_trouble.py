"""Everything that may go wrong between ingest and meetings, as a seed has it."""

from __future__ import annotations

import random
from typing import Any

from tests.contract.test_recovery import Death, Mortal
from tests.support.coordination import Flow

__all__ = ["Trouble"]


class Trouble:
    """Runs a flow to its end while everything goes wrong, as a seed has it."""

    def __init__(self, store: Mortal, seed: int, **changed: Any) -> None:
        self.rng = random.Random(seed)
        self.store = store
        self.flow = Flow(store, **changed)
        self.deaths = 0
        self.most_deaths = 25

    def run(self) -> None:
        flow, idle = self.flow, 0
        while idle < 3:
            flow.now += 4.0
            fetched = [self._fetch(source) for source in range(flow.counts[0])]
            calm = not any(fetched)
            for number in range(flow.counts[1]):
                calm &= not self._read(number)
            idle = idle + 1 if calm else 0

    def _mortally(self, act: Any, revive: Any) -> Any:
        """Do something; its owner may die of it, and another one takes over."""
        if self.deaths < self.most_deaths and self.rng.random() < 0.5:
            self.store.left, self.store.before = self.rng.randint(1, 5), self.rng.random() < 0.5
        try:
            return act()
        except Death:
            self.deaths += 1
            self.store.left = -1
            revive()
            return True
        finally:
            self.store.left = -1

    def _fetch(self, source: int) -> bool:
        flow = self.flow

        def revive() -> None:
            flow.sources[source] = flow.source(source)
            flow.outboxes[source] = None

        if self.rng.random() < 0.1:
            revive()
        return bool(self._mortally(lambda: flow.fetch(source, self.rng.randint(1, 6)), revive))

    def _read(self, number: int) -> bool:
        flow, rng = self.flow, self.rng

        def revive() -> None:
            flow.readers[number] = flow.reader(number)

        def act() -> bool:
            topic, reader = flow.topic[number], flow.readers[number]
            taken, topic[:] = topic[:], []
            kept = [value for value in taken if rng.random() > 0.2]
            kept += [value for value in kept if rng.random() < 0.2]
            if rng.random() < 0.3:
                rng.shuffle(kept)
            for value in kept:
                reader.take(value, flow.now)
            closed = reader.advance(flow.now)
            if rng.random() < 0.2:
                reader.maybe_snapshot(flow.now, at_once=True)
            return bool(kept) or closed

        if rng.random() < 0.05:
            revive()
        if rng.random() < 0.3:
            return True  # late
        return bool(self._mortally(act, revive))
