"""Traffic with a ring in it, as events in a store and the meetings that the signals agent makes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.coordination.parameters import Parameters
from streams.coordination.decisions import Decision, store_decision
from streams.coordination.keeper import Keeper
from streams.coordination.meetings_store import Writer
from streams.coordination.signals import SLOT_MS, columns_of, signals, slot_end
from streams.coordination.stage import Stage
from streams.policy.coordination import CoordinationPolicy
from streams.policy.model import Policy, default_policy
from streams.storage.base import Store
from tests.support.event_rows import event_rows

__all__ = [
    "FIRST",
    "HOUR",
    "MEMBERS",
    "POLICY",
    "START",
    "Action",
    "Meetings",
    "clear",
    "contents",
    "keeper",
    "now",
    "ring_and_crowd",
    "store_events",
]

HOUR = 3_600_000
START = 1_760_000_400_000 // HOUR * HOUR
MEMBERS = [f"ring-{n}" for n in range(8)]
FIRST, LATER = MEMBERS[:6], MEMBERS[6:]
POLICY = default_policy()
_TIME = pa.timestamp("ms", "UTC")
_TABLES = (
    "cluster_log",
    "cluster_member_log",
    "cluster_tie_log",
    "cluster_changes",
    "findings",
    "incident_log",
    "alerts",
)
_READ = (
    "cluster_marks",
    "coordination_meetings",
    "coordination_log",
    "coordination_state",
    "coordination_snapshots",
    "events",
    "policy_log",
)
#: Account, time (epoch ms) and whatever columns are not empty.
Action = tuple[str, int, dict[str, str]]


def crowd(rng: np.random.Generator, accounts: int, hours: float) -> list[Action]:
    """People with addresses of their own who use popular templates when they like."""
    found: list[Action] = []
    for number in range(accounts):
        own = {"ip_hash": f"ip-{number}", "network": f"net-{number % 40}"}
        for at in START + rng.uniform(0, hours * HOUR, rng.poisson(6 * hours)):
            template = f"popular-{rng.zipf(1.6) % 50}"
            found.append((f"acct-{number:04d}", int(at), {**own, "template": template}))
    return found


def ring(
    rng: np.random.Generator,
    members: Sequence[str],
    moments: Sequence[float],
    *,
    jitter_s: float = 4.0,
    payment: int = 0,
    first: int = 0,
) -> list[Action]:
    """All members act within some seconds of each of `moments` (epoch ms) with its templates.

    The first moment is number `first` of the ring's life, which says which template is pushed.
    """
    found: list[Action] = []
    for place, moment in enumerate(moments, first):
        for number, name in enumerate(members):
            at = int(moment + rng.uniform(-jitter_s, jitter_s) * 1000)
            what = {"template": f"pill-{place % 4}", "ip_hash": f"ring-{name}"}
            if number < payment:
                what["payment"] = "card-1"
            found.append((name, at, what))
    return found


def store_events(store: Store, actions: Sequence[Action]) -> pa.Table:
    """Rows of `events` whose ticks end at most 5 s after their time; in order of time."""
    ordered = sorted(actions, key=lambda action: (action[1], action[0]))
    count = len(ordered)
    rows = event_rows(count)
    times = np.array([at for _, at, _ in ordered], np.int64)
    nothing = pa.array(np.zeros(count + 1, np.int32))
    changed: dict[str, Any] = {
        "event_id": pa.array([f"e{n}" for n in range(count)], pa.string()),
        "account_id": pa.array([name for name, _, _ in ordered], pa.string()),
        "org_id": pa.array([f"org-{name[:4]}" for name, _, _ in ordered], pa.string()),
        "ts": pa.array(times).cast(_TIME),
        "tick": pa.array((times // 5000 + 1) * 5000).cast(_TIME),
        "bands": pa.ListArray.from_arrays(nothing, pa.array([], pa.string())),
        "account_created_at": pa.array(np.zeros(count, np.int64)).cast(_TIME),
    }
    for name in ("template", "network", "ip_hash", "payment", "user_agent", "end_user"):
        changed[name] = pa.array([what.get(name, "") for _, _, what in ordered], pa.string())
    for name, column in changed.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    store.insert("events", rows)
    return rows


def now() -> int:
    """Rows of long ago would be dropped at once: they are kept for some days from their storing."""
    return time.time_ns() // 1_000_000


class Meetings:
    """The signals agent of all partitions without a broker: slots of given rows, in order."""

    def __init__(self, store: Store, rows: pa.Table, partitions: int = 2) -> None:
        self._store = store
        self._kinds = CoordinationPolicy().fields
        self._stages = [Stage(Parameters().live()) for _ in range(partitions)]
        found = signals(rows.select(columns_of(self._kinds)), self._kinds)
        number = found.partition(partitions)
        self._signals = [found.take(number == place) for place in range(partitions)]
        self._closed = [0] * partitions
        ticks = np.asarray(rows.column("tick").cast(pa.int64()).to_numpy(), np.int64)
        self.first = int(slot_end(ticks).min()) - SLOT_MS
        self.last = int(slot_end(ticks).max())

    def close(self, until: int, partition: int | None = None) -> None:
        """Slots up to `until` (epoch ms) of one partition, or of all."""
        for place in range(len(self._stages)) if partition is None else [partition]:
            if until > self._closed[place]:
                self._close(place, until // SLOT_MS * SLOT_MS)

    def _close(self, place: int, until: int) -> None:
        stage, waiting = self._stages[place], self._signals[place]
        ends = slot_end(waiting.tick)
        mine = waiting.take((ends > self._closed[place]) & (ends <= until))
        decision = Decision(0, until, self._closed[place], "stream-1", {0: 1})
        writer = Writer(
            self._store, place, decision, stage.names, self._kinds, again=False, now_ms=now()
        )
        for closed in stage.close(stage.actions(mine)):
            writer.add(closed.slot, closed.meetings)
        writer.flush()
        for done in (False, True):
            store_decision(
                self._store,
                place,
                Decision(0, until, decision.previous, "stream-1", {0: 1}, done=done),
                signals=len(mine),
                meetings=writer.count,
                lag_ms=0,
                now_ms=now(),
                worker="test",
            )
        self._closed[place] = until


def clear(store: Store) -> None:
    """Empty every table that clusters are made of or make, and keep every row from here on."""
    for name in (*_TABLES, *_READ):
        store.command(f"TRUNCATE TABLE {name}")
    for name in _TABLES:  # the engine would merge versions, and when it does is chance
        store.command(f"SYSTEM STOP MERGES {name}")


def contents(store: Store) -> dict[str, list[str]]:
    """All rows of what the keeper writes, but for when they were stored."""
    return {
        name: sorted(map(str, store.query(f"SELECT * EXCEPT stored_at FROM {name}").to_pylist()))
        for name in _TABLES
    }


def keeper(store: Store, policy: Callable[[], Policy] = lambda: POLICY) -> Keeper:
    """One that takes a snapshot only when it is told to."""
    return Keeper(store, 2, policy, now, snapshot_every_s=1e9)


def ring_and_crowd(store: Store) -> Meetings:
    """Six accounts act in unison ten times, with two more from the sixth time on; and a crowd."""
    rng = np.random.default_rng(3)
    moments = START + np.linspace(0.1, 0.9, 10) * HOUR + rng.uniform(-60, 60, 10) * 1000
    actions = crowd(rng, 25, 1.2)
    actions += ring(rng, FIRST, moments.tolist(), payment=4)
    actions += ring(rng, LATER, moments[5:].tolist(), first=5)
    return Meetings(store, store_events(store, actions))
