"""The signals agent's work: partitions of usage.signals come and go, slots are closed.

Between Faust and the signals partitions. Everything runs in one thread of its own, so neither
ingest nor the event loop waits for it; messages it has no room for are dropped, for the store has
all that is in them. In the worker that holds partition 0 the keeper is told when slots closed: it
judges the slots that all partitions have closed.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from streams.coordination.context import SignalsContext
from streams.coordination.keeping import Groups, Keeper, Keeping
from streams.coordination.wire import Unreadable
from streams.errors import PulseError
from streams.storage.retry import Stopped

if TYPE_CHECKING:  # numba is loaded in the agent's thread: a start does not wait for it
    from streams.coordination.partition import SignalsPartition

__all__ = ["Coordination"]

_log = logging.getLogger(__name__)
_KEEPER: Final = 0  # the worker with this signals partition keeps the groups
_HELD_BYTES: Final = 64 << 20
_TURN_S: Final = 0.25
_LONGEST_WAIT_S: Final = 5.0


class Coordination:
    """The signals partitions assigned to this worker; every method may be called from any thread.

    `keeper` makes the keeper when this worker becomes the one to keep.
    `interrupt` ends a wait for the store while partitions are given up.
    """

    def __init__(
        self,
        context: SignalsContext,
        keeper: Callable[[], Keeper] | None = None,
        interrupt: threading.Event | None = None,
    ) -> None:
        self.context = context
        self._interrupt = interrupt or threading.Event()
        self._keeping = Keeping(keeper) if keeper is not None else None
        self._news = 0
        self._inbox: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._held = 0
        self._lock = threading.Lock()  # of `_held`
        self._wanted: frozenset[int] = frozenset()
        self._partitions: dict[int, SignalsPartition] = {}
        self._stop = threading.Event()
        self._snapshot_at_end = False
        self._turned = threading.Condition()
        self._turns = 0
        self._thread = threading.Thread(target=self._run, name="pulse-coordination", daemon=True)
        self._settled: Mapping[int, tuple[int, dict[int, int]]] = {}
        self.dropped = 0
        self.trouble = ""  # sentence of what is wrong, or nothing

    def start(self) -> None:
        """Begin; partitions are taken over as they are assigned."""
        self._thread.start()
        if self._keeping is not None:
            self._keeping.start()

    def assign(self, numbers: Iterable[int]) -> None:
        """These partitions of usage.signals are this worker's now, and no others."""
        self._interrupt.clear()
        self._wanted = frozenset(numbers)
        if self._keeping is not None:
            self._keeping.hold(_KEEPER in self._wanted)

    def revoke(self, seconds: float = 5.0) -> None:
        """Give all partitions up; returns when nothing is written for them any more."""
        self._wanted = frozenset()
        self._interrupt.set()
        if self._keeping is not None:
            self._keeping.hold(False)
            self._keeping.rest(seconds / 2)
        with self._turned:
            turn = self._turns
            self._turned.wait_for(
                lambda: self._turns > turn + 1 or not self._thread.is_alive(), seconds / 2
            )

    def take(self, number: int, value: bytes) -> None:
        """A message of usage.signals; dropped when too much waits."""
        with self._lock:
            room = self._held + len(value) <= _HELD_BYTES
            self._held += len(value) if room else 0
        if not room:
            self.dropped += 1
            return
        self._inbox.put((number, value))

    def settled(self, ends: Mapping[int, int]) -> bool:
        """Whether all that stands up to these offsets of the sources (inclusive) was judged."""
        settled = self._settled
        if not self._thread.is_alive():
            return True
        return (
            (self._keeping is None or self._keeping.done(self._news))
            and len(settled) == self.context.partitions
            and all(
                waiting == 0 and all(offsets.get(source, 0) > end for source, end in ends.items())
                for waiting, offsets in settled.values()
            )
        )

    def groups(self) -> Groups:
        """Incidents of clusters with their members, in the worker that keeps them."""
        return self._keeping.groups if self._keeping is not None else []

    def status(self) -> dict[str, Any]:
        """For the page: how far the partitions are, and what is wrong."""
        parts = sorted(dict(self._partitions).items())
        trouble = self.trouble or (self._keeping.trouble if self._keeping is not None else "")
        return {
            "ok": not trouble,
            "sentence": trouble,
            "dropped": self.dropped,
            "partitions": [
                {
                    "partition": number,
                    "closed": part.last.slot,
                    "signals": part.signals,
                    "meetings": part.meetings,
                }
                for number, part in parts
            ],
        }

    def close(self, *, snapshot: bool, seconds: float = 2.5) -> None:
        """Finish the turn under way and end; with `snapshot`, spare the next start the rebuild."""
        self._snapshot_at_end = snapshot
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        if self._keeping is not None:
            self._keeping.close(seconds / 2)

    def _run(self) -> None:
        try:
            wait = _TURN_S
            while not self._stop.is_set():
                try:
                    self._turn()
                except Stopped:
                    return
                except PulseError as error:  # the store, or another worker: take over again
                    self._give_up(error)
                    self._stop.wait(wait)
                    wait = min(2 * wait, _LONGEST_WAIT_S)
                else:
                    self.trouble, wait = "", _TURN_S
                self._count_turn()
            self._end()
        except Exception as error:  # noqa: BLE001 - whatever it was, ingest goes on without it
            self.trouble = f"coordination has stopped: {type(error).__name__}: {error}"
            _log.error("%s", self.trouble, exc_info=_log.isEnabledFor(logging.DEBUG))
        finally:
            self._count_turn()

    def _count_turn(self) -> None:
        with self._turned:
            self._turns += 1
            self._turned.notify_all()

    def _give_up(self, error: PulseError) -> None:
        self.trouble = f"{error}; trying again"
        _log.warning("coordination: %s", self.trouble)
        self._partitions = {}
        self._settled = {}

    def _turn(self) -> None:
        self._take_over()
        self._take_messages()
        closed = False
        for number, part in self._partitions.items():
            if number not in self._wanted:
                continue  # given up meanwhile
            closed |= part.advance(time.monotonic())
            part.maybe_snapshot(time.monotonic())
        if self._keeping is not None and closed:
            self._news = self._keeping.tell()
        self._settled = {number: part.settled() for number, part in self._partitions.items()}

    def _take_over(self) -> None:
        from streams.coordination.partition import SignalsPartition

        wanted = self._wanted
        self._partitions = {n: part for n, part in self._partitions.items() if n in wanted}
        for number in sorted(wanted - self._partitions.keys()):
            started = time.monotonic()
            part = SignalsPartition(self.context, number, started)
            self._partitions[number] = part
            _log.info("signals partition %d rebuilt in %.2f s", number, time.monotonic() - started)

    def _take_messages(self) -> None:
        """What has come, at most a turn's worth, so that slots are closed meanwhile."""
        timeout = _TURN_S
        until = time.monotonic() + 4 * _TURN_S
        while time.monotonic() < until and not self._stop.is_set():
            try:
                number, value = self._inbox.get(timeout=timeout)
            except queue.Empty:
                return
            timeout = 0.0
            with self._lock:
                self._held -= len(value)
            if number in self._partitions and number in self._wanted:
                try:
                    self._partitions[number].take(value, time.monotonic())
                except Unreadable as error:
                    _log.warning("signals partition %d: %s", number, error)

    def _end(self) -> None:
        if self._snapshot_at_end:
            for part in self._partitions.values():
                part.maybe_snapshot(time.monotonic(), at_once=True)
