"""Who is next: a few queries at once, callers in turn.

A dashboard that asks twenty things at a time and an analyst who asks one share fairly: free places
go round the callers, and each caller's own queries stay in order.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from streams.sqlhttp.errors import SqlError

__all__ = ["Turns"]


class Turns:
    """`places` queries at once, at most `waiting` in line; used in one event loop."""

    def __init__(self, places: int, waiting: int) -> None:
        self._free = places
        self._most = waiting
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    @contextlib.asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Raises:
            SqlError: too many wait already.
        """
        if self._free and not self._lines:
            self._free -= 1
        else:
            await self._wait(caller)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, caller: str) -> None:
        if sum(map(len, self._lines.values())) >= self._most:
            raise SqlError(202, f"Too many simultaneous queries: {self._most} wait already")
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(caller, deque()).append(ticket)
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._release()  # the place had just been given
            else:
                self._forget(caller, ticket)
            raise

    def _release(self) -> None:
        """Give the place to the caller who has waited longest since the last turn."""
        while self._lines:
            caller, line = next(iter(self._lines.items()))
            ticket = line.popleft()
            del self._lines[caller]
            if line:
                self._lines[caller] = line  # to the end of the round
            if not ticket.done():
                ticket.set_result(None)
                return
        self._free += 1

    def _forget(self, caller: str, ticket: asyncio.Future[None]) -> None:
        line = self._lines.get(caller)
        if line is not None and ticket in line:
            line.remove(ticket)
            if not line:
                del self._lines[caller]
