"""Signals out of the store: for a rebuild, for what no message brought, for what was too much.

Beside a signals partition, which asks for it; the same function makes signals of rows read back and
of rows just stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from streams.coordination import stored
from streams.coordination.context import SignalsContext
from streams.coordination.decisions import Decision, Streams, effective_slots
from streams.coordination.signals import Signals, signals, slot_end
from streams.coordination.stage import Actions, Closed, Stage
from streams.features.watermark import NEVER

__all__ = ["Reader"]


class Reader:
    """Reads for signals partition `number` in one timeline, into `stage`."""

    def __init__(self, context: SignalsContext, number: int, since: int, stage: Stage) -> None:
        self._context = context
        self._number = number
        self._since = since
        self._stage = stage
        self._streams = Streams.load(context.store, context.topic, since, context.stream_id)

    def slots(self, taken: Decision, log: Sequence[Decision]) -> Iterator[Closed]:
        """Close again the slots decided by `log`, after what `taken` had covered."""
        waiting = Actions.concat([])
        for rows in self._after(taken, log[-1]):
            ticks = np.asarray(rows.column("tick").cast(pa.int64()).to_numpy(), np.int64)
            slots = effective_slots(rows, self._streams, log)
            kept = slots > 0
            place = rows.schema.get_field_index("tick")
            rows = rows.filter(pa.array(kept)).set_column(place, "tick", pa.array(slots[kept]))
            waiting = Actions.concat([waiting, self._actions(rows)])
            whole = waiting.slot < slot_end(ticks[-1:])[0]  # rows come in order of their ticks
            if whole.any():
                yield from self._stage.close(waiting.take(whole))
                waiting = waiting.take(~whole)
        yield from self._stage.close(waiting)

    def waiting(self, taken: Decision, next_offsets: Mapping[int, int]) -> list[Actions] | None:
        """What stands before these offsets of the sources and was not taken; None: too much."""
        until = Decision(self._since, NEVER, taken.slot, self._context.stream_id, next_offsets)
        found: list[Actions] = []
        for rows in self._after(taken, until):
            found.append(self._actions(rows))
            if sum(map(len, found)) > self._context.waiting_limit // 2:
                return None
        return found

    def between(self, source: int, first: int, until: int) -> Signals | None:
        """Signals of a source from offset `first` to before `until`; None: too many to hold."""
        context = self._context
        span = stored.span(context.store, context.stream_id, source, first, until)
        if span.rows > context.waiting_limit // 8:
            return None
        if not span.rows:
            return Signals.none()
        return self._mine(stored.rows_between(context.store, span, context.kinds))

    def _after(self, taken: Decision, until: Decision) -> Iterator[pa.Table]:
        context = self._context
        return stored.rows_after(
            context.store, self._streams, taken, until, context.kinds, context.slack_ms
        )

    def _actions(self, rows: pa.Table) -> Actions:
        return self._stage.actions(self._mine(rows))

    def _mine(self, rows: pa.Table) -> Signals:
        found = signals(rows, self._context.kinds)
        return found.take(found.partition(self._context.partitions) == self._number)
