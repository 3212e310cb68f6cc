"""The roll-up of minutes held to the rows it sums, where a worker died or slept in between.

Called when a partition is taken over, and for some minutes after. A view feeds the roll-up, so it
follows every insert: a process that dies between the part of `events` and that of the view leaves
too little, and a worker that was frozen in the middle of an insert, woke up and finished it after
another one had stored the same rows leaves too much. `events` keeps one of two rows, sums cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from streams.storage.base import Store

__all__ = ["LEFT_BEHIND", "UNFINISHED", "Overlap", "mend"]

UNFINISHED: Final = (
    "stream_id = {stream_id} AND kafka_partition = {partition} AND kafka_offset >= {marker}"
)
#: What an earlier stream may have left half done: batches follow each other, so only what arrived
#: after the last one that was finished (a minute is for clocks that differ).
LEFT_BEHIND: Final = (
    "stream_id != {stream_id} AND kafka_partition = {partition} AND arrived_at >= "
    "(SELECT max(stored_at) - INTERVAL 1 MINUTE FROM ingest_log "
    "WHERE kafka_partition = {partition})"
)
_SUMS: Final = (
    *("requests", "prompt_tokens", "completion_tokens"),
    *("errors", "throttled", "short_outputs"),
)
#: Rows that two workers may have stored.
_OVERLAP: Final = (
    "stream_id = {stream_id} AND kafka_partition = {partition} "
    "AND arrived_at >= fromUnixTimestamp64Milli({since}, 'UTC') "
    "AND arrived_at < fromUnixTimestamp64Milli({until}, 'UTC')"
)
#: After so long an insert that was under way at a take-over is through, or its connection closed.
_LANDS_MS: Final = 600_000
#: The new owner has stored the same rows by then.
_AGAIN_MS: Final = 120_000


def mend(store: Store, where: str, parameters: Mapping[str, str | int]) -> None:
    """Add the difference (modulo 2^64, as the sums are) for the minutes that rows `where` touch.

    Nobody else may be writing these rows: a sum read before, and rows read after, would differ.
    """
    touched = f"SELECT account_id, toStartOfMinute(ts) FROM events WHERE {where}"
    differences = ", ".join(f"raw.{name} - sums.{name} AS {name}" for name in _SUMS)
    same = " AND ".join(f"raw.{name} = sums.{name}" for name in _SUMS)
    store.command(
        f"INSERT INTO account_minute_parts SELECT account_id, minute, {differences} FROM ("
        "SELECT account_id, toStartOfMinute(ts) AS minute, count() AS requests, "
        "sum(e.prompt_tokens) AS prompt_tokens, sum(e.completion_tokens) AS completion_tokens, "
        "countIf(status >= 400 AND status != 429) AS errors, countIf(status = 429) AS throttled, "
        "countIf(e.completion_tokens > 0 AND e.completion_tokens <= 32) AS short_outputs "
        f"FROM events AS e FINAL WHERE (account_id, toStartOfMinute(ts)) IN ({touched}) "
        "GROUP BY account_id, minute) AS raw LEFT JOIN (SELECT * FROM account_minute "
        f"WHERE (account_id, minute) IN ({touched})) AS sums USING (account_id, minute) "
        f"WHERE NOT ({same})",
        parameters,
    )


class Overlap:
    """What the former owner of a partition was still writing may land after it was taken over.

    The thread that writes the partition calls `settle` now and then; it costs nothing when the time
    for that is over, or when the partition had no owner before.
    """

    def __init__(
        self, store: Store, stream_id: str, partition: int, now_ms: Callable[[], int], owned: bool
    ) -> None:
        self._store, self._now_ms = store, now_ms
        now = now_ms()
        self._given: dict[str, str | int] = {"stream_id": stream_id, "partition": partition}
        self._given |= {"since": now - _LANDS_MS, "until": now + _AGAIN_MS}
        self._until = now + _LANDS_MS if owned else 0
        self.settle()

    def settle(self) -> None:
        """Hold the roll-up to the rows that came around the take-over."""
        if self._now_ms() < self._until:
            mend(self._store, _OVERLAP, self._given)
