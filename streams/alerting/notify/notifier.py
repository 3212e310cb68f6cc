"""The notifier: makes messages of what changed about incidents, and sees that they arrive.

Follows the store, not the stream: what is told is what is stored. One incident notifies once when
it opens, when it becomes more severe, and when it is over for good (it can no longer be reopened).
A message is written as due before it is sent; after a crash, what was being sent is sent again
under the same identity, so nothing is forgotten, and receivers that look at it see nothing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from streams.alerting.notify import words
from streams.alerting.notify.channels import Deliver, Letter, NotDelivered, deliver
from streams.alerting.notify.outbox import Message, Outbox, message_id
from streams.alerting.people import People
from streams.policy.model import Policy
from streams.storage.base import Store

__all__ = ["Notifier", "Timing"]

_log = logging.getLogger(__name__)
_NAME: Final = "notifier"
_RANKS: Final = ("", "medium", "high")
_COLUMNS: Final = (
    "incident_id, kind, account_id, org_id, state, severity, sentence, p_value, peak_observed, "
    "expected, threshold, toInt64(toUnixTimestamp64Milli(started_at)) AS started_ms, "
    "toInt64(toUnixTimestamp64Milli(stored_at)) AS stored_ms"
)


@dataclass(frozen=True, slots=True)
class Timing:
    """In ms."""

    overlap: int = 10_000  # rows of other workers may come to light this late
    first_wait: int = 1_000  # after a channel refused
    longest_wait: int = 600_000
    attempts: int = 14  # then it is given up: some two hours
    resolved_every: int = 5_000  # between looks for incidents that are over
    cursor_every: int = 5_000


class Notifier:
    """`step` again and again, in one thread; `now_ms` is the wall clock."""

    def __init__(
        self,
        store: Store,
        policy: Callable[[], Policy],
        now_ms: Callable[[], int],
        *,
        console: str = "",
        send: Deliver = deliver,
        pool: Executor | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._store = store
        self._policy = policy
        self._now_ms = now_ms
        self._console = console
        self._send = send
        self._pool = pool
        self._timing = timing or Timing()
        self._outbox = Outbox(store)
        self._people = People(store, now_ms)
        self._cursor = 0
        self._cursor_stored = 0
        self._looked = 0
        self._due: dict[str, Message] | None = None

    def step(self) -> int:
        """Tell what is new, send what is due; how many messages were sent."""
        now = self._now_ms()
        if self._due is None:
            self._due = {message.notification_id: message for message in self._outbox.unfinished()}
            self._cursor = self._last_cursor(now)
        self._tell(self._changes(), now)
        if now - self._looked >= self._timing.resolved_every:
            self._looked = now
            self._tell(self._over(now), now)
        self._keep_cursor(now)
        return self._send_due(now)

    def counts(self) -> dict[str, int]:
        """Messages of the last day by state."""
        return self._outbox.counts(self._now_ms() - 86_400_000)

    def _tell(self, incidents: Sequence[Mapping[str, Any]], now: int) -> None:
        policy = self._policy()
        if not incidents or not policy.routes:
            return
        known = self._outbox.of(row["incident_id"] for row in incidents)
        made = [
            message
            for row in incidents
            for message in self._messages(policy, row, known[row["incident_id"]], now)
        ]
        self._outbox.write(made)
        assert self._due is not None
        self._due.update({m.notification_id: m for m in made if m.state == "due"})

    def _messages(
        self, policy: Policy, row: Mapping[str, Any], told: Sequence[Message], now: int
    ) -> Iterable[Message]:
        event = _event(row, told)
        if not event:
            return
        silence = self._people.silenced_by(row["account_id"], row["org_id"], row["kind"], now)
        fields = words.values(row, event, self._console)
        ids = {message.notification_id for message in told}
        channels = {one.name: one for one in policy.channels}
        routes = policy.routes_of(row["severity"], row["kind"], row["org_id"], now)
        names = {route.channel for route in routes}
        if event == "resolved":  # who heard of it hears of its end, whatever the hour
            names = {message.channel for message in told if message.channel in channels}
        for name in sorted(names):
            channel = channels[name]
            identity = message_id(row["incident_id"], event, row["severity"], name)
            if identity in ids:
                continue
            yield Message(
                notification_id=identity,
                version=1,
                incident_id=row["incident_id"],
                event=event,
                channel=name,
                state="silenced" if silence else "due",
                severity=row["severity"],
                account_id=row["account_id"],
                org_id=row["org_id"],
                kind=row["kind"],
                title=words.filled(channel.title, fields),
                body=words.filled(channel.body, fields),
                suppression_id=silence,
                attempts=0,
                next_at=now,
                error="",
                made_at=now,
                sent_at=0,
            )

    def _send_due(self, now: int) -> int:
        assert self._due is not None
        ready = [message for message in self._due.values() if message.next_at <= now]
        if not ready:
            return 0
        sending = [
            replace(m, version=m.version + 1, state="sending", attempts=m.attempts + 1)
            for m in ready
        ]
        self._outbox.write(sending)
        if self._pool is None:
            results = [self._delivered(message) for message in sending]
        else:
            results = list(self._pool.map(self._delivered, sending))
        done = [
            self._after(message, error) for message, error in zip(sending, results, strict=True)
        ]
        self._outbox.write(done)
        for message in done:
            if message.state == "due":
                self._due[message.notification_id] = message
            else:
                del self._due[message.notification_id]
        return sum(message.state == "sent" for message in done)

    def _delivered(self, message: Message) -> str:
        """What went wrong; empty when the channel has it."""
        channel = {one.name: one for one in self._policy().channels}.get(message.channel)
        if channel is None:
            return f"channel {message.channel}: no longer in the policy"
        letter = Letter(
            message.notification_id,
            message.title,
            message.body,
            message.severity,
            message.event == "resolved",
        )
        try:
            self._send(channel, letter)
        except NotDelivered as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a library's surprise must not stop the others
            _log.exception("channel %s", message.channel)
            return f"channel {message.channel}: {type(error).__name__}"
        return ""

    def _after(self, message: Message, error: str) -> Message:
        now = self._now_ms()
        version = message.version + 1
        if not error:
            return replace(message, version=version, state="sent", error="", sent_at=now)
        if message.attempts >= self._timing.attempts:
            return replace(message, version=version, state="failed", error=error)
        wait = min(self._timing.first_wait * 2 ** (message.attempts - 1), self._timing.longest_wait)
        return replace(message, version=version, state="due", error=error, next_at=now + wait)

    def _changes(self) -> list[dict[str, Any]]:
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM incidents WHERE state != 'resolved' "
            "AND incidents.stored_at > fromUnixTimestamp64Milli({after}, 'UTC') "
            "ORDER BY incidents.stored_at, incident_id",
            {"after": self._cursor - self._timing.overlap},
        )
        self._cursor = max([self._cursor, *(int(row["stored_ms"]) for row in rows)])
        return rows

    def _over(self, now: int) -> list[dict[str, Any]]:
        patience = round(self._policy().incidents.reopen_within_s * 1000)
        return self._rows(
            f"SELECT {_COLUMNS} FROM incidents WHERE state = 'resolved' "
            "AND resolved_at <= fromUnixTimestamp64Milli({before}, 'UTC') AND incident_id IN "
            "(SELECT incident_id FROM notifications GROUP BY incident_id "
            "HAVING countIf(event != 'resolved') > 0 AND countIf(event = 'resolved') = 0) "
            "ORDER BY incidents.resolved_at, incident_id LIMIT 1000",
            {"before": now - patience},
        )

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._store.query(sql, dict(parameters)).to_pylist()
        return [
            {
                name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                for name, value in row.items()
            }
            for row in rows
        ]

    def _last_cursor(self, now: int) -> int:
        """Where the last notifier was; a first one begins now."""
        rows = self._rows(
            "SELECT toInt64(toUnixTimestamp64Milli(max(at))) AS ms, count() AS n "
            "FROM notification_cursor WHERE name = {name}",
            {"name": _NAME},
        )
        return int(rows[0]["ms"]) if rows[0]["n"] else now

    def _keep_cursor(self, now: int) -> None:
        if self._cursor <= self._cursor_stored or now - self._cursor_stored < (
            self._timing.cursor_every
        ):
            return
        moment = pa.timestamp("ms", "UTC")
        row = {
            "name": pa.array([_NAME]),
            "at": pa.array([self._cursor], pa.int64()).cast(moment),
            "moved_at": pa.array([now], pa.int64()).cast(moment),
        }
        self._store.insert("notification_cursor", pa.table(row))
        self._cursor_stored = self._cursor


def _event(row: Mapping[str, Any], told: Sequence[Message]) -> str:
    """What there is to tell of an incident, empty when all was told."""
    if row["state"] == "resolved":
        return "" if any(message.event == "resolved" for message in told) else "resolved"
    before = [message for message in told if message.event != "resolved"]
    if not before:
        return "opened"
    highest = max(_rank(message.severity) for message in before)
    return "escalated" if _rank(row["severity"]) > highest else ""


def _rank(severity: str) -> int:
    return _RANKS.index(severity) if severity in _RANKS else 0
