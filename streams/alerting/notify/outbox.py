"""The outbox: one row a message and channel, written before anything is sent.

A message's identity follows from its incident, its event and its channel, so the same change told
twice makes the same row. Every state is a version of that row; the view `notifications` reads the
last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal

import pyarrow as pa

from streams.alerting.findings import identity
from streams.errors import UsageError
from streams.storage.base import Store

__all__ = ["UNTOLD", "Message", "Outbox", "Told", "message_id"]

State = Literal["due", "sending", "sent", "failed", "silenced", "grouped"]
#: Nobody was told, nor will be: of these there is no end to tell either.
UNTOLD: Final = ("silenced", "grouped", "failed")
_MOMENT: Final = pa.timestamp("ms", "UTC")
_TIMES: Final = ("next_at", "made_at", "sent_at")
_TOLD: Final = """
SELECT n.incident_id AS incident_id, n.channel AS channel,
    countIf(n.severity = 'high') > 0 AS high, groupUniqArray(m.account_id) AS accounts
FROM (SELECT incident_id, channel, severity FROM notifications
    WHERE event != 'resolved' AND state NOT IN {untold}) AS n
INNER JOIN clusters AS c ON c.incident_id = n.incident_id
INNER JOIN cluster_members AS m ON m.cluster_id = c.cluster_id
WHERE c.state = 'open' AND m.left_at IS NULL
GROUP BY incident_id, channel ORDER BY incident_id, channel"""


@dataclass(frozen=True, slots=True)
class Message:
    """One row of `notification_log`; times are epoch ms, `sent_at` 0 while it is not sent."""

    notification_id: str
    version: int
    incident_id: str
    event: str  # opened, escalated or resolved
    channel: str
    state: State
    severity: str
    account_id: str
    org_id: str
    kind: str
    title: str
    body: str
    suppression_id: str  # the silence, or for `grouped` the incident, that speaks for it
    attempts: int
    next_at: int
    error: str
    made_at: int
    sent_at: int


@dataclass(frozen=True, slots=True)
class Told:
    """The incident of an open cluster that a channel knows of, and the members it is about."""

    incident_id: str
    channel: str
    high: bool
    accounts: frozenset[str]


def message_id(incident_id: str, event: str, severity: str, channel: str) -> str:
    """The same change to the same channel has the same identity, whoever makes it."""
    grade = severity if event == "escalated" else ""
    return identity("notification", incident_id, event, grade, channel)


class Outbox:
    """Reads and writes messages; for one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def unfinished(self) -> list[Message]:
        """Messages that are due, or were being sent when a process ended."""
        return self._read("state IN ('due', 'sending')", {})

    def of(self, incidents: Iterable[str]) -> dict[str, list[Message]]:
        """What was made for each of these incidents."""
        wanted = sorted(set(incidents))
        found: dict[str, list[Message]] = {name: [] for name in wanted}
        if wanted:
            # The inner SELECT spares FINAL the whole table.
            these = "SELECT notification_id FROM notification_log WHERE incident_id IN {wanted}"
            for message in self._read(f"notification_id IN ({these})", {"wanted": wanted}):
                found[message.incident_id].append(message)
        return found

    def told_clusters(self) -> list[Told]:
        """Open clusters that somebody was told of, or is about to be."""
        rows = self._store.query(_TOLD, {"untold": list(UNTOLD)}).to_pylist()
        return [
            Told(
                _text(row["incident_id"]),
                _text(row["channel"]),
                bool(row["high"]),
                frozenset(_text(name) for name in row["accounts"]),
            )
            for row in rows
        ]

    def write(self, messages: Sequence[Message]) -> None:
        """New versions; the same ones again change nothing."""
        if not messages:
            return
        rows = [asdict(message) for message in messages]
        columns: dict[str, Any] = {}
        for field in fields(Message):
            values = [row[field.name] for row in rows]
            if field.name == "sent_at":
                values = [value or None for value in values]
            if field.name in _TIMES:
                columns[field.name] = pa.array(values, pa.int64()).cast(_MOMENT)
            elif field.name == "version":
                columns[field.name] = pa.array(values, pa.uint64())
            elif field.name == "attempts":
                columns[field.name] = pa.array(values, pa.uint32())
            else:
                columns[field.name] = pa.array(values, pa.string())
        token = identity(
            "outbox", *(f"{m.notification_id}:{m.version}:{m.state}" for m in messages)
        )
        self._store.insert("notification_log", pa.table(columns), token)

    def again(self, names: Sequence[str], failed: bool, now: int) -> list[Message]:
        """Messages of these ids, or with `failed` all that were given up, due from now on.

        Raises:
            UsageError: one of them is not known, was sent, is being sent, silenced or grouped.
        """
        if failed:
            found = self._read("state = 'failed'", {})
        else:
            found = self._read("notification_id IN {names}", {"names": sorted(set(names))})
        known = {message.notification_id for message in found}
        if missing := sorted(set(names) - known):
            raise UsageError(f"notification {missing[0]}: there is none of this id")
        for message in found:
            if message.state not in ("failed", "due"):
                said = f"is {message.state}; only what failed or waits can be sent again"
                raise UsageError(f"notification {message.notification_id}: {said}")
        due = [
            replace(m, version=m.version + 1, state="due", attempts=0, next_at=now) for m in found
        ]
        self.write(due)
        return due

    def counts(self, since: int) -> dict[str, int]:
        """Messages by state, made since then (epoch ms)."""
        rows = self._store.query(
            "SELECT state, toInt64(count()) AS n FROM notifications "
            "WHERE made_at >= fromUnixTimestamp64Milli({since}, 'UTC') GROUP BY state",
            {"since": since},
        ).to_pylist()
        return {_text(row["state"]): int(row["n"]) for row in rows}

    def _read(self, where: str, parameters: dict[str, Any]) -> list[Message]:
        names = [
            f"toInt64(ifNull(toUnixTimestamp64Milli({field.name}), 0)) AS {field.name}_ms"
            if field.name in _TIMES
            else field.name
            for field in fields(Message)
        ]
        rows = self._store.query(
            f"SELECT {', '.join(names)} FROM notifications WHERE {where} "
            "ORDER BY made_at, notification_id",
            parameters or None,
        ).to_pylist()
        return [_message(row) for row in rows]


def _message(row: dict[str, Any]) -> Message:
    values: dict[str, Any] = {
        field.name: int(row[f"{field.name}_ms"]) if field.name in _TIMES else _text(row[field.name])
        for field in fields(Message)
    }
    return Message(**values)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
