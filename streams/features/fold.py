"""The fold of one partition: `state, rows -> state, findings`, the heart of the flow.

The live worker, the rebuild after a crash, a replay and a back-test all run this. Rows wait until
the watermark closes their tick; then the whole tick is added and scored at once. So what is found
depends on the order of rows in the partition alone, never on how fetches were cut, how many workers
run or how fast the stream is read. It never reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors import burst
from streams.alerting.findings import Finding, identity, reproducing_sql
from streams.alerting.incidents import Alert, Incident, Incidents, Rules
from streams.features import update, windows
from streams.features.accounts import Accounts
from streams.features.layout import HOUR, MINUTE, Layout, layout
from streams.features.rows import Rows

__all__ = ["Findings", "Fold", "Policy"]

_FIVE: Final = 5 * MINUTE
_BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Policy:
    """What the fold is told: times in ms of event time, and the detector's parameters."""

    tick_ms: int
    idle_ms: int
    rules: Rules
    burst: burst.Parameters

    @property
    def version(self) -> str:
        """Content hash; stamped into every finding."""
        return identity(self.tick_ms, self.idle_ms, self.rules, self.burst)


@dataclass(slots=True)
class Findings:
    """What a run of the fold has to tell, in order."""

    findings: list[Finding] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    def __iadd__(self, more: Findings) -> Findings:
        self.findings += more.findings
        self.incidents += more.incidents
        self.alerts += more.alerts
        return self

    def __bool__(self) -> bool:
        return bool(self.findings or self.incidents or self.alerts)


