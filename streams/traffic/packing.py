"""Packs events into NDJSON messages, one partition at a time, on their way to the sender.

Events of one partition keep their order and share messages of at most `events` lines and about
`message_bytes`; a single longer event gets a message of its own. What does not fill a message
waits for the next batch or for `flush`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.traffic.batch import Batch
from streams.traffic.partition import Partitioner

__all__ = ["Message", "Packer"]


@dataclass(frozen=True, slots=True)
class Message:
    """One Kafka message value: `events` lines separated by newlines."""

    partition: int
    value: bytes
    events: int


class Packer:
    """Turns batches into messages; holds at most one unfinished message a partition."""

    def __init__(self, partitions: int, *, events: int = 500, message_bytes: int = 200_000) -> None:
        self.events = events
        self.message_bytes = message_bytes
        self._partitioner = Partitioner(partitions)
        self._waiting: list[list[bytes]] = [[] for _ in range(partitions)]

    def add(self, batch: Batch) -> list[Message]:
        """The messages that `batch` completes, in order within each partition."""
        if not len(batch):
            return []
        partition = self._partitioner.assign(batch.accounts)[batch.account]
        order = np.argsort(partition, kind="stable")
        counts = np.bincount(partition, minlength=len(self._waiting))
        stops = np.cumsum(counts)
        messages: list[Message] = []
        for number in np.flatnonzero(counts).tolist():
            rows = order[stops[number] - counts[number] : stops[number]].tolist()
            waiting = self._waiting[number]
            waiting.extend([batch.lines[row] for row in rows])
            self._waiting[number] = self._cut(number, waiting, messages)
        return messages

    def flush(self) -> list[Message]:
        """Everything that still waits."""
        messages = [_message(number, lines) for number, lines in enumerate(self._waiting) if lines]
        self._waiting = [[] for _ in self._waiting]
        return messages

    def _cut(self, number: int, lines: list[bytes], messages: list[Message]) -> list[bytes]:
        """Appends the full messages of `lines` and returns the rest, which fills no message."""
        ends = np.cumsum(np.fromiter(map(len, lines), np.int64, len(lines)) + 1)
        start = 0
        while (stop := self._stop(ends, start)) is not None:
            messages.append(_message(number, lines[start:stop]))
            start = stop
        return lines[start:]

    def _stop(self, ends: NDArray[np.int64], start: int) -> int | None:
        """Where the message that begins at `start` ends; None while more lines would fit."""
        if start == len(ends):
            return None
        before = int(ends[start - 1]) if start else 0
        fitting = int(np.searchsorted(ends, before + self.message_bytes, side="right"))
        stop = max(start + 1, min(fitting, start + self.events))
        full = stop - start == self.events or ends[stop - 1] - before >= self.message_bytes
        return stop if full or stop < len(ends) else None


def _message(partition: int, lines: list[bytes]) -> Message:
    return Message(partition, b"\n".join(lines), len(lines))
