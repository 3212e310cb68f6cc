"""One partition of `usage.events` on this worker: from fetched messages to stored findings.

`prepare` judges a fetch without side effects; `commit` stores its events and letters, folds it,
stores what was found, and last the marker. A crash anywhere in between `recover` makes good.
"""

from __future__ import annotations

import math
import time

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.errors import PulseError
from streams.events.decode import Messages, decode
from streams.events.letters import DeadLetter
from streams.features import snapshot as snapshots
from streams.features.fold import Fold
from streams.features.rows import word_codes
from streams.features.watermark import LATE, NEVER, TOO_LATE, Watermark
from streams.ingest import tables
from streams.ingest.batch import Batch, Context, Counts
from streams.ingest.duplicates import first_of_each, stored_before
from streams.ingest.recovery import Recovered, identity_hashes, push_table, recover
from streams.ingest.roll_up import Overlap
from streams.ingest.sink import Known, store_findings
from streams.ingest.times import millis
from streams.policy import log as policy_log

__all__ = ["Partition", "Superseded"]

_ANSWER_S = 1.0  # an answer of the store that took longer may have been slept over


class Superseded(PulseError):
    """Another worker has stored this partition further than this one knew."""


class Partition:
    """State of one assigned partition; `marker` is the next offset to store."""

    def __init__(self, context: Context, number: int) -> None:
        self.context = context
        self.number = number
        self.heard_at = 0.0  # when events came last (monotonic clock)
        self._recovered(
            recover(
                context.store,
                context.ruling(),
                context.stream_id,
                number,
                context.dedup_window_ms,
                context.dedup_capacity,
            )
        )

    def _recovered(self, state: Recovered) -> None:
        context = self.context
        self.fold: Fold = state.fold
        self._ruled = state.ruled
        self.fresh = state.marker is None  # nothing of this stream was processed yet
        self._opened = not self.fresh  # some event of this stream was new
        self.watermark = Watermark(
            context.policy.tick_ms, context.lateness_ms, context.late_limit_ms, state.watermark
        )
        self.identities = state.identities
        self.snapshot = state.snapshot
        self.since = state.since
        self.marker = state.marker or 0
        self._places, self._letters = state.places, state.letters
        self._known = Known.load(context.store, self.number, state.after)
        store, now_ms = context.store, context.now_ms
        owned = state.marker is not None or bool(state.places)
        self._overlap = Overlap(store, context.stream_id, self.number, now_ms, owned)
        self._stored_at = time.monotonic()
        self._snapshot_due = time.monotonic() + context.snapshot_every_s
        token = f"{context.stream_id}:{self.number}:recovered:{state.after}"
        store_findings(store, state.found, self._known, self.number, token, now_ms())

    def prepare(self, messages: Messages, next_offset: int) -> Batch:
        """Decode a fetch, refuse what breaks the rules, leave out what was stored before."""
        context = self.context
        decoded = decode(messages)
        offsets = np.concatenate([np.zeros(0, np.uint64), *decoded.offsets])
        lines = np.concatenate([np.zeros(0, np.uint32), *decoded.lines])
        times = np.concatenate([np.zeros(0, np.int64), *decoded.times])
        hashes = np.concatenate([np.zeros(0, np.int64), *decoded.hashes])
        events = decoded.table()
        counts = Counts(messages=len(messages.values), events=decoded.rows)
        refused, letters = context.times.refuse(events, offsets, lines, times, messages)
        letters = sorted(decoded.dead + letters, key=lambda letter: (letter.offset, letter.line))
        codes, names = word_codes(events, "account_id")
        identities = identity_hashes(hashes, codes, names)
        kept = ~refused
        kept &= first_of_each(identities, events, kept)
        kept &= ~self._stored_before(identities, events, kept)
        counts.dead = len(letters)
        counts.duplicates = int(len(kept) - kept.sum() - refused.sum())
        heartbeats = [
            (row, context.times.believed(ms, broker))  # its own message's, however fetches are cut
            for (row, ms), broker in zip(decoded.heartbeats, decoded.heartbeat_times, strict=True)
        ]
        if not kept.all():
            before = np.concatenate(([0], np.cumsum(kept)))
            heartbeats = [(int(before[row]), ms) for row, ms in heartbeats]
            events = events.filter(pa.array(kept))
            offsets, lines, identities = offsets[kept], lines[kept], identities[kept]
        counts.stored = len(offsets)
        return Batch(
            first_offset=messages.offsets[0],
            next_offset=next_offset,
            events=events,
            offsets=offsets,
            lines=lines,
            identities=identities,
            heartbeats=heartbeats,
            letters=letters,
            broker_time=max(messages.times),
            counts=counts,
        )

    def _stored_before(
        self, identities: NDArray[np.uint64], events: pa.Table, kept: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        ts = millis(events)
        suspects = np.flatnonzero(kept & ~self.identities.certainly_new(identities, ts))
        found = np.zeros(len(ts), bool)
        if len(suspects):
            hits = stored_before(
                self.context.store,
                events,
                ts,
                suspects,
                self.identities.known_since,
                (self.context.stream_id, self.number, self.marker),
            )
            found[suspects[hits]] = True
        return found

    def commit(self, batch: Batch) -> Counts:
        """Store a prepared batch whole; returns what became of it."""
        context, counts = self.context, batch.counts
        self._make_sure()
        now_ms = context.now_ms()
        ts = millis(batch.events)
        if len(ts):
            self.heard_at = time.monotonic()
        self._maybe_rewind(ts)
        self._follow_policy()
        counted = self.watermark.take(ts, batch.heartbeats)
        counts.late = int((counted.late == LATE).sum())
        counts.too_late = int((counted.late == TOO_LATE).sum())
        rows = tables.event_table(
            batch.events,
            batch.offsets,
            batch.lines,
            counted,
            context.stream_id,
            self.number,
            now_ms,
        )
        token = f"{context.stream_id}:{self.number}:{batch.first_offset}:{batch.next_offset}"
        self._store_events(rows, batch, token)
        self._store_letters(batch, token, now_ms)
        self.identities.add(batch.identities, ts, self.watermark.value)
        counting = counted.tick < NEVER
        if counting.all():
            push_table(self.fold, rows, counted.tick)
        elif counting.any():
            push_table(self.fold, rows.filter(pa.array(counting)), counted.tick[counting])
        before, started = self.fold.closed, time.perf_counter()
        found = self.fold.advance(self.watermark.value)
        counts.scoring_s = time.perf_counter() - started
        if before:
            counts.ticks = (self.fold.closed - before) // context.policy.tick_ms
        counts.alerts = len(found.alerts)
        self._make_sure()
        if found:
            store_findings(context.store, found, self._known, self.number, token, context.now_ms())
        self._make_sure()
        self._store_marker(batch, token, now_ms)
        batch.rows = rows
        return counts

    def _make_sure(self) -> None:
        """A worker that slept through the loss of its partition must not write to it.

        Asked before every write, and again when the answer itself was slept over.
        """
        lease = self.context.lease_s
        if time.monotonic() - self._stored_at < lease:
            return
        asked = -math.inf
        while time.monotonic() - asked > lease + _ANSWER_S:
            asked = time.monotonic()
            self._ask_for_others()
        self._stored_at = asked

    def _ask_for_others(self) -> None:
        rows = self.context.store.query(
            "SELECT max(next_offset) AS next FROM ingest_log "
            "WHERE stream_id = {stream_id} AND kafka_partition = {partition}",
            {"stream_id": self.context.stream_id, "partition": self.number},
        )
        stored = int(rows.column("next")[0].as_py() or 0)
        if stored > self.marker:
            raise Superseded(
                f"partition {self.number}: another worker has stored up to offset {stored}, this "
                f"one was at {self.marker}; it goes on from there"
            )

    def _store_events(self, rows: pa.Table, batch: Batch, token: str) -> None:
        if self._places:
            places = zip(batch.offsets.tolist(), batch.lines.tolist(), strict=True)
            missing = np.array([place not in self._places for place in places], bool)
            if not missing.all():
                rows, token = rows.filter(pa.array(missing)), f"{token}:rest"
        if rows.num_rows:
            self._make_sure()
            self.context.store.insert("events", rows, token)

    def _store_letters(self, batch: Batch, token: str, now_ms: int) -> None:
        letters = self.new_letters(batch)
        if letters:
            self._make_sure()
            context = self.context
            rows = tables.letter_table(
                letters, context.topic, context.stream_id, self.number, now_ms
            )
            context.store.insert("dead_letters", rows, f"{token}:letters")

    def new_letters(self, batch: Batch) -> list[DeadLetter]:
        """Dead letters of a batch that were not stored before."""
        return [item for item in batch.letters if (item.offset, item.line) not in self._letters]

    def _store_marker(self, batch: Batch, token: str, now_ms: int) -> None:
        context = self.context
        row = tables.marker_table(
            batch,
            context.stream_id,
            context.worker,
            self.number,
            self.watermark.value,
            self.since,
            now_ms,
        )
        context.store.insert("ingest_log", row, f"{token}:marker")
        self.marker = batch.next_offset
        self._stored_at = time.monotonic()
        self.fresh = False
        if self._places or self._letters:
            self._places = {place for place in self._places if place[0] >= self.marker}
            self._letters = {place for place in self._letters if place[0] >= self.marker}

    def _maybe_rewind(self, ts: NDArray[np.int64]) -> None:
        """A replay that starts before everything known opens a timeline of its own."""
        if self._opened or not len(ts):
            return
        self._opened = True
        if not self.context.times.replay:
            return
        if int(ts[0]) >= self.watermark.value - self.context.late_limit_ms:
            return
        self.fold = Fold(self.context.ruling())
        self._ruled = False
        self.fold.closed = int(ts[0]) // self.context.policy.tick_ms * self.context.policy.tick_ms
        self.watermark.value = self.fold.closed
        self.since = self.fold.since = self.context.stream_registered
        self.snapshot = self._save()

    def _follow_policy(self) -> None:
        """A policy that changed holds from the next tick on, for every rebuild as well."""
        policy, store = self.context.ruling(), self.context.store
        if self._ruled and policy.rules_as(self.fold.policy):
            return
        self._make_sure()
        tick, count = self.fold.closed + 1, policy.partitions
        policy_log.record(store, self.number, tick, policy.detection, partitions=count)
        self.fold.rule(policy)
        self._ruled = True

    def _save(self) -> snapshots.Snapshot:
        context = self.context
        return snapshots.save(
            context.store, self.number, self.fold, self.snapshot, self.since, context.now_ms()
        )

    def maybe_snapshot(self, *, at_once: bool = False) -> bool:
        """Write a snapshot when it is time (or now); True when one was written."""
        if not at_once and time.monotonic() < self._snapshot_due:
            return False
        self._overlap.settle()
        if self.fold.closed and (self.snapshot is None or self.snapshot.tick < self.fold.closed):
            self.snapshot = self._save()
        self._snapshot_due = time.monotonic() + self.context.snapshot_every_s
        return True
