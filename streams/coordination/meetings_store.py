"""Rows of `coordination_meetings`, written so that doing it again changes nothing.

Called when a decision is carried out. Meetings come slot by slot in a fixed order and are stored in
blocks cut between slots; what a worker stored before it died is counted and left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detectors.coordination.meetings import Meetings
from streams.coordination.decisions import Decision
from streams.coordination.names import Names
from streams.storage.base import MAX_INSERT_ROWS, Store

__all__ = ["Writer"]

_BLOCK: Final = 200_000
_TIME: Final = pa.timestamp("ms", "UTC")


class Writer:
    """Stores the meetings of one decision; `count` is how many they are in all."""

    def __init__(
        self,
        store: Store,
        partition: int,
        decision: Decision,
        names: Names,
        kinds: Mapping[str, str],
        *,
        again: bool,
        now_ms: int,
    ) -> None:
        self._store = store
        self._partition = partition
        self._decision = decision
        self._names = names
        self._kinds = pa.array(list(kinds), pa.string())
        self._now_ms = now_ms
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._blocks = 0
        self._stored = self._stored_before() if again else 0
        self.count = 0

    def add(self, slot: int, meetings: Meetings) -> bool:
        """The meetings of a slot; True when a block of them should be stored now."""
        if len(meetings):
            self._waiting.append(self._table(slot, meetings))
            self._rows += len(meetings)
            self.count += len(meetings)
        return self._rows >= _BLOCK

    def flush(self) -> None:
        """Store what waits."""
        if not self._rows:
            return
        rows = pa.concat_tables(self._waiting).unify_dictionaries().combine_chunks()
        self._waiting, self._rows = [], 0
        decision = self._decision
        for start in range(0, rows.num_rows, MAX_INSERT_ROWS):
            block = rows.slice(start, MAX_INSERT_ROWS)
            token = f"meetings:{self._partition}:{decision.since}:{decision.previous}"
            if self._stored >= block.num_rows:
                self._stored -= block.num_rows
            else:
                block, self._stored = block.slice(self._stored), 0
                self._store.insert("coordination_meetings", block, f"{token}:{self._blocks}")
            self._blocks += 1

    def _stored_before(self) -> int:
        decision = self._decision
        rows = self._store.query(
            "SELECT count() AS n FROM coordination_meetings AS m "
            "WHERE signals_partition = {partition} "
            "AND m.since = fromUnixTimestamp64Milli({since}, 'UTC') "
            "AND m.slot > fromUnixTimestamp64Milli({previous}, 'UTC') "
            "AND m.slot <= fromUnixTimestamp64Milli({slot}, 'UTC')",
            {
                "partition": self._partition,
                "since": decision.since,
                "previous": decision.previous,
                "slot": decision.slot,
            },
        )
        return int(rows.column("n")[0].as_py())

    def _table(self, slot: int, meetings: Meetings) -> pa.Table:
        """Rows with the names in order, whatever numbers the accounts have now."""
        names, a, b = self._names.ordered(meetings.account_a, meetings.account_b)
        first, count = a < b, len(meetings)

        def account(codes: NDArray[np.int32]) -> pa.Array:
            return pa.DictionaryArray.from_arrays(codes, names)

        def moments(one: NDArray[np.int64], other: NDArray[np.int64]) -> pa.Array:
            return pa.array(np.where(first, one, other)).cast(_TIME)

        return pa.table(
            {
                "since": _constant(self._decision.since, count),
                "slot": _constant(slot, count),
                "signals_partition": pa.array(np.full(count, self._partition, np.uint32)),
                "account_a": account(np.minimum(a, b)),
                "account_b": account(np.maximum(a, b)),
                "time_a": moments(meetings.time_a, meetings.time_b),
                "time_b": moments(meetings.time_b, meetings.time_a),
                "object": pa.array(meetings.object),
                "kind": self._kinds.take(pa.array(meetings.kind)),
                "weight": pa.array(meetings.weight),
                "popularity": pa.array(meetings.popularity),
                "stored_at": _constant(self._now_ms, count),
            }
        )


def _constant(ms: int, count: int) -> pa.Array:
    return pa.array(np.full(count, ms, np.int64)).cast(_TIME)
