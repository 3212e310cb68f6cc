"""Incidents: the machine that makes one story of many findings (open, ongoing, resolved).

Part of the fold, so its state is rebuilt with it. An incident opens with its first finding and
alerts once. It stays as long as its window holds at least half of the threshold it opened with
(hysteresis: no flapping around the threshold), is resolved after `resolve_after_ms` without, and is
reopened, without another alert, by a finding within `reopen_within_ms` of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from streams.alerting.findings import Finding, identity

__all__ = ["Alert", "Incident", "Incidents", "Rules", "severity_of"]

#: A finding this many times as far above its threshold as the last one told is worth telling.
_ESCALATION: Final = 2.0
#: An open incident whose window holds this share of its threshold goes on.
HOLD: Final = 0.5
#: Observed against threshold from which an incident is severe.
_HIGH: Final = 4.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Times of the machine, in ms of event time."""

    resolve_after_ms: int
    reopen_within_ms: int
    report_every_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Incident:
    """One row of `incident_log`; times are epoch ms of event time, 0 when not reached."""

    incident_id: str
    version: int
    kind: str
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
    told: float = 0.0  # observed over threshold of the last finding
    reported_at: int = 0  # event time of the last row written


@dataclass(frozen=True, slots=True)
class Alert:
    """One row of `alerts`: the finding that opened an incident."""

    finding: Finding
    severity: str


def severity_of(observed: float, threshold: float) -> str:
    """high from four times the threshold on, else medium."""
    return "high" if observed >= _HIGH * threshold else "medium"


@dataclass(slots=True)
class Incidents:
    """Open and recently resolved incidents of one partition, by account and kind."""

    rules: Rules
    by_key: dict[tuple[str, str], Incident] = field(default_factory=dict)

    def open_accounts(self) -> Iterable[tuple[str, Incident]]:
        """Accounts with an incident that is not resolved."""
        return ((key[0], item) for key, item in self.by_key.items() if item.state != "resolved")

    def next_expiry(self) -> int | None:
        """Event time at which the next incident would be resolved, None when none is open."""
        times = [item.last_seen_at for _, item in self.open_accounts()]
        return min(times) + self.rules.resolve_after_ms if times else None

    def find(self, finding: Finding) -> tuple[Finding | None, Incident | None, Alert | None]:
        """Take an alarm: the finding to store (if it is news), the row and the alert to write."""
        key = (finding.account_id, finding.kind)
        known = self.by_key.get(key)
        if known is None or self._forgotten(known, finding.window_end):
            opened = self._open(finding)
            self.by_key[key] = opened
            told = replace(finding, incident_id=opened.incident_id)
            return told, opened, Alert(told, opened.severity)
        finding = replace(finding, incident_id=known.incident_id)
        reopened = known.state == "resolved"
        strength = finding.observed / finding.threshold
        news = reopened or strength >= _ESCALATION * known.told
        changed = replace(
            known,
            state="open" if reopened else "ongoing",
            last_seen_at=finding.window_end,
            resolved_at=0,
            reopened=known.reopened + reopened,
            findings=known.findings + news,
        )
        severity = severity_of(finding.observed, finding.threshold)
        changed = replace(changed, severity=max(known.severity, severity, key=_rank))
        same = (finding.metric, finding.window_s) == (known.metric, known.window_s)
        if same and finding.observed > known.peak_observed:  # tokens are no peak of requests
            changed = replace(
                changed,
                peak_observed=finding.observed,
                p_value=min(known.p_value, finding.p_value),
            )
        if news:
            changed = replace(changed, told=strength, sentence=finding.sentence)
        row = self._written(key, known, changed, finding.window_end, force=news)
        return (finding if news else None), row, None

    def hold(self, account_id: str, kind: str, observed: float, tick: int) -> Incident | None:
        """An open incident's window holds `observed` now; returns the row to write, if any."""
        key = (account_id, kind)
        known = self.by_key[key]
        if (
            known.state == "resolved"
            or known.last_seen_at >= tick
            or observed < HOLD * known.threshold
        ):
            return None
        changed = replace(
            known,
            state="ongoing",
            last_seen_at=tick,
            peak_observed=max(known.peak_observed, observed),
        )
        return self._written(key, known, changed, tick, force=False)

    def expire(self, tick: int) -> list[Incident]:
        """Resolve what was quiet for long, forget what cannot be reopened any more."""
        rows = []
        for key, known in sorted(self.by_key.items()):
            if known.state != "resolved":
                end = known.last_seen_at + self.rules.resolve_after_ms
                if end <= tick:
                    changed = replace(known, state="resolved", resolved_at=end)
                    rows.append(self._write(key, changed, tick))
            elif self._forgotten(known, tick):
                del self.by_key[key]
        return rows

    def _forgotten(self, known: Incident, tick: int) -> bool:
        late = known.resolved_at + self.rules.reopen_within_ms < tick
        return known.state == "resolved" and late

    def _open(self, finding: Finding) -> Incident:
        name = identity("incident", finding.finding_id, finding.kind)
        return Incident(
            incident_id=name,
            version=1,
            kind=finding.kind,
            account_id=finding.account_id,
            org_id=finding.org_id,
            state="open",
            severity=severity_of(finding.observed, finding.threshold),
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
            told=finding.observed / finding.threshold,
            reported_at=finding.window_end,
        )

    def _written(
        self, key: tuple[str, str], known: Incident, changed: Incident, tick: int, *, force: bool
    ) -> Incident | None:
        """Keep a change; write a row for it at once if it is news, else once in a while."""
        due = tick - known.reported_at >= self.rules.report_every_ms
        if force or due or changed.state != known.state:
            return self._write(key, changed, tick)
        self.by_key[key] = changed
        return None

    def _write(self, key: tuple[str, str], changed: Incident, tick: int) -> Incident:
        row = replace(changed, version=changed.version + 1, reported_at=tick)
        self.by_key[key] = row
        return row

    def dump(self) -> list[dict[str, Any]]:
        """For a snapshot."""
        return [asdict(item) for _, item in sorted(self.by_key.items())]

    def load(self, rows: list[dict[str, Any]]) -> None:
        """From a snapshot."""
        for row in rows:
            item = Incident(**row)
            self.by_key[(item.account_id, item.kind)] = item


def _rank(severity: str) -> int:
    return ("medium", "high").index(severity)
