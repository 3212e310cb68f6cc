"""The keeper of clusters: from stored meetings to groups, findings, incidents and alerts.

Called in the worker that holds partition 0 of usage.signals, whenever slots may have closed. It
reads the meetings of every slot that all partitions have closed, in order, so what it finds is a
function of stored rows: a new worker goes on from the last snapshot of its state and the meetings
after it, writes nothing again that stands in the store, and everything it writes has an identity.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from detectors.coordination.groups import Change, Groups
from detectors.coordination.parameters import Parameters
from streams.alerting.incidents import Incident, Rules
from streams.coordination import evidence, snapshot, stored
from streams.coordination.clusters import judge
from streams.coordination.memory import Memory
from streams.coordination.telling import Story, Written
from streams.policy import log as policy_log
from streams.policy.model import Policy
from streams.storage.base import Store

__all__ = ["PARTITION", "Keeper", "parameters_of"]

#: Under which number the keeper's policies and state stand beside those of partitions.
PARTITION: Final = 2**32 - 1
_LAYOUT: Final = "keeper 2"
#: Groups are judged with the first meetings of every two minutes: a history of days has thousands
#: of slots, and whoever reads it waits for them.
_JUDGE_MS: Final = 120_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_LEAVE_AFTER_MS: Final = _DAY_MS


def parameters_of(policy: Policy) -> Parameters:
    """The method's numbers as the policy has them, for the live flow."""
    rules = policy.coordination
    return replace(
        Parameters().live(),
        found=rules.found,
        kept=rules.kept,
        members=rules.members,
        memory_s=rules.memory_days * 86_400.0,
        chance=rules.chance,
    )


