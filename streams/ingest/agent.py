"""The ingest agent's work: partitions come and go, fetches are stored, whatever happens.

Between Faust and the partitions. The agent itself (in streams/app.py) is a loop that awaits
`take`; everything slow runs in one thread, so Faust's event loop stays free for heartbeats to the
broker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa
from faust.types import TP

from streams.errors import StoreUnavailable
from streams.events.letters import DeadLetter
from streams.ingest.batch import Context
from streams.ingest.gaps import Gap, load_gaps, store_gap
from streams.ingest.partition import Partition, Superseded
from streams.ingest.transport import Fetch
from streams.platform.agent import PlatformAgent
from streams.status import Status
from streams.storage.retry import Interrupted

__all__ = ["Ingest"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_STALLED_S = 8.0

#: Sends dead letters of a partition on to their topic; returns when the broker has them.
SendLetters = Callable[[Sequence[DeadLetter], int], Awaitable[None]]

#: Hands on what was stored of a partition: rows, first and next offset, watermark and timeline
#: (epoch ms). It must neither wait nor fail.
Publish = Callable[[int, pa.Table, tuple[int, int], int, int], None]

#: Has Kafka deliver a partition again from an offset on.
GoBack = Callable[[int, int], Awaitable[None]]


class Ingest:
    """The partitions assigned to this worker."""

    def __init__(
        self,
        context: Context,
        status: Status,
        send_letters: SendLetters,
        go_back: GoBack,
        mine: Callable[[int], bool],
    ) -> None:
        self.context = context
        self.status = status
        self.partitions: dict[int, Partition] = {}
        self._send_letters = send_letters
        self._go_back = go_back
        self._mine = mine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pulse-ingest")
        self._busy = asyncio.Lock()
        self.gaps: list[Gap] | None = None
        #: Judges the whole fleet, in the worker that holds partition 0; None in a replay.
        self.platform: PlatformAgent | None = None
        #: Where the rows of a batch go on to when it is stored, for coordination; None: nowhere.
        self.publish: Publish | None = None
        self._starts: dict[int, int] = {}
        self._rebuilding: dict[int, int] = {}  # since when (epoch ms)
        self._taken_at: dict[int, float] = {}
        status.partitions = lambda: self.partitions
        status.gaps = lambda: self.gaps or []
        status.rebuilding = lambda: dict(self._rebuilding)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def markers(self) -> dict[int, int]:
        """Next offset of each partition, as the store has it; what may be committed to Kafka."""
        return {number: part.marker for number, part in self.partitions.items() if not part.fresh}

    def silent(self, seconds: float, ends: Mapping[int, int]) -> list[int]:
        """Partitions that saw events before, are read to their end, and brought none of late."""
        before = time.monotonic() - seconds
        return [
            number
            for number, part in self.partitions.items()
            if part.watermark.value
            and part.marker >= ends.get(number, 0)
            and part.heard_at < before
        ]

    def stalled(self, ends: Mapping[int, int]) -> list[tuple[int, int]]:
        """Partitions with something to read that bring nothing, and where to read on: a fetch that
        is dropped in a rebalance is only missed when another one follows."""
        now = time.monotonic()
        found = []
        for number, end in ends.items():
            part = self.partitions.get(number)
            marker = self._starts.get(number, 0) if part is None else part.marker
            if self._busy.locked() or marker >= end:
                self._taken_at[number] = now
            elif now - self._taken_at.setdefault(number, now) > _STALLED_S:
                self._taken_at[number] = now
                found.append((number, marker))
        return found

    async def positions(self, assigned: Iterable[TP]) -> dict[TP, int]:
        """Take over the assigned partitions; where to go on in those the store knows."""
        tps = sorted(assigned)
        numbers = {tp.partition for tp in tps}
        async with self._busy:
            self.partitions = {n: part for n, part in self.partitions.items() if n in numbers}
            try:
                for number in sorted(numbers - set(self.partitions)):
                    self.partitions[number] = await self._rebuilt(number)
                if self.gaps is None:
                    self.gaps = await self._run(lambda: load_gaps(self.context.store))
            except (StoreUnavailable, Interrupted) as error:
                _log.warning("%s; the rest is rebuilt when its events come", error)
        markers = self.markers()
        return {tp: markers[tp.partition] for tp in tps if tp.partition in markers}

    def starts_at(self, number: int, offset: int) -> None:
        """Where Kafka begins with a partition of which the store knows nothing."""
        self._starts[number] = offset
        part = self.partitions.get(number)
        if part is not None and part.fresh:
            part.marker = offset

    async def _rebuilt(self, number: int) -> Partition:
        started = time.monotonic()
        self._rebuilding[number] = self.context.now_ms()
        try:
            part = await self._run(lambda: Partition(self.context, number))
        finally:
            self._rebuilding.pop(number, None)
        if part.fresh:
            part.marker = self._starts.get(number, 0)
        _log.info(
            "partition %d rebuilt in %.2f s: %d accounts, next offset %d",
            number,
            time.monotonic() - started,
            len(part.fold.accounts),
            part.marker,
        )
        return part

    async def _taken_over(self, number: int) -> Partition | None:
        """The partition, rebuilt if that was not done when it was assigned; None if it went."""
        wait = _FIRST_WAIT_S
        while number not in self.partitions:
            if self.context.interrupt.is_set() or not self._mine(number):
                return None
            try:
                self.partitions[number] = await self._rebuilt(number)
            except StoreUnavailable as error:
                _log.warning("%s; trying again in %.1f s", error, wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_S)
            except Interrupted:
                return None
        return self.partitions[number]

    async def lost(self, number: int, first: int, until: int) -> None:
        """Kafka has deleted offsets `first` to before `until`, which nobody has read."""
        part, context = self.partitions[number], self.context
        times = part.watermark.value, context.now_ms()
        gap = await self._run(
            lambda: store_gap(context.store, context.stream_id, number, first, until, times)
        )
        _log.error("%s", gap.sentence)
        self.gaps = [gap, *(self.gaps or [])]

    async def revoke(self, revoked: Iterable[TP]) -> None:
        """Give partitions up; one that comes back is rebuilt from what the store then holds.

        A write that waits for the store is given up: another worker will do it.
        """
        self.context.interrupt.set()
        async with self._busy:
            self.context.interrupt.clear()
            for tp in revoked:
                self.partitions.pop(tp.partition, None)

    async def take(self, fetch: Fetch) -> None:
        """Store and fold a fetch; returns when all of it is in the store."""
        self._taken_at[fetch.partition] = time.monotonic()
        async with self._busy:
            part = await self._taken_over(fetch.partition)
            if part is None or (not part.fresh and fetch.next_offset <= part.marker):
                return  # no longer ours, or delivered again and all of it stored
            if fetch.stale:
                return  # what a seek asked for is on its way
            if fetch.offset > part.marker and fetch.follows != part.marker:
                await self._go_back(fetch.partition, part.marker)
                return  # something before this fetch was dropped
            try:
                await self._store(part, fetch)
            except Interrupted:
                self._forget(part)  # a rebalance is under way
            except Superseded as error:
                _log.error("%s", error)
                self._forget(part)  # rebuilt with the next fetch

    def _forget(self, part: Partition) -> None:
        self._starts[part.number] = part.marker
        self.partitions.pop(part.number, None)

    async def _store(self, part: Partition, fetch: Fetch) -> None:
        messages = fetch.messages if part.fresh else fetch.messages.since(part.marker)
        batch = await self._run(lambda: part.prepare(messages, fetch.next_offset))
        if letters := part.new_letters(batch):
            await self._send_letters(letters, fetch.partition)
        started = time.monotonic()
        counts = await self._run(lambda: part.commit(batch))
        self.status.stored(batch, counts, (time.monotonic() - started) * 1000)
        if (publish := self.publish) is not None and (rows := batch.rows) is not None:
            span, watermark = (batch.first_offset, batch.next_offset), part.watermark.value
            await self._run(lambda: publish(part.number, rows, span, watermark, part.since))
        await self._run(part.maybe_snapshot)
        if self.platform is not None and part.number == 0:
            platform, watermark = self.platform, part.watermark.value
            await self._run(lambda: platform.follow(watermark))

    async def close(self, *, snapshot: bool) -> None:
        """Finish what is under way; with `snapshot`, spare the next start the rebuild."""
        async with self._busy:
            if snapshot:
                for part in self.partitions.values():
                    await self._run(lambda part=part: part.maybe_snapshot(at_once=True))  # type: ignore[misc]
        self._thread.shutdown(wait=True)
