"""Keeps the sender from running away from the consumer.

The embedded broker holds about 5 MB a partition and forgets what nobody has read by then, so a
replay at full speed must wait. The sender knows how large each message was, the consumer which
offsets it has passed: together they give the bytes that are still unread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["BackPressure", "UnreadBytes"]

#: What the broker keeps beside a message's value, when it travels in a batch of its own.
_ENVELOPE_BYTES = 100


@dataclass(frozen=True, slots=True)
class BackPressure:
    """The sender waits while `backlog()` is above `limit`; the unit is the caller's choice."""

    backlog: Callable[[], int]
    limit: int


class UnreadBytes:
    """Bytes sent and not yet consumed, by partition.

    The sender calls `sent` for each message and `acknowledged` when its offset is known, in order.
    """

    def __init__(self) -> None:
        self._acknowledged: dict[int, deque[tuple[int, int]]] = {}
        self._unread: dict[int, int] = {}

    def sent(self, partition: int, size: int) -> None:
        """A message of `size` bytes is on its way."""
        self._unread[partition] = self._unread.get(partition, 0) + size + _ENVELOPE_BYTES

    def acknowledged(self, partition: int, offset: int, size: int) -> None:
        """The message of `size` bytes has got `offset`."""
        self._acknowledged.setdefault(partition, deque()).append((offset, size))

    def largest(self, consumed: Mapping[int, int]) -> int:
        """Unread bytes of the fullest partition; `consumed` holds each one's next offset."""
        for partition, offset in consumed.items():
            waiting = self._acknowledged.get(partition)
            while waiting and waiting[0][0] < offset:
                self._unread[partition] -= waiting.popleft()[1] + _ENVELOPE_BYTES
        return max(self._unread.values(), default=0)
