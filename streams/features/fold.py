"""The fold of one partition: `state, rows -> state, findings`, the heart of the flow.

The live worker, the rebuild after a crash, a replay and a back-test all run this. Rows wait until
the watermark closes their tick; then the whole tick is added and judged at once. So what is found
depends on the order of rows in the partition alone, never on how fetches were cut, how many workers
run or how fast the stream is read. It never reads a clock.

    tick       features are added, the tick detectors judge the accounts it touched
    5 minutes  baselines learn
    stride     every ten minutes the stride detectors judge the accounts of the clock hour so far
    hour       populations, profiles and detectors learn the hour; the idle are forgotten
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors import burst
from detectors.base import STRIDE_MS
from streams.alerting.findings import identity
from streams.alerting.incidents import Incidents, Rules
from streams.features import hourly, update, windows
from streams.features.accounts import Accounts
from streams.features.cohorts import Cohorts
from streams.features.layout import HOUR, MINUTE, Layout, layout
from streams.features.rows import Rows
from streams.policy.model import Policy as Detection
from streams.scoring.engine import Scoring
from streams.scoring.tell import Findings, Teller

__all__ = ["Findings", "Fold", "Policy"]

_FIVE: Final = 5 * MINUTE
_BLOCK: Final = 1 << 16
_STRIDE_BLOCK: Final = 1 << 14  # whole records are copied


@dataclass(frozen=True, slots=True)
class Policy:
    """What the fold is told: times in ms of event time, and what a person decided about alarms.

    `partitions` of the topic of events share a budget of pages per shift.
    """

    tick_ms: int
    idle_ms: int
    detection: Detection
    partitions: int = 1

    @property
    def rules(self) -> Rules:
        """Times of the incident machine."""
        incidents = self.detection.incidents
        return Rules(
            round(incidents.resolve_after_s * 1000), round(incidents.reopen_within_s * 1000)
        )

    @property
    def version(self) -> str:
        """Content hash; stamped into every finding."""
        return self.detection.version

    def rules_as(self, other: Policy) -> bool:
        """Nothing that may change while the fold runs is different."""
        return (self.version, self.partitions) == (other.version, other.partitions)

    @property
    def identity(self) -> str:
        """Changes with everything that a finding depends on."""
        return identity(self.tick_ms, self.idle_ms, self.version)


class Fold:
    """State of one partition: accounts, scoring, incidents; `closed` is the last closed tick."""

    def __init__(self, policy: Policy, scoring: Scoring | None = None) -> None:
        self.policy = policy
        self.layout: Layout = layout(policy.tick_ms)
        self.accounts = Accounts(self.layout)
        self.cohorts = Cohorts()
        self.scoring = scoring or Scoring(policy.detection, policy.partitions)
        self.scoring.cohorts.use_case = self._use_case
        self.incidents = Incidents(policy.rules)
        self.closed = 0
        self.evicted_before = 0
        #: Rows that arrived before this (epoch ms) belong to an older timeline; 0: to none.
        self.since = 0
        self.waiting: list[Rows] = []
        self._coming: list[tuple[int, Policy]] = []
        self._closing: Rows | None = None

    def rule(self, policy: Policy) -> None:
        """From the next tick on another policy holds; ticks must stay as long as they are."""
        assert policy.tick_ms == self.policy.tick_ms
        self.policy = policy
        self.scoring.rule(policy.detection, policy.partitions)
        self.incidents.rules = policy.rules

    def schedule(self, tick: int, policy: Policy) -> None:
        """`policy` holds from `tick` (epoch ms) on; in order of ticks."""
        if tick <= self.closed + 1:
            self.rule(policy)
        else:
            self._coming.append((tick, policy))

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
            self.close(tick, groups, found)
        self._closing = None
        return found

    def close(self, tick: int, groups: update.Groups | None, found: Findings) -> None:
        """Let time pass to `tick`, the next to be closed, and close it with what it brought."""
        while self._coming and self._coming[0][0] <= tick:
            self.rule(self._coming.pop(0)[1])
        self._pass_time(tick, found)
        if groups is not None:
            self._close(tick, groups, found)
        self.closed = tick

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
        """What falls due between the last closed tick and before `tick` is judged.

        Boundaries belong to the span they end, whether or not a tick was closed just there. Nothing
        happened after the last closed tick, so of several strides only the first, and the one that
        ends the clock hour, could find anything.
        """
        self._expire(tick, found)
        five = _next(self.closed, tick, _FIVE)
        stride = _next(self.closed, tick, STRIDE_MS)
        hour = _next(self.closed, tick, HOUR)
        for boundary in sorted({five, stride, hour} - {0}):
            if boundary == five:
                self._learn(boundary)
            if boundary in (stride, hour):
                self._expire(boundary, found)
                self._stride(boundary, found)
        if hour:
            self.incidents.expire((tick - 1) // HOUR * HOUR)
            self._evict((tick - 1) // HOUR * HOUR - self.policy.idle_ms)
        self._expire(tick, found)

    def _expire(self, tick: int, found: Findings) -> None:
        step = self.policy.tick_ms
        while (expiry := self.incidents.next_expiry()) is not None and expiry < tick:
            found.incidents += self.incidents.expire(-(-expiry // step) * step)

    def _evict(self, before: int) -> None:
        coming = [*self.waiting]
        if self._closing is not None:
            coming.append(self._closing.take(self._closing.tick > self.closed))
        referred = [np.zeros(0, np.int64), *(rows.account for rows in coming)]
        self.accounts.evict(before, np.unique(np.concatenate(referred)))
        self.evicted_before = before
        used = [self.accounts.state["hourly"]["cohort"][: len(self.accounts.names)]]
        used += [rows.cohort for rows in coming if rows.cohort is not None]
        self.cohorts.forget_texts(np.unique(np.concatenate(used)))

    def _use_case(self, row: int) -> str:
        """The approved use case of an account, as its last events that named one said."""
        return self.cohorts.text(int(self.accounts.state["hourly"]["cohort"][row]))

    def _learn(self, boundary: int) -> None:
        """The five minutes that end at `boundary` are over: baselines learn them."""
        accounts = self.accounts
        parameters = self.scoring.parameters(burst)
        active = np.flatnonzero(accounts.stamp[: len(accounts.names)] > boundary - _FIVE)
        for start in range(0, len(active), _BLOCK):
            block = active[start : start + _BLOCK]
            sums = windows.five_minute_series(accounts.state, accounts.stamp, block, boundary)
            accounts.state["burst"][block] = burst.learn(
                accounts.state["burst"][block], sums, boundary, parameters
            )
        accounts.dirty[active] = True

    def _stride(self, boundary: int, found: Findings) -> None:
        """Judge the clock hour so far; at its end everything learns it."""
        accounts = self.accounts
        used = len(accounts.names)
        active = np.flatnonzero(accounts.stamp[:used] > (boundary - 1) // HOUR * HOUR)
        ends = boundary % HOUR == 0
        teller = self._teller()
        for start in range(0, len(active), _STRIDE_BLOCK):
            block = active[start : start + _STRIDE_BLOCK]
            records = accounts.state[block]
            inputs = hourly.inputs(records["hourly"], boundary)
            inputs["cohort_profile"] = self.cohorts.profile(records["hourly"])
            judged = self.scoring.stride(
                records, block, inputs, boundary, len(active), accounts.names, accounts.orgs
            )
            teller.hold_stride(judged, found)
            teller.tell(judged, found)
            if ends:
                self.scoring.collect_hour(records, block, boundary, accounts.names, accounts.orgs)
                self.cohorts.collect(records["hourly"])
            self.scoring.observe_stride(judged, len(active), accounts.names)
            accounts.state[block] = records
        if ends:
            self.scoring.end_hour(boundary, len(accounts))
            self.cohorts.end_hour(boundary)
        accounts.dirty[active] = True

    def _close(self, tick: int, groups: update.Groups, found: Findings) -> None:
        accounts = self.accounts
        touched, place = groups.accounts()
        records = accounts.take(touched)
        update.advance(records, self.layout, accounts.stamp[touched], tick)
        update.add(records, self.layout, groups, place, tick)
        sums = windows.tick_sums(records, slice(None))
        self._note_use_cases(groups, touched, place)
        judged = self.scoring.tick(records, touched, sums, tick, accounts.names, accounts.orgs)
        teller = self._teller()
        teller.hold_tick(judged, found)
        teller.tell(judged, found)
        self.scoring.observe_tick(judged)
        accounts.put(touched, records)
        tick_ms, cold = self.policy.tick_ms, accounts.state["hourly"]
        hourly.add(cold, touched, groups, place, tick, tick_ms, accounts.names)
        accounts.stamp[touched] = tick
        accounts.dirty[touched] = True

    def _note_use_cases(
        self, groups: update.Groups, touched: NDArray[np.int64], place: NDArray[np.int64] | None
    ) -> None:
        """Before the tick is judged: an account belongs to its cohort from its first event on."""
        if groups.cohort is None:
            return
        codes = groups.cohort
        if place is not None:
            codes = np.zeros(len(touched), np.uint32)
            np.maximum.at(codes, place, groups.cohort)
        named = np.flatnonzero(codes)
        self.accounts.state["hourly"]["cohort"][touched[named]] = codes[named]

    def _teller(self) -> Teller:
        return Teller(
            self.accounts, self.layout, self.scoring, self.incidents, self.policy, self.since
        )

    def dump(self) -> dict[str, Any]:
        """What of the state belongs to no account, for a snapshot."""
        return {
            "incidents": self.incidents.dump(),
            "evicted_before": self.evicted_before,
            "scoring": self.scoring.dump(),
            "cohorts": self.cohorts.dump(),
        }

    def load(self, dumped: dict[str, Any]) -> None:
        """From a snapshot."""
        self.incidents.load(dumped["incidents"])
        self.evicted_before = dumped["evicted_before"]
        self.scoring.load(dumped["scoring"])
        self.cohorts.load(dumped["cohorts"])


def _next(closed: int, tick: int, step: int) -> int:
    """The first boundary of `step` after `closed` that was passed before `tick`; 0: none."""
    if (closed - 1) // step < (tick - 1) // step:
        return ((closed - 1) // step + 1) * step
    return 0