class Fold:
    """State of one partition: accounts, detector, incidents; `closed` is the last closed tick."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.layout: Layout = layout(policy.tick_ms, burst.STATE)
        self.accounts = Accounts(self.layout)
        self.incidents = Incidents(policy.rules)
        self.closed = 0
        self.evicted_before = 0
        #: Rows that arrived before this (epoch ms) belong to an older timeline; 0: to none.
        self.since = 0
        self.waiting: list[Rows] = []
        self._closing: Rows | None = None
        self.version = policy.version
        self._minimum = np.array([policy.burst.min_requests, policy.burst.min_tokens], np.float64)

    def push(self, rows: Rows) -> None:
        """Rows in order of arrival; they count at the tick they carry, which must not be closed."""
        if len(rows):
            self.waiting.append(rows)

    def advance(self, watermark: int) -> Findings:
        """Close every tick up to `watermark` (epoch ms) and say what was found."""
        found = Findings()
        target = watermark // self.policy.tick_ms * self.policy.tick_ms
        if target <= self.closed:
            return found
        for tick, groups in self._due(target):
            self._pass_time(tick, found)
            if groups is not None:
                self._close(tick, groups, found)
            self.closed = tick
        self._closing = None
        return found

    def _due(self, target: int) -> list[tuple[int, update.Groups | None]]:
        """Ticks with rows up to `target`, and `target` itself, ascending."""
        if not self.waiting:
            return [(target, None)]
        rows = Rows.concat(self.waiting)
        due = rows.tick <= target
        self.waiting = [] if due.all() else [rows.take(~due)]
        rows = rows.take(np.flatnonzero(due)) if self.waiting else rows
        if not len(rows):
            return [(target, None)]
        if (rows.tick[1:] < rows.tick[:-1]).any():
            rows = rows.take(np.argsort(rows.tick, kind="stable"))
        self._closing = rows
        parts: list[tuple[int, update.Groups | None]] = [
            *update.grouped(rows, self.policy.tick_ms).ticks()
        ]
        if parts[-1][0] < target:
            parts.append((target, None))
        return parts

    def _pass_time(self, tick: int, found: Findings) -> None:
        """What falls due between the last closed tick and before `tick` is scored."""
        step = self.policy.tick_ms
        while (expiry := self.incidents.next_expiry()) is not None and expiry < tick:
            found.incidents += self.incidents.expire(-(-expiry // step) * step)
        # Boundaries belong to the span they end, whether or not a tick was closed just there.
        if (self.closed - 1) // _FIVE < (tick - 1) // _FIVE:
            self._learn(((self.closed - 1) // _FIVE + 1) * _FIVE)
        if (self.closed - 1) // HOUR < (tick - 1) // HOUR:
            self.incidents.expire((tick - 1) // HOUR * HOUR)
            self._evict((tick - 1) // HOUR * HOUR - self.policy.idle_ms)

    def _evict(self, before: int) -> None:
        referred = [rows.account for rows in self.waiting]
        if self._closing is not None:
            referred.append(self._closing.account[self._closing.tick > self.closed])
        held = np.unique(np.concatenate([np.zeros(0, np.int64), *referred]))
        self.accounts.evict(before, held)
        self.evicted_before = before

    def _learn(self, boundary: int) -> None:
        """The five minutes that end at `boundary` are over: baselines learn them."""
        accounts = self.accounts
        active = np.flatnonzero(accounts.stamp[: len(accounts.names)] > boundary - _FIVE)
        for start in range(0, len(active), _BLOCK):
            block = active[start : start + _BLOCK]
            sums = windows.five_minute_sums(accounts.state, accounts.stamp, block, boundary)
            accounts.state["burst"][block] = burst.learn(
                accounts.state["burst"][block], sums, boundary, self.policy.burst
            )
        accounts.dirty[active] = True

    def _close(self, tick: int, groups: update.Groups, found: Findings) -> None:
        accounts = self.accounts
        touched, place = groups.accounts()
        records = accounts.take(touched)
        update.advance(records, self.layout, accounts.stamp[touched], tick)
        update.add(records, self.layout, groups, place, tick)
        sums = windows.burst_sums(records, slice(None))
        self._hold(tick, touched, sums, found)
        self._judge(tick, touched, records["burst"], sums, found)
        records["burst"] = burst.observe(records["burst"], sums, tick, self.policy.burst)
        accounts.put(touched, records)
        accounts.stamp[touched] = tick
        accounts.dirty[touched] = True

    def _judge(
        self,
        tick: int,
        touched: NDArray[np.int64],
        state: Any,
        sums: NDArray[np.float64],
        found: Findings,
    ) -> None:
        """Alarms, in the order of names; most accounts are below the minimum of every window."""
        loud = np.flatnonzero((sums >= self._minimum).any(axis=(1, 2)))
        if not len(loud):
            return
        scores = burst.score(state[loud], sums[loud], tick, self.policy.burst)
        names = self.accounts.names
        for place in sorted(loud[scores.alarm].tolist(), key=lambda place: names[touched[place]]):
            one = slice(place, place + 1)
            self._alarm(int(touched[place]), state[one], sums[one], tick, found)

    def _hold(
        self, tick: int, touched: NDArray[np.int64], sums: NDArray[np.float64], found: Findings
    ) -> None:
        for name, incident in sorted(self.incidents.open_accounts()):
            row = self.accounts.index.get(name)
            if row is None:
                continue
            place = int(np.searchsorted(touched, row))
            if place == len(touched) or touched[place] != row:
                continue
            window = burst.WINDOWS_S.index(incident.window_s)
            observed = float(sums[place, window, burst.SERIES.index(incident.metric)])
            if (change := self.incidents.hold(name, incident.kind, observed, tick)) is not None:
                found.incidents.append(change)

    def _alarm(
        self, row: int, state: Any, sums: NDArray[np.float64], tick: int, found: Findings
    ) -> None:
        name, org = self.accounts.names[row], self.accounts.orgs[row]
        why = burst.explain(name, state, sums, tick, self.policy.burst)
        ring = self.layout.counts[burst.WINDOWS_S.index(why.window_s)]
        start = ring.start(tick)
        finding = Finding(
            finding_id=identity("finding", name, burst.NAME, tick, self.version, self.since),
            detector=burst.NAME,
            kind=burst.NAME,
            account_id=name,
            org_id=org,
            metric=why.metric,
            window_start=start,
            window_end=tick,
            window_s=why.window_s,
            observed=why.observed,
            expected=why.expected,
            p_value=why.p_value,
            threshold=why.threshold,
            sentence=why.sentence,
            sql=reproducing_sql(name, why.metric, start, tick, self.since),
            policy_version=self.version,
            incident_id="",
            drivers=why.drivers,
        )
        told, change, alert = self.incidents.find(finding)
        if told is not None:
            found.findings.append(told)
        if change is not None:
            found.incidents.append(change)
        if alert is not None:
            found.alerts.append(alert)
