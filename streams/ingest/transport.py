"""Faust, fed a fetch at a time: scheduler, consumer and transport for the topic of events.

Faust's documented `ConsumerScheduler` setting decides how fetched records are handed out. Ours
hands the agent ONE message per partition and fetch. The consumer then has to know that a message
spans offsets (Faust would take those in between for gaps, fill them one by one, commit a fetch late
and never reach lag zero). Other topics keep Faust's own path.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as FaustConsumer
from faust.transport.drivers.aiokafka import Transport as FaustTransport
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

from streams.errors import BrokerUnavailable
from streams.events.decode import Messages
from streams.ingest.seeks import Seeks

__all__ = ["Fetch", "FetchConsumer", "FetchTransport", "scheduler_for"]

#: A fetch with fewer bytes waits a moment for more.
SMALL_FETCH = 2 * 1024 * 1024
#: How long the broker may hold a request for more data.
FETCH_WAIT_MS = 100


class Fetch:
    """All records of one partition and fetch, in the shape of a single record."""

    __slots__ = (
        "follows",
        "messages",
        "next_offset",
        "offset",
        "partition",
        "size",
        "stale",
        "timestamp",
        "topic",
    )

    timestamp_type = 0
    headers: tuple[()] = ()
    key = None
    checksum = None
    serialized_key_size = 0

    def __init__(self, tp: TP, records: Sequence[Any]) -> None:
        self.topic, self.partition = tp.topic, tp.partition
        self.offset: int = records[0].offset
        self.next_offset: int = records[-1].offset + 1
        self.timestamp: int = records[-1].timestamp
        #: Where the fetch or seek before this one ended; None when that is not known.
        self.follows: int | None = None
        #: Read before a seek that was asked for since.
        self.stale = False
        self.messages = Messages(
            [record.value for record in records],
            [record.offset for record in records],
            [record.timestamp for record in records],
        )
        self.size: int = sum(record.serialized_value_size for record in records)

    @property
    def value(self) -> Fetch:
        """Faust passes the value on untouched; the fetch is its own value."""
        return self

    @property
    def serialized_value_size(self) -> int:
        """Bytes of all values."""
        return self.size


def scheduler_for(topic: str) -> type[DefaultSchedulingStrategy]:
    """A scheduler that yields one `Fetch` per partition of `topic`, and other topics as ever."""

    class FetchScheduler(DefaultSchedulingStrategy):  # type: ignore[misc]
        def iterate(self, records: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, Any]]:
            others = {tp: batch for tp, batch in records.items() if tp.topic != topic}
            for tp, batch in records.items():
                if tp.topic == topic and batch:
                    yield tp, Fetch(tp, batch)
            yield from super().iterate(others)

    return FetchScheduler


class _PromptThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    """aiokafka asks for a partition again only when the request under way has come back, which an
    idle partition in it keeps open for Faust's 1.5 s; that would be the delay of every alert."""

    def _create_worker_consumer(self, transport: FaustTransport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class _ReadOffsets(defaultdict[TP, int | None]):
    """Faust drops, without a word, what lies before the last offset it handed out, and notes that
    offset late: after a seek back it would drop the very fetch that was asked for. What was seen
    before is for the marker to say."""

    def __init__(self, events: str) -> None:
        super().__init__(lambda: None)
        self._events = events

    def __getitem__(self, tp: TP) -> int | None:
        return None if tp.topic == self._events else super().__getitem__(tp)


class FetchConsumer(FaustConsumer):  # type: ignore[misc]
    """Starts where the store ends and commits what the store holds.

    For the topic of events, Faust's own count of acknowledged offsets is not used: the marker that
    a batch leaves in the store decides. The app tells it by two attributes: `positions`, awaited
    with the assigned partitions, and `markers()`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seeks = Seeks()
        self._read_offset = _ReadOffsets(self._events)

    def _to_message(self, tp: TP, record: Any) -> Any:
        if isinstance(record, Fetch):
            record.follows = self._seeks.follows(tp)
            record.stale = self._seeks.overtaken(tp)
        return super()._to_message(tp, record)

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _PromptThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def _events(self) -> str:
        topic: str = self.app.events_topic
        return topic

    def assignment(self) -> set[TP]:
        """What is assigned; nothing before the first answer of the broker, which Faust asserts."""
        try:
            assigned: set[TP] = super().assignment()
        except ConsumerNotStarted:
            return set()
        return assigned

    def out_of_the_group(self) -> BrokerUnavailable | None:
        """Why this consumer has no place in the group and gets none without help, if that is so.

        aiokafka tells of it in its log, and to whoever asks for records; but before the first
        assignment Faust does not ask, and would wait for ever.
        """
        client = getattr(getattr(self, "_thread", None), "_consumer", None)
        coordinator = getattr(client, "_coordinator", None)
        if coordinator is None:
            return None
        error, task = coordinator._pending_exception, coordinator._coordination_task
        if task is not None and task.done() and not task.cancelled():
            error = error or task.exception()
        if error is None or getattr(error, "retriable", False):
            return None
        return BrokerUnavailable(f"group {self.app.conf.id}: cannot take part: {error}")

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic != self._events:
            await super()._add_gap(tp, offset_from, offset_to)

    def ack(self, message: Any) -> bool:
        """Mark a message as done; for events nothing is remembered of it."""
        done: bool = super().ack(message)
        if message.tp.topic == self._events:
            self._acked.pop(message.tp, None)
            self._acked_index.pop(message.tp, None)
        return done

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        yield from super()._filter_tps_with_pending_acks(topics)
        yield from (tp for tp in self.assignment() if tp.topic == self._events)

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        wanted = set(tps)
        offsets: dict[TP, int] = super()._filter_committable_offsets(
            tp for tp in wanted if tp.topic != self._events
        )
        markers: Mapping[int, int] = self.app.markers()
        for tp in wanted:
            if tp.topic == self._events and (marker := markers.get(tp.partition)) is not None:
                committed = self._committed_offset[tp]
                if committed is None or marker > committed:
                    offsets[tp] = marker
        return offsets

    async def perform_seek(self) -> None:
        """Go to the committed offsets, then, for events, to where the store ends."""
        mine = {tp for tp in self.assignment() if tp.topic == self._events}
        with self._seeks.under_way(mine):
            await super().perform_seek()
            await self._go_where_the_store_ends(mine)

    async def _go_where_the_store_ends(self, mine: set[TP]) -> None:
        positions: Callable[[set[TP]], Awaitable[dict[TP, int]]] = self.app.positions
        wanted = await positions(mine)
        earliest = await self.earliest_offsets(*mine) if mine else {}
        for tp in mine - wanted.keys():  # so that a first fetch that was dropped is missed
            start = max(self._committed_offset.get(tp) or 0, earliest.get(tp, 0))
            self.app.worker.ingest.starts_at(tp.partition, start)
            await self.go_to(tp, start)
        for tp, offset in wanted.items():
            first = earliest.get(tp, 0)
            if first > offset:
                await self.app.worker.ingest.lost(tp.partition, offset, first)
            if tp in self.assignment():
                await self.go_to(tp, max(offset, first))

    async def go_to(self, tp: TP, offset: int) -> None:
        """Fetch from `offset` on."""
        with self._seeks.under_way({tp}):
            self._seeks.read_to[tp] = offset
            await self.seek(tp, offset)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """Records by partition; a small fetch waits a moment for more: inserts are fewer."""
        before = self._seeks.counted()
        records = dict(await super()._getmany(active_partitions, timeout))
        generation, loop = self.app.consumer_generation_id, asyncio.get_running_loop()
        size, end = _bytes_in(records), loop.time() + self.app.linger
        while 0 < size < SMALL_FETCH and (left := end - loop.time()) > 0 and self.flow_active:
            more = await super()._getmany(active_partitions, left)
            if self.app.consumer_generation_id != generation:
                self._seeks.dropped(records)
                return {}  # what was fetched before a rebalance will be fetched again
            for tp, batch in more.items():
                records[tp] = [*records.get(tp, []), *batch]
            size += _bytes_in(more)
        self._seeks.fetched(
            {tp: r for tp, r in records.items() if tp.topic == self._events}, before
        )
        return records


def _bytes_in(records: Mapping[TP, list[Any]]) -> int:
    return sum(record.serialized_value_size for batch in records.values() for record in batch)


class FetchTransport(FaustTransport):  # type: ignore[misc]
    """aiokafka's transport with our consumer."""

    Consumer = FetchConsumer
