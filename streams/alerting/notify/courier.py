"""How letters leave the worker: by a courier, a process that a kill of the worker spares.

Between the notifier's lanes and `delivering.py`. Between the moment a channel has taken a message
and the moment the store knows it lies a gap in which a killed process would leave a doubt, and a
second message. So the sending is not in the worker: when the worker dies, its courier finishes what
it has, notes what became of it (`spool.py`) and ends, and the next notifier reads that.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final, Protocol

from streams.alerting.notify.channels import Deliver, Letter, NotDelivered
from streams.alerting.notify.outbox import Message
from streams.alerting.notify.spool import Note, Spool, Tray
from streams.policy.routes import Channel

__all__ = ["Carrier", "Direct", "InDoubt", "Posted"]

_log = logging.getLogger(__name__)
_KILLED: Final = "the courier was killed while it had the message"


class InDoubt(NotDelivered):
    """The courier was killed while it had a message: nobody knows whether that arrived."""


class Carrier(Protocol):
    """What the notifier sends with."""

    def open(self) -> None:
        """There will be something to send: be ready."""

    def prepare(self, messages: Sequence[Message]) -> None:
        """These are about to be noted as being sent, and then carried."""

    def carry(self, channel: Channel, letter: Letter, version: int) -> None:
        """Deliver; returns when the channel has it. Raises NotDelivered."""

    def settle(self, names: Iterable[str]) -> None:
        """What became of these messages is in the store."""

    def left(self) -> list[Note]:
        """What carriers of other processes, dead or alive, have noted."""

    def close(self) -> None:
        """Take no more."""


class Direct:
    """Delivers in the calling thread, without notes."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    def open(self) -> None:
        """Nothing to open."""

    def prepare(self, messages: Sequence[Message]) -> None:
        """Nothing to note."""

    def carry(self, channel: Channel, letter: Letter, version: int) -> None:
        """Deliver here."""
        self._deliver(channel, letter)

    def settle(self, names: Iterable[str]) -> None:
        """Nothing was noted."""

    def left(self) -> list[Note]:
        """Nothing was noted."""
        return []

    def close(self) -> None:
        """Nothing to close."""


class Posted:
    """Gives letters to a courier process, started when it is needed; from any thread.

    Raises:
        PulseError: the spool cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._spool = Spool(folder)
        self._lock = threading.Lock()
        self._courier: _Process | None = None

    def open(self) -> None:
        """Start the courier, so that the first message does not wait for it."""
        self._running()

    def prepare(self, messages: Sequence[Message]) -> None:
        """Note that they wait: found after a kill, with a courier dead, they were never begun."""
        tray = self._running().tray
        for message in messages:
            try:
                tray.write(Note(message.notification_id, message.version, "waiting"))
            except OSError as error:  # a full disk must not keep a message back
                _log.warning("notifications: %s: %s", tray.folder, error.strerror)
                return

    def carry(self, channel: Channel, letter: Letter, version: int) -> None:
        """Deliver by the courier; returns when the channel has it.

        Raises:
            NotDelivered: the channel did not take it; InDoubt: the courier ended meanwhile.
        """
        error = self._running().ask(channel, letter, version).result()
        if error:
            raise NotDelivered(error)

    def settle(self, names: Iterable[str]) -> None:
        """Drop the notes about these messages, our own and those of the dead."""
        with self._lock:
            tray = self._courier.tray if self._courier is not None else None
        names = list(names)
        with contextlib.suppress(OSError):  # a note that stays is found stale later
            if tray is not None:
                tray.drop(names)
            self._spool.settle(names, tray)

    def left(self) -> list[Note]:
        """What other couriers have noted."""
        with self._lock:
            tray = self._courier.tray if self._courier is not None else None
        return self._spool.left(tray)

    def close(self) -> None:
        """Let the courier finish what it has, on its own."""
        with self._lock:
            if self._courier is not None:
                self._courier.close()
                self._courier = None

    def _running(self) -> _Process:
        with self._lock:
            if self._courier is None or not self._courier.alive:
                self._courier = _Process(*self._spool.tray())
            return self._courier


class _Process:
    """The courier's process; what waits for an answer when it ends is in doubt."""

    def __init__(self, tray: Tray, lock: int) -> None:
        self.tray = tray
        self._waiting: dict[tuple[str, int], Future[str]] = {}
        self._changing = threading.Lock()
        self._ended = False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.alerting.notify.delivering", str(tray.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[lock],  # which keeps the tray locked as long as the courier lives
                start_new_session=True,
            )
        finally:
            os.close(lock)
        given, told = self._process.stdin, self._process.stdout
        assert given is not None
        assert told is not None
        self._given: IO[bytes] = given
        threading.Thread(
            target=self._listen, args=(told,), name="pulse-courier", daemon=True
        ).start()

    @property
    def alive(self) -> bool:
        """Whether it can be given more."""
        with self._changing:
            return not self._ended

    def ask(self, channel: Channel, letter: Letter, version: int) -> Future[str]:
        """What will have gone wrong with a message; nothing when the channel has it."""
        asked = {"version": version, "channel": asdict(channel), "letter": asdict(letter)}
        line = json.dumps(asked).encode() + b"\n"
        answer: Future[str] = Future()
        with self._changing:
            if self._ended:
                answer.set_exception(NotDelivered(f"channel {channel.name}: the courier ended"))
                return answer
            self._waiting[letter.identity, version] = answer
            with contextlib.suppress(OSError):  # it has ended: whoever listens to it says so
                self._given.write(line)
                self._given.flush()
        return answer

    def close(self) -> None:
        """No more messages; it ends by itself when it is through."""
        with self._changing:
            self._ended = True
            with contextlib.suppress(OSError):  # it is gone already
                self._given.close()

    def _listen(self, told: IO[bytes]) -> None:
        for line in told:
            name, version, error, _ = json.loads(line)
            with self._changing:
                answer = self._waiting.pop((name, version), None)
            if answer is not None:
                answer.set_result(error)
        told.close()
        with self._changing:
            self._ended = True
            waiting, self._waiting = self._waiting, {}
        self._process.wait()
        notes = {(note.notification_id, note.version): note for note in self.tray.notes(False)}
        for asked, answer in waiting.items():
            note = notes.get(asked)
            if note is not None and note.stage == "through":
                answer.set_result(note.error)
            elif note is not None and note.stage == "waiting":
                answer.set_exception(NotDelivered(_KILLED))
            else:
                answer.set_exception(InDoubt(_KILLED))
