"""The courier: a small process that hands messages to channels and outlives a worker's sudden end.

`python -m streams.alerting.notify.delivering TRAY`, started by `courier.py`. Takes messages on
its input, a line of JSON each, notes on disk when one is begun and what became of it, and says that
on its output. When the input ends, whatever ended the worker, it finishes what it has taken and
ends; the next worker finds the notes. Where secrets are is said on the input, never what they are.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from streams.alerting.notify.channels import Letter, NotDelivered, deliver
from streams.alerting.notify.spool import Note, Tray
from streams.policy.routes import Channel

__all__ = ["Courier", "serve"]

#: Longer than any channel takes that answers at all; then the process ends without it.
_LINGER_S: Final = 60.0


class Courier:
    """Delivers each message in a thread of its own; `say` is told what became of it."""

    def __init__(self, tray: Tray, say: Callable[[Note], None]) -> None:
        self._tray = tray
        self._say = say
        self._busy = 0
        self._changed = threading.Condition()

    def take(self, line: bytes) -> None:
        """Begin with the message of one line; returns at once."""
        asked = json.loads(line)
        with self._changed:
            self._busy += 1
        threading.Thread(target=self._deliver, args=(asked,), daemon=True).start()

    def finish(self, seconds: float) -> bool:
        """Wait so long at most for messages under way; whether all are through."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, seconds)

    def _deliver(self, asked: dict[str, Any]) -> None:
        letter, channel = Letter(**asked["letter"]), Channel(**asked["channel"])
        self._note(Note(letter.identity, asked["version"], "begun", at=_now_ms()))
        try:
            deliver(channel, letter)
            error = ""
        except NotDelivered as failure:
            error = str(failure)
        except Exception as failure:  # noqa: BLE001 - its text may hold an address, its name cannot
            error = f"channel {channel.name}: {type(failure).__name__}"
        said = Note(letter.identity, asked["version"], "through", error, _now_ms())
        self._note(said)
        self._say(said)
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def _note(self, note: Note) -> None:
        try:
            self._tray.write(note)
        except OSError as error:  # a full disk must not keep a message back
            print(f"notifications: {self._tray.folder}: {error.strerror}", file=sys.stderr)


def serve(tray: Tray, given: IO[bytes], told: IO[bytes]) -> bool:
    """Deliver what comes on `given` until that ends; whether all of it is through then."""
    telling = threading.Lock()

    def say(note: Note) -> None:
        line = json.dumps([note.notification_id, note.version, note.error, note.at])
        with telling:
            try:
                told.write(line.encode() + b"\n")
                told.flush()
            except OSError:  # nobody listens any more: the note is what remains
                return

    courier = Courier(tray, say)
    for line in given:
        courier.take(line)
    return courier.finish(_LINGER_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """The process; the lock, an open file, is held until it ends."""
    # It ends when its input does: a signal for the whole group must not cut a delivery short.
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    through = serve(Tray(Path(sys.argv[1])), sys.stdin.buffer, told)
    os._exit(0 if through else 1)  # a thread that hangs in a channel must not keep it alive


if __name__ == "__main__":
    main()
