"""From ingest to the topic usage.signals: at most once, and never in the way.

After a batch and its marker are stored, `publish` makes one message for each partition that has
signals in it (in the thread of ingest), and `run` sends them (in the event loop). What the broker
does not take is dropped and told in the status: the reader sees the gap and asks the store.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import faust.exceptions
import numpy as np
import pyarrow as pa
from aiokafka.errors import KafkaError

from streams.broker.admin import MAX_MESSAGE_BYTES
from streams.coordination.context import kinds_text
from streams.coordination.signals import SLOT_MS, Signals, signals
from streams.coordination.wire import Header, encode

__all__ = ["Outbox", "Sender"]

_log = logging.getLogger(__name__)
_LARGEST: Final = MAX_MESSAGE_BYTES - 16 * 1024
_HELD_BYTES: Final = 32 << 20
_PATIENCE_S: Final = 10.0

#: Hands a message for a partition to the producer; the future is done when the broker has it.
Send = Callable[[int, bytes], Awaitable[Awaitable[Any]]]


class Outbox:
    """What of one source went to each partition of usage.signals: contiguous ranges of offsets."""

    def __init__(
        self,
        stream_id: str,
        source: int,
        partitions: int,
        kinds: Mapping[str, str],
        first_offset: int,
    ) -> None:
        self._stream_id = stream_id
        self._source = source
        self._partitions = partitions
        self._kinds, self._kinds_text = kinds, kinds_text(kinds)
        self._next = [first_offset] * partitions
        self._watermark = [0] * partitions
        self._since = -1
        self.next_offset = first_offset

    def messages(
        self, rows: pa.Table, next_offset: int, watermark: int, since: int
    ) -> list[tuple[int, bytes]]:
        """What to send of the stored `rows` before `next_offset`: partition and message.

        A partition without signals is told only when the watermark passes the end of a slot.
        """
        found = signals(rows, self._kinds)
        partition = found.partition(self._partitions)
        order = np.argsort(partition, kind="stable")
        found = found.take(order)
        starts = np.searchsorted(partition[order], np.arange(self._partitions + 1)).tolist()
        made = []
        for number in range(self._partitions):
            mine = found.take(slice(starts[number], starts[number + 1]))
            passed = watermark // SLOT_MS > self._watermark[number] // SLOT_MS
            if len(mine) or passed or since != self._since:
                made += self._for(number, mine, next_offset, watermark, since)
        self._since, self.next_offset = since, next_offset
        return made

    def _for(
        self, number: int, mine: Signals, next_offset: int, watermark: int, since: int
    ) -> list[tuple[int, bytes]]:
        header = Header(
            0,
            self._stream_id,
            self._source,
            self._next[number],
            next_offset,
            watermark,
            since,
            self._kinds_text,
        )
        before = self._watermark[number]
        self._next[number], self._watermark[number] = next_offset, watermark
        return [(number, value) for _, value in encode(header, mine, _LARGEST, before)]


class Sender:
    """The outboxes of this worker's sources, and the way of their messages to the broker."""

    def __init__(
        self, stream_id: str, partitions: int, kinds: Mapping[str, str], send: Send
    ) -> None:
        self._stream_id = stream_id
        self._partitions = partitions
        self._kinds = kinds
        self._send = send
        self._outboxes: dict[int, Outbox] = {}
        self._queue: asyncio.Queue[list[tuple[int, bytes]]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._held = 0
        self._lock = threading.Lock()  # of `_held`
        self.sent = self.dropped = 0
        self.trouble = ""  # sentence of what is wrong, or nothing

    def publish(
        self, source: int, rows: pa.Table, span: tuple[int, int], watermark: int, since: int
    ) -> None:
        """What was just stored of a source, offsets span[0] to before span[1]; from any thread."""
        outbox = self._outboxes.get(source)
        if outbox is None or outbox.next_offset > span[0]:  # taken over, or taken over again
            outbox = Outbox(self._stream_id, source, self._partitions, self._kinds, span[0])
            self._outboxes[source] = outbox
        made = outbox.messages(rows, span[1], watermark, since)
        size = sum(len(value) for _, value in made)
        with self._lock:
            room = self._held + size <= _HELD_BYTES
            self._held += size if room else 0
        if not room:
            self.dropped += len(made)
        elif made:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, made)

    def status(self) -> dict[str, Any]:
        """For the page: messages sent and dropped, and what is wrong with the topic."""
        told = {"sent": self.sent, "unsent": self.dropped}
        return told | ({"ok": False, "sentence": self.trouble} if self.trouble else {})

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            made = await self._queue.get()
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    acknowledged = [await self._send(*message) for message in made]
                    await asyncio.gather(*acknowledged)
            except (KafkaError, faust.exceptions.FaustError, TimeoutError) as error:
                self.dropped += len(made)
                self._tell(
                    "the topic of signals does not take messages "
                    f"({type(error).__name__}); they are read from the store instead"
                )
            else:
                self.sent += len(made)
                self._tell("")
            finally:
                with self._lock:
                    self._held -= sum(len(value) for _, value in made)

    def _tell(self, trouble: str) -> None:
        if trouble and not self.trouble:
            _log.warning("%s", trouble)
        self.trouble = trouble
