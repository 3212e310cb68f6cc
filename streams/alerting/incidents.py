"""Incidents: the machine that makes one story of many findings (open, ongoing, resolved).

Part of the fold, so its state is rebuilt with it. An incident opens with its first finding and
alerts once. An account has one incident at a time, whichever detectors speak up. It stays as long
as what it was opened for holds at least half of its threshold (hysteresis: no flapping around the
threshold), but not for longer than `hold_ms` after it last alarmed, so that what has become usual
comes to an end. It is resolved after `resolve_after_ms` without, and is reopened, without another
alert, by a finding within `reopen_within_ms` of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from detectors.base import STRIDE_MS
from streams.alerting.findings import Finding, identity

__all__ = ["HOLD", "Alert", "Incident", "Incidents", "Rules"]

#: A finding this many decades rarer than the last one told is worth telling.
_ESCALATION: Final = 2.0
#: An open incident that holds this share of its threshold goes on.
HOLD: Final = 0.5


@dataclass(frozen=True, slots=True)
class Rules:
    """Times of the machine, in ms of event time."""

    resolve_after_ms: int
    reopen_within_ms: int
    report_every_ms: int = 60_000
    hold_ms: int = 6 * 3_600_000


@dataclass(frozen=True, slots=True)
class Incident:
    """One row of `incident_log`; times are epoch ms of event time, 0 when not reached."""

    incident_id: str
    version: int
    kind: str
    detector: str
    account_id: str
    org_id: str
    state: str
    severity: str
    started_at: int
    last_seen_at: int
    resolved_at: int
    findings: int
    reopened: int
    metric: str
    window_s: int
    peak_observed: float
    expected: float
    p_value: float
    threshold: float
    sentence: str
    policy_version: str
    told: float = 0.0  # -log10 of the p-value of the last finding told
    reported_at: int = 0  # event time of the last row written
    alarmed_at: int = 0  # event time of the last alarm
    limit: float = 0.0  # evidence of the detector that opened it, at its threshold
    patience_ms: int = 0  # resolved after so long without


@dataclass(frozen=True, slots=True)
class Alert:
    """One row of `alerts`: the finding that opened an incident."""

    finding: Finding
    severity: str


@dataclass(slots=True)
class Incidents:
    """Open and recently resolved incidents of one partition, by account."""

    rules: Rules
    by_account: dict[str, Incident] = field(default_factory=dict)

    def open_accounts(self) -> Iterable[tuple[str, Incident]]:
        """Accounts with an incident that is not resolved."""
        return ((name, item) for name, item in self.by_account.items() if item.state != "resolved")

    def next_expiry(self) -> int | None:
        """Event time at which the next incident would be resolved, None when none is open."""
        return min((_end(item) for _, item in self.open_accounts()), default=None)

    def find(self, finding: Finding) -> tuple[Finding | None, Incident | None, Alert | None]:
        """Take an alarm: the finding to store (if it is news), the row and the alert to write."""
        key = _key(finding)
        known = self.by_account.get(key)
        if known is None or self._forgotten(known, finding.window_end):
            opened = self._open(finding)
            self.by_account[key] = opened
            told = replace(finding, incident_id=opened.incident_id)
            return told, opened, Alert(told, opened.severity)
        finding = replace(finding, incident_id=known.incident_id)
        reopened = known.state == "resolved"
        strength = _decades(finding.p_value)
        worse = _rank(finding.severity) > _rank(known.severity)
        news = reopened or worse or strength >= known.told + _ESCALATION
        changed = replace(
            known,
            state="open" if reopened else "ongoing",
            last_seen_at=finding.window_end,
            alarmed_at=finding.window_end,
            resolved_at=0,
            reopened=known.reopened + reopened,
            findings=known.findings + news,
            severity=max(known.severity, finding.severity, key=_rank),
            p_value=min(known.p_value, finding.p_value),
        )
        same = (finding.metric, finding.window_s) == (known.metric, known.window_s)
        if same and finding.observed > known.peak_observed:  # tokens are no peak of requests
            changed = replace(changed, peak_observed=finding.observed)
        if news:
            changed = replace(changed, told=strength, sentence=finding.sentence)
        row = self._written(known, changed, finding.window_end, force=news)
        return (finding if news else None), row, None

    def retell(self, finding: Finding) -> tuple[Finding, Incident]:
        """An alarm whose story changed though it is no worse: the finding and the row to write."""
        known = self.by_account[_key(finding)]
        changed = replace(
            known,
            findings=known.findings + 1,
            sentence=finding.sentence,
            peak_observed=max(known.peak_observed, finding.observed),
        )
        told = replace(finding, incident_id=known.incident_id)
        return told, self._write(changed, finding.window_end)

    def hold(self, account_id: str, level: float, observed: float, tick: int) -> Incident | None:
        """What an open incident is about stands at `level` of its threshold; the row to write."""
        known = self.by_account[account_id]
        if (
            known.state == "resolved"
            or known.last_seen_at >= tick
            or level < HOLD
            or tick - known.alarmed_at > self.rules.hold_ms
        ):
            return None
        changed = replace(
            known,
            state="ongoing",
            last_seen_at=tick,
            peak_observed=max(known.peak_observed, observed),
        )
        return self._written(known, changed, tick, force=False)

    def expire(self, tick: int) -> list[Incident]:
        """Resolve what was quiet for long, forget what cannot be reopened any more."""
        rows = []
        for name, known in sorted(self.by_account.items()):
            if known.state != "resolved":
                end = _end(known)
                if end <= tick:
                    changed = replace(known, state="resolved", resolved_at=end)
                    rows.append(self._write(changed, tick))
            elif self._forgotten(known, tick):
                del self.by_account[name]
        return rows

    def _forgotten(self, known: Incident, tick: int) -> bool:
        late = known.resolved_at + self.rules.reopen_within_ms < tick
        return known.state == "resolved" and late

    def _open(self, finding: Finding) -> Incident:
        patience = 2 * STRIDE_MS if finding.stride else 0
        if not finding.account_id:
            patience = finding.window_s * 1000
        name = identity("incident", finding.finding_id, finding.kind)
        return Incident(
            incident_id=name,
            version=1,
            kind=finding.kind,
            detector=finding.detector,
            account_id=finding.account_id,
            org_id=finding.org_id,
            state="open",
            severity=finding.severity,
            started_at=finding.window_start,
            last_seen_at=finding.window_end,
            resolved_at=0,
            findings=1,
            reopened=0,
            metric=finding.metric,
            window_s=finding.window_s,
            peak_observed=finding.observed,
            expected=finding.expected,
            p_value=finding.p_value,
            threshold=finding.threshold,
            sentence=finding.sentence,
            policy_version=finding.policy_version,
            told=_decades(finding.p_value),
            reported_at=finding.window_end,
            alarmed_at=finding.window_end,
            limit=finding.limit,
            patience_ms=self.rules.resolve_after_ms + patience,
        )

    def _written(
        self, known: Incident, changed: Incident, tick: int, *, force: bool
    ) -> Incident | None:
        """Keep a change; write a row for it at once if it is news, else once in a while."""
        due = tick - known.reported_at >= self.rules.report_every_ms
        if force or due or changed.state != known.state:
            return self._write(changed, tick)
        self.by_account[_key(changed)] = changed
        return None

    def _write(self, changed: Incident, tick: int) -> Incident:
        row = replace(changed, version=changed.version + 1, reported_at=tick)
        self.by_account[_key(changed)] = row
        return row

    def dump(self) -> list[dict[str, Any]]:
        """For a snapshot."""
        return [asdict(item) for _, item in sorted(self.by_account.items())]

    def load(self, rows: list[dict[str, Any]]) -> None:
        """From a snapshot."""
        for row in rows:
            item = Incident(**row)
            self.by_account[_key(item)] = item


def _key(item: Finding | Incident) -> str:
    """Whose incident it is: the account's; of the whole platform, the metric's."""
    return item.account_id or f"\0{item.metric}"


def _rank(severity: str) -> int:
    return ("medium", "high").index(severity)


def _decades(p_value: float) -> float:
    return -math.log10(max(p_value, 1e-300))


def _end(incident: Incident) -> int:
    return incident.last_seen_at + incident.patience_ms
