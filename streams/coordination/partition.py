"""One partition of usage.signals on this worker: from messages to stored meetings.

The middle of the signals agent. Signals wait until every source (partition of usage.events) has
passed the end of their slot; then the slot is decided, its meetings are stored, and last that they
are whole. What a message did not bring is read from `events`, and so is everything a new worker has
to know: the rings of the last snapshot, the slots decided since, the rows that wait.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streams.coordination import decisions, snapshot, stored
from streams.coordination.context import SignalsContext
from streams.coordination.decisions import Decision
from streams.coordination.meetings_store import Writer
from streams.coordination.reader import Reader
from streams.coordination.signals import SLOT_MS, Signals
from streams.coordination.sources import Sources
from streams.coordination.stage import Actions, Closed, Stage
from streams.coordination.wire import decode, header_of
from streams.errors import PulseError

__all__ = ["SignalsPartition", "Superseded"]


class Superseded(PulseError):
    """Another worker has closed slots of this partition that this one did not know of."""


class SignalsPartition:
    """State of one assigned partition; times called `now` are seconds of a monotonic clock.

    After an error of the store it must be thrown away and made anew: the rings may be ahead.
    """

    def __init__(self, context: SignalsContext, number: int, now: float) -> None:
        self.context = context
        self.number = number
        self._kinds = context.kinds_text
        self.signals = self.meetings = 0
        self._written_at = now
        self._snapshot_due = now + context.snapshot_every_s
        self._recover(stored.latest_since(context.store), now)

    def _recover(self, since: int, now: float) -> None:
        context = self.context
        self.since = since
        self.sources = Sources(context.sources, context.replay, now)
        self.sources.heard(stored.heard(context.store, context.stream_id, {}), now)
        self._stage = Stage(context.parameters, context.after_ms)
        self._reader = Reader(context, self.number, since, self._stage)
        self.last = Decision(since, 0, 0, "")
        self._snapshot = self._load_snapshot()
        after = 0 if self._snapshot is None else self._snapshot.slot - 1
        log = decisions.decided(context.store, self.number, since, after)
        if self._snapshot is not None:
            self.last = log.pop(0)
        else:  # nothing older can meet anything any more
            horizon = log[-1].slot - round(context.parameters.horizon_s * 1000) if log else 0
            while len(log) > 1 and log[0].slot < horizon:
                self.last = log.pop(0)
        if log:
            self._decide_again(log)
        #: Signals whose slots are not closed; None when they are too many: they are read back.
        self._waiting = self._reader.waiting(self.last, self.sources.next_offsets())

    def _load_snapshot(self) -> snapshot.Snapshot | None:
        store, layout = self.context.store, self.context.layout
        found = snapshot.latest(store, self.number, self.since, layout)
        if found is None:
            return None
        known = decisions.decided(store, self.number, self.since, found.slot - 1)
        arrays = snapshot.load(store, self.number, found)
        if arrays is None or not known or known[0].slot != found.slot:
            return None
        self._stage.load(arrays)
        return found

    def _decide_again(self, log: list[Decision]) -> None:
        """Fold the slots decided before; store the meetings of a last one that is not done yet."""
        log = [decision for decision in log[:-1] if decision.done] + log[-1:]
        slots = self._reader.slots(self.last, log)
        if log[-1].done:
            self.last = log[-1]
            for _ in slots:
                pass
            return
        through = log[-1].previous
        later = itertools.dropwhile(lambda closed: closed.slot <= through, slots)
        self._carry_out(log[-1], later, again=True)

    def take(self, value: bytes, now: float) -> None:
        """A message; what it covers that is known already is left out.

        Raises:
            Unreadable: it is no message of ours.
        """
        header = header_of(value)
        if header.stream_id != self.context.stream_id or header.kinds != self._kinds:
            return  # of another life of the topic, or of a worker with another policy
        if header.since > self.since:
            self._recover(header.since, now)
        known = self.sources.next_offset(header.source)
        if known < header.first_offset:
            self._fetch(header.source, known, header.first_offset)
        if known < header.next_offset and self._waiting is not None:
            _, found = decode(value)
            if header.first_offset < known:
                found = found.take(found.offset >= np.uint64(known))
            self._wait(found)
        if header.next_offset >= known:
            came = stored.Heard(header.next_offset, header.watermark, header.since)
            self.sources.heard({header.source: came}, now)

    def _wait(self, found: Signals) -> None:
        self.signals += len(found)
        if self._waiting is not None and len(found):
            self._waiting.append(self._stage.actions(found))
            if sum(map(len, self._waiting)) > self.context.waiting_limit:
                self._waiting = None  # they stand in the store as well

    def _fetch(self, source: int, first: int, until: int) -> None:
        """Rows that no message brought."""
        if self._waiting is not None:
            found = self._reader.between(source, first, until)
            if found is None:
                self._waiting = None
            else:
                self._wait(found)

    def advance(self, now: float) -> bool:
        """Close what every source has passed; whether anything was closed."""
        if self.sources.ask(self.last.slot, now):
            self._ask(now)
        target = self.sources.passed(now) // SLOT_MS * SLOT_MS
        if target <= self.last.slot:
            return False
        decision = Decision(
            self.since,
            target,
            self.last.slot,
            self.context.stream_id,
            self.sources.next_offsets(),
        )
        self._make_sure(now)
        if self._waiting is None:
            self._carry_out(decision, self._reader.slots(self.last, [decision]), again=False)
            self._waiting = self._reader.waiting(self.last, self.sources.next_offsets())
        else:
            due = self._due(target)
            self._carry_out(decision, self._stage.close(due), again=False)
        self._written_at = now
        return True

    def settled(self) -> tuple[int, dict[int, int]]:
        """Event time (ms) that could be closed and is not, and what is in of each source."""
        passed = self.sources.passed(self._written_at) // SLOT_MS * SLOT_MS
        return max(0, passed - self.last.slot), self.sources.next_offsets()

    def _due(self, target: int) -> Actions:
        """Those of the waiting that lie in slots up to `target`; what came late is moved up."""
        actions = Actions.concat(self._waiting or [])
        due = actions.slot <= target
        self._waiting = [actions.take(~due)]
        earliest = self.last.slot + SLOT_MS if self.last.slot else 0
        ready = actions.take(due)
        return replace(ready, slot=np.maximum(ready.slot, earliest))

    def _ask(self, now: float) -> None:
        """Messages may have been lost with nothing after them: the store knows."""
        context = self.context
        news = stored.heard(context.store, context.stream_id, self.sources.next_offsets())
        for source, came in news.items():
            if came.since > self.since:
                self._recover(came.since, now)
                return
            known = self.sources.next_offset(source)
            if came.next_offset > known:
                self._fetch(source, known, came.next_offset)
        self.sources.heard(news, now)

    def _carry_out(
        self,
        decision: Decision,
        slots: Iterator[Closed],
        *,
        again: bool,
    ) -> None:
        """Store what comes of a decision: the decision, its meetings, and that they are whole."""
        context = self.context
        writer = Writer(
            context.store,
            self.number,
            decision,
            self._stage.names,
            context.kinds,
            again=again,
            now_ms=context.now_ms(),
        )
        stated, count = again, 0
        for closed in slots:
            count += closed.actions
            if writer.add(closed.slot, closed.meetings):
                stated = stated or self._state(decision)
                writer.flush()
        if writer.count and not stated:
            self._state(decision)
        writer.flush()
        self.last = replace(decision, done=True)
        self._state(self.last, count, writer.count)
        self.meetings += writer.count

    def _state(self, decision: Decision, count: int = 0, meetings: int = 0) -> bool:
        decisions.store_decision(
            self.context.store,
            self.number,
            decision,
            signals=count,
            meetings=meetings,
            lag_ms=max(0, self.sources.foremost() - decision.slot),
            now_ms=self.context.now_ms(),
            worker=self.context.worker,
        )
        return True

    def _make_sure(self, now: float) -> None:
        """A worker that slept through the loss of its partition must not decide."""
        if now - self._written_at < self.context.lease_s:
            return
        slot = decisions.latest_slot(self.context.store, self.number, self.since)
        if slot > self.last.slot:
            raise Superseded(
                f"signals partition {self.number}: another worker has closed slots up to {slot}, "
                f"this one was at {self.last.slot}; it goes on from there"
            )

    def maybe_snapshot(self, now: float, *, at_once: bool = False) -> bool:
        """Write the rings when it is time (or now); whether they were written."""
        if not at_once and now < self._snapshot_due:
            return False
        self._snapshot_due = now + self.context.snapshot_every_s
        before = self._snapshot
        if not self.last.slot or (before is not None and before.slot >= self.last.slot):
            return False
        waiting = Actions.concat(self._waiting or []).account
        now_ms = self.context.now_ms()
        self._snapshot = snapshot.save(
            self.context.store,
            self.number,
            self.since,
            self.last.slot,
            self.context.layout,
            self._stage.dump(waiting),
            generation=max(now_ms, 0 if before is None else before.generation + 1),
            now_ms=now_ms,
        )
        return True
