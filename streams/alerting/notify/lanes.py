"""Threads that send: a few for each channel, so that one that hangs holds up no other.

Between the notifier, which decides, and the channel. Threads are daemons: a process that ends does
not wait for a channel that never answers.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final

from streams.alerting.notify.outbox import Message

__all__ = ["Lanes"]

PARALLEL: Final = 4


class Lanes:
    """`send` says what went wrong, or nothing; `through`, called in the thread that sent, may take
    what is `finished`; then the channel has room again and `woken` is called."""

    def __init__(
        self,
        send: Callable[[Message], str],
        through: Callable[[], None],
        woken: Callable[[], None],
    ) -> None:
        self._send = send
        self._through = through
        self._woken = woken
        self._lanes: dict[str, queue.SimpleQueue[Message]] = {}
        self._threads: dict[str, int] = {}
        self._busy: dict[str, int] = {}
        self._done: list[tuple[Message, str]] = []
        self._changed = threading.Condition()

    def room(self, channel: str) -> int:
        """How many more messages the channel can take up at once."""
        with self._changed:
            return PARALLEL - self._busy.get(channel, 0)

    def start(self, message: Message) -> None:
        """Send it; returns at once."""
        name = message.channel
        with self._changed:
            lane = self._lanes.setdefault(name, queue.SimpleQueue())
            self._busy[name] = self._busy.get(name, 0) + 1
            more = self._busy[name] > self._threads.get(name, 0)
            self._threads[name] = self._threads.get(name, 0) + more
        lane.put(message)
        if more:
            title = f"pulse-notify-{name}"
            threading.Thread(target=self._run, args=(lane,), name=title, daemon=True).start()

    def finished(self) -> list[tuple[Message, str]]:
        """Messages that are through since the last call, and what went wrong."""
        with self._changed:
            done, self._done = self._done, []
        return done

    def wait(self, seconds: float) -> bool:
        """Until nothing is under way; whether that came about in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(self._busy.values()), seconds)

    def _run(self, lane: queue.SimpleQueue[Message]) -> None:
        while True:
            message = lane.get()
            error = self._send(message)
            with self._changed:
                self._done.append((message, error))
            self._through()
            with self._changed:
                self._busy[message.channel] -= 1
                self._changed.notify_all()
            self._woken()
