"""What becomes of messages that another process was sending: by the store and by the notes it left.

After a kill, before anything is sent again; no store, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from streams.alerting.notify.outbox import Message
from streams.alerting.notify.spool import Note

__all__ = ["AGAIN", "Recovered", "doubtful", "recovered"]

#: Ends the text of a message that may have arrived before.
AGAIN: Final = "(Perhaps a repeat: the process that sent this was killed before it was noted.)"
#: A note this old (ms) is of a courier that hangs: the store's lease decides then.
_OLD: Final = 120_000


@dataclass(slots=True)
class Recovered:
    """Messages that are through, with what went wrong and when; those to be sent; those that a
    courier which outlived its worker still has; and names whose notes say nothing new."""

    through: list[tuple[Message, str, int]] = field(default_factory=list)
    due: list[Message] = field(default_factory=list)
    under_way: list[Message] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


def recovered(unfinished: Sequence[Message], left: Iterable[Note], now: int) -> Recovered:
    """Sort `unfinished`, which this process is not sending itself, by what others noted.

    A message that waited with a courier that is dead was never begun and is due at once. One that
    was begun and has no outcome is in doubt: sent again, and it says so. One without a note waits
    for the end of its lease, for whoever sends it may live on another machine.
    """
    notes = {(note.notification_id, note.version): note for note in left}
    found = Recovered()
    known = set()
    for message in unfinished:
        note = notes.get((message.notification_id, message.version))
        if message.state != "sending" or note is None:
            found.due.append(message)
            continue
        known.add(message.notification_id)
        if note.stage == "through":
            found.through.append((message, note.error, note.at))
        elif note.alive and now - message.next_at < _OLD:
            found.under_way.append(message)
        elif note.stage == "waiting" and not note.alive:
            found.due.append(replace(message, state="due", next_at=now))
        else:
            found.due.append(replace(message, next_at=min(message.next_at, now)))
    found.stale = sorted({n.notification_id for n in notes.values() if not n.alive} - known)
    return found


def doubtful(message: Message) -> dict[str, Any]:
    """What changes about a message that is sent a second time: it says that it may be one."""
    if message.state != "sending" or message.body.endswith(AGAIN):
        return {}
    return {"body": f"{message.body}\n{AGAIN}"}
