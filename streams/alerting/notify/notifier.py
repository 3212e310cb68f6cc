"""The notifier: makes messages of what changed about incidents, and sees that they arrive.

Follows the store, not the stream: what is told is what is stored. One incident notifies once when
it opens, when it becomes more severe, and when it is over for good (it can no longer be reopened).
A message is written as due before it is sent, so nothing is forgotten. After a kill the notes of
the courier tell what arrived; what is in doubt even so is sent again under the same identity, and
says so.

What a silence held back stays unsent when the silence ends; the next escalation is told again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streams.alerting.notify.channels import Letter, NotDelivered, deliver
from streams.alerting.notify.courier import Carrier, Direct, InDoubt
from streams.alerting.notify.feed import Feed, Reach
from streams.alerting.notify.lanes import Lanes
from streams.alerting.notify.outbox import Message, Outbox, Told
from streams.alerting.notify.recovery import doubtful, recovered
from streams.alerting.notify.telling import grouped, messages, order, silenced
from streams.alerting.people import People
from streams.errors import StoreError
from streams.policy.model import Policy
from streams.storage.base import Store

__all__ = ["Notifier", "Timing"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """In ms."""

    first_wait: int = 1_000  # after a channel refused; then twice as long every time
    longest_wait: int = 120_000
    attempts: int = 80  # then it is given up: some two and a half hours
    lease: int = 10_000  # what another process was sending is taken up after so long
    slow: int = 5_000  # between looks for incidents that are over and messages to be sent again


class Notifier:
    """`step` again and again, in one thread; `now_ms` is the wall clock.

    `console` is the address of the console for links, empty when there is none; `woken` is called,
    from another thread, when another `step` would find something to do.
    """

    def __init__(
        self,
        store: Store,
        policy: Callable[[], Policy],
        now_ms: Callable[[], int],
        *,
        console: Callable[[], str] = str,
        carrier: Carrier | None = None,
        woken: Callable[[], None] = lambda: None,
        timing: Timing | None = None,
        reach: Reach | None = None,
    ) -> None:
        self._store = store
        self._reach = reach
        self._policy = policy
        self._now_ms = now_ms
        self._console = console
        self._carrier = carrier or Direct(deliver)
        self._timing = timing or Timing()
        self._outbox = Outbox(store)
        self._people = People(store, now_ms)
        self._lanes = Lanes(self._delivered, self._through, woken)
        self._feed: Feed | None = None
        self._due: dict[str, Message] = {}
        self._flying: set[str] = set()
        self._made: list[Message] = []  # not written yet, as those that follow
        self._recording = threading.Lock()  # of what follows
        self._doubted: set[str] = set()  # under way when the courier was killed
        self._results: list[Message] = []
        self._recorded: list[Message] = []
        self._silences: list[dict[str, Any]] | None = None  # as of this step
        self._clusters: list[Told] = []  # likewise
        self._looked = 0
        self._refusing: dict[str, str] = {}
        #: Messages of the last day by state, as of the last step but a few.
        self.counts: dict[str, int] = {}

    def step(self) -> None:
        """Tell what is new, send what is due.

        Raises:
            StoreError: `forget` before the next step.
        """
        now = self._now_ms()
        self.record()
        if self._feed is None:
            feed = Feed(self._store, self._reach)
            feed.start(now)
            self._due, self._made, self._looked, self._feed = {}, [], 0, feed
        self._silences = None
        changes = self._feed.changes(now)
        self._tell(changes, "", now)
        if now - self._looked >= self._timing.slow:
            self._look(self._feed, now)
        self._start(now)
        self._feed.taken(changes, now)

    def record(self) -> None:
        """Write what became of messages that were being sent."""
        self._write_results()
        with self._recording:
            recorded, self._recorded = self._recorded, []
        for message in recorded:
            self._flying.discard(message.notification_id)
            self._due.pop(message.notification_id, None)
            if message.state == "due":
                self._due[message.notification_id] = message

    def forget(self) -> None:
        """Begin with what the store says at the next step."""
        self._feed = None

    def finish(self, seconds: float) -> None:
        """Wait so long at most for messages under way, and write what became of them."""
        self._lanes.wait(seconds)
        self._carrier.close()
        self.record()
        if self._feed is not None:
            self._feed.keep(self._now_ms())

    def expect(self) -> None:
        """There are routes: be ready to send."""
        self._carrier.open()

    def pending(self) -> bool:
        """Something is under way, or unwritten, or could be sent now."""
        return bool(self._flying or self._ready(self._now_ms()))

    def _through(self) -> None:
        """In the thread that sent: every moment until it is written, a crash would send again."""
        try:
            self._write_results()
        except StoreError as error:  # the next step meets it, too, and then it is waited out
            _log.debug("notifications: %s", error)

    def _write_results(self) -> None:
        with self._recording:  # whoever comes first writes for all
            finished = self._lanes.finished()
            self._results += [self._after(message, error) for message, error in finished]
            self._outbox.write(self._results)
            self._carrier.settle([message.notification_id for message in self._results])
            self._recorded += self._results
            self._results = []

    def _look(self, feed: Feed, now: int) -> None:
        """What need not be asked at every step."""
        policy = self._policy()
        patience = round(policy.incidents.reopen_within_s * 1000)
        names = [channel.name for channel in policy.channels]
        self._tell(feed.over(patience, names, now), "resolved", now)
        # Others change it, too: somebody who sends again, or another worker that ends its turn.
        own = self._flying | {message.notification_id for message in self._made}
        left = self._carrier.left()  # first, or what is written meanwhile would look unwritten
        others = [m for m in self._outbox.unfinished() if m.notification_id not in own]
        found = recovered(others, left, now)
        mine = {name: self._due[name] for name in own & self._due.keys()}
        self._due = {message.notification_id: message for message in found.due} | mine
        with self._recording:
            self._results += [self._after(*through) for through in found.through]
        self.record()
        self._carrier.settle(found.stale)
        self.counts = self._outbox.counts(now - 86_400_000)
        self._looked = 0 if found.under_way else now

    def _tell(self, incidents: Sequence[Mapping[str, Any]], event: str, now: int) -> None:
        policy = self._policy()
        if not incidents or not policy.routes:
            return
        known = self._outbox.of(row["incident_id"] for row in incidents)
        made = [
            replace(message, **self._held_back(message, now))
            for row in incidents
            for message in messages(
                policy, row, event, known[row["incident_id"]], self._console(), now
            )
        ]
        self._made += made
        self._due.update({m.notification_id: m for m in made if m.state == "due"})

    def _start(self, now: int) -> None:
        begun = [
            replace(m, version=m.version + 1, **(self._held_back(m, now) or self._sending(m, now)))
            for m in self._ready(now)
        ]
        self._carrier.prepare([message for message in begun if message.state == "sending"])
        self._outbox.write([*self._made, *begun])
        self._made = []
        for message in begun:
            del self._due[message.notification_id]
            if message.state == "sending":
                self._due[message.notification_id] = message
                self._flying.add(message.notification_id)
                self._lanes.start(message)

    def _held_back(self, message: Message, now: int) -> dict[str, Any]:
        """What holds a message back, if anything does: a silence, or the message of a cluster."""
        if self._silences is None:
            self._silences = self._people.silences(now)
            self._clusters = self._outbox.told_clusters()
        return silenced(self._silences, message) or grouped(self._clusters, message)

    def _sending(self, message: Message, now: int) -> dict[str, Any]:
        lease = now + self._timing.lease
        sending = {"state": "sending", "attempts": message.attempts + 1, "next_at": lease}
        return sending | doubtful(message)

    def _ready(self, now: int) -> list[Message]:
        """What can be sent now: of an incident one after the other, of a channel a few at once."""
        first: dict[tuple[str, str], Message] = {}
        for message in sorted(self._due.values(), key=order):
            first.setdefault((message.incident_id, message.channel), message)
        room: dict[str, int] = {}
        ready = []
        for message in first.values():
            left = room.setdefault(message.channel, self._lanes.room(message.channel))
            if message.next_at <= now and message.notification_id not in self._flying and left > 0:
                room[message.channel] = left - 1
                ready.append(message)
        return ready

    def _delivered(self, message: Message) -> str:
        """What went wrong; empty when the channel has it. Runs in a thread of its channel."""
        channel = {one.name: one for one in self._policy().channels}.get(message.channel)
        if channel is None:
            return f"channel {message.channel}: no longer in the policy"
        letter = Letter(
            message.notification_id,
            message.incident_id,
            message.title,
            message.body,
            message.severity,
            message.event == "resolved",
        )
        try:
            self._carrier.carry(channel, letter, message.version)
        except NotDelivered as error:
            if isinstance(error, InDoubt):
                self._doubted.add(message.notification_id)
            return str(error)
        except Exception as error:  # noqa: BLE001 - its text may hold an address, its name cannot
            return f"channel {message.channel}: {type(error).__name__}"
        return ""

    def _after(self, message: Message, error: str, at: int = 0) -> Message:
        now, version = at or self._now_ms(), message.version + 1
        if message.notification_id in self._doubted:
            self._doubted.discard(message.notification_id)
            message = replace(message, **doubtful(message))
        if not error:
            if self._refusing.pop(message.channel, ""):
                _log.warning("channel %s: takes messages again", message.channel)
            return replace(message, version=version, state="sent", error="", sent_at=now)
        if message.channel not in self._refusing:
            _log.warning("%s; messages wait and are tried again", error)
        self._refusing[message.channel] = error
        if message.attempts >= self._timing.attempts:
            _log.error(
                "%s; notification %s was given up after %d attempts",
                *(error, message.notification_id, message.attempts),
            )
            return replace(message, version=version, state="failed", error=error)
        doublings = min(message.attempts - 1, 30)
        wait = min(self._timing.first_wait * 2**doublings, self._timing.longest_wait)
        return replace(message, version=version, state="due", error=error, next_at=now + wait)