class Keeper:
    """Follows the store; for one thread at a time."""

    def __init__(
        self,
        store: Store,
        partitions: int,
        policy: Callable[[], Policy],
        now_ms: Callable[[], int],
        *,
        snapshot_every_s: float = 300.0,
        after_ms: int = 0,
    ) -> None:
        self._store = store
        self._after_ms = after_ms  # what was done before is no activity
        self._partitions = partitions
        self._policy = policy
        self._now_ms = now_ms
        self._snapshot_every_s = snapshot_every_s
        self._snapshot_due = time.monotonic() + snapshot_every_s
        self._since = -1
        self._slot = self._stored = self._generation = 0
        self._whole = False
        self.written = Written()

    def groups(self) -> list[tuple[Incident, frozenset[str]]]:
        """Incidents of clusters, open ones and those resolved of late, each with its members."""
        if self._since < 0:
            return []
        return [
            (one, frozenset(self._story.clusters[cluster_id].joined))
            for cluster_id, machine in self._story.incidents.items()
            for one in machine.by_account.values()
        ]

    def follow(self) -> None:
        """Take every slot that is closed by now; `written` counts what that brought.

        Raises:
            StoreError: the store could not be read or written; the next call goes on from what is
                stored.
        """
        since = stored.latest_since(self._store)
        if since != self._since or not self._whole:
            self._recover(since)
        closed = evidence.closed_slot(self._store, since, self._partitions)
        self._whole = False  # until all of it is done: whatever breaks it off
        while self._slot < closed:
            if not self._memory.groups.by_id:  # nothing happens until somebody meets
                first = evidence.next_slot(self._store, since, self._slot)
                self._slot = max(self._slot, min(closed, first - 1))
            hour = self._slot - self._slot % _HOUR_MS + _HOUR_MS
            self._through(min(closed, hour))
        self._whole = True
        if self._slot and time.monotonic() >= self._snapshot_due:
            self.save()

    def save(self) -> None:
        """A snapshot of the state; without one a new worker reads more meetings."""
        if self._since < 0 or not self._slot or not self._whole:
            return
        arrays = self._memory.dump() | self._story.dump()
        now = self._now_ms()
        self._generation = max(now, self._generation + 1)
        snapshot.save(
            self._store,
            PARTITION,
            self._since,
            self._slot,
            _LAYOUT,
            arrays,
            generation=self._generation,
            now_ms=now,
        )
        self._snapshot_due = time.monotonic() + self._snapshot_every_s

    def _recover(self, since: int) -> None:
        self._memory = Memory(Groups(_LEAVE_AFTER_MS, 7 * _DAY_MS), parameters_of(self._policy()))
        self._story = Story(self._store, since, PARTITION, self._now_ms)
        self._slot = 0
        found = snapshot.latest(self._store, PARTITION, since, _LAYOUT)
        arrays = snapshot.load(self._store, PARTITION, found) if found is not None else None
        self._generation = found.generation if found is not None else 0
        if found is not None and arrays is not None:
            self._memory.load(arrays)
            self._story.load(arrays)
            self._slot = found.slot
        self._stored = self._story.stored_until()
        self._ruled = policy_log.history(self._store, PARTITION, after=self._slot, since=since)
        self._since = since

    def _ruling(self, slot: int) -> Policy:
        """What was recorded for a slot that is taken again, else the policy in force."""
        last = self._ruled[-1] if self._ruled else None
        if last is not None and slot <= max(self._stored, last[0]):
            return policy_log.ruling(self._ruled, slot) or self._ruled[0][1]
        policy = self._policy()
        if last is None or last[1].version != policy.version:
            policy_log.record(self._store, PARTITION, slot, policy, self._now_ms())
            self._ruled.append(policy_log.Ruled(slot, policy))
        return policy

    def _through(self, until: int) -> None:
        """Slots up to `until`, of one hour: those with meetings, and the hour's end if there are
        groups."""
        rows = evidence.meetings_of(self._store, self._since, self._slot, until)
        slots = np.asarray(rows.column("slot_ms").to_numpy(), np.int64)
        starts = np.flatnonzero(np.diff(slots, prepend=np.int64(-1))).tolist()
        for start, stop in pairwise([*starts, len(slots)]):
            self._take(int(slots[start]), rows.slice(start, stop - start))
        if until % _HOUR_MS == 0 and self._slot < until and self._memory.groups.by_id:
            self._take(until, rows.slice(0, 0))
        self._slot = until

    def _take(self, slot: int, rows: pa.Table) -> None:
        policy = self._ruling(slot)
        story, memory = self._story, self._memory
        story.begin(slot, policy, quiet=slot <= self._stored)
        story.expire(_rules(policy))
        memory.take(rows, slot)
        if slot // _JUDGE_MS != memory.judged // _JUDGE_MS:
            if policy.coordination.enabled:
                self._judge(slot, policy, memory.acted)
            memory.judged, memory.acted = slot, {}
        self._slot = slot
        self.written += story.finish(len(memory.groups.by_id), memory.pairs.several)

    def _judge(self, slot: int, policy: Policy, acted: dict[frozenset[str], int]) -> None:
        memory, story = self._memory, self._story
        parameters = parameters_of(policy)
        start = (slot - 1) // _HOUR_MS * _HOUR_MS - round(parameters.memory_s * 1000)
        start = max(start, self._after_ms)
        found = memory.scored(self._store, parameters, start, slot)
        changes = memory.groups.follow(found.found, slot)
        story.changed(changes)
        moved = _touched(changes)
        for group in sorted(memory.groups.by_id.values(), key=lambda one: one.group_id):
            if group.seen_at != slot:
                continue
            members = group.members.keys()
            last = max((ms for pair, ms in acted.items() if pair <= members), default=0)
            cluster = story.cluster(group.group_id, slot)
            cluster.pending |= bool(last) or group.group_id in moved
            if not cluster.pending or not cluster.due(slot):
                if last:
                    story.hold(cluster, slot)
                continue
            ties = found.ties(sorted(members))
            actions = evidence.actions_of(
                self._store, sorted(members), policy.coordination.fields, start, slot
            )
            verdict = judge(
                group,
                cluster,
                ties,
                actions,
                memory.kinds,
                memory.dependence,
                policy,
                slot,
                lambda sql: self._store.query(sql).to_pylist()[0],
            )
            story.tell(group, cluster, verdict, ties, memory, last)


def _rules(policy: Policy) -> Rules:
    times = policy.incidents
    return Rules(round(times.resolve_after_s * 1000), round(times.reopen_within_s * 1000))


def _touched(changes: list[Change]) -> set[str]:
    """Groups whose members or state changed."""
    return {change.group_id for change in changes if change.what != "silent"} | {
        change.other for change in changes if change.what == "merged"
    }
