"""From verdicts to findings, incidents and alerts: the words and numbers a person gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from detectors import burst
from detectors.base import HOUR_MS, Explanation
from detectors.hours import hour_of
from detectors.wording import one_in
from streams.alerting.findings import Finding, identity, reproducing_sql
from streams.alerting.incidents import HOLD, Alert, Incident, Incidents
from streams.features.accounts import Accounts
from streams.features.layout import Layout
from streams.scoring.decision import Verdict
from streams.scoring.engine import Scoring
from streams.scoring.judged import Judged
from streams.scoring.record import DETECTORS

__all__ = ["Findings", "Teller", "sentence"]

_WORTH_NAMING: Final = 0.02  # p-value of a detector that is named beside the leading one


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


class Teller:
    """Explains verdicts and hands them to the incidents of one partition."""

    def __init__(
        self,
        accounts: Accounts,
        layout: Layout,
        scoring: Scoring,
        incidents: Incidents,
        policy: Any,
        since: int,
    ) -> None:
        self._accounts = accounts
        self._layout = layout
        self._scoring = scoring
        self._incidents = incidents
        self._policy = policy
        self._since = since

    def tell(self, judged: Judged, found: Findings) -> None:
        """Every verdict worth a line, in the order of account names."""
        names = self._accounts.names
        rows = judged.rows
        for verdict in sorted(judged.verdicts, key=lambda verdict: names[rows[verdict.place]]):
            self._tell(judged, verdict, found)

    def _tell(self, judged: Judged, verdict: Verdict, found: Findings) -> None:
        score = judged.records["score"]
        finding = self._finding(judged, verdict)
        if finding.held:
            if not score["held"][verdict.place] and not score["alarmed"][verdict.place]:
                score["held"][verdict.place] = 1
                found.findings.append(finding)
            return
        told, change, alert = self._incidents.find(finding)
        if told is not None:
            found.findings.append(told)
        if change is not None:
            found.incidents.append(change)
        if alert is not None:
            found.alerts.append(alert)

    def hold_tick(self, judged: Judged, found: Findings) -> None:
        """Open incidents about a window of seconds: what it holds now against its threshold."""
        for name, incident, place in self._touched(judged, stride=False):
            if incident.metric not in burst.SERIES or incident.window_s not in burst.WINDOWS_S:
                continue
            cell = burst.WINDOWS_S.index(incident.window_s), burst.SERIES.index(incident.metric)
            observed = float(judged.inputs["sums"][(place, *cell)])
            self._hold(name, observed / max(incident.threshold, 1.0), observed, judged, found)

    def hold_stride(self, judged: Judged, found: Findings) -> None:
        """Open incidents about a clock hour: the evidence so far against its limit."""
        for name, incident, place in self._touched(judged, stride=True):
            at = _PLACE[incident.detector]
            value = float(judged.current[place, at])
            level = value / incident.limit if incident.limit > 0 else float(value > 0)
            if not np.isnan(level):
                self._hold(name, level, incident.peak_observed, judged, found)

    def _touched(self, judged: Judged, *, stride: bool) -> list[tuple[str, Incident, int]]:
        result = []
        for name, incident in sorted(self._incidents.open_accounts()):
            row = self._accounts.index.get(name)
            if row is None or (incident.detector in _STRIDES) is not stride:
                continue
            place = int(np.searchsorted(judged.rows, row))
            if place < len(judged.rows) and judged.rows[place] == row:
                result.append((name, incident, place))
        return result

    def _hold(
        self, name: str, level: float, observed: float, judged: Judged, found: Findings
    ) -> None:
        if level >= HOLD:
            change = self._incidents.hold(name, level, observed, judged.now_ms)
            if change is not None:
                found.incidents.append(change)

    def _finding(self, judged: Judged, verdict: Verdict) -> Finding:
        row, tick = int(judged.rows[verdict.place]), judged.now_ms
        name, org = self._accounts.names[row], self._accounts.orgs[row]
        detector = DETECTORS[verdict.detector]
        why = self._scoring.explain(name, judged, verdict)
        stride = detector.CADENCE == "stride"
        start = self._start(why, tick, stride=stride)
        return Finding(
            finding_id=identity(
                "finding", name, detector.NAME, tick, self._policy.identity, self._since
            ),
            detector=detector.NAME,
            kind=verdict.kind,
            account_id=name,
            org_id=org,
            metric=why.metric,
            window_start=start,
            window_end=tick,
            window_s=why.window_s,
            observed=why.observed,
            expected=why.expected,
            p_value=verdict.p_value,
            threshold=why.threshold,
            sentence=sentence(why, verdict),
            sql=reproducing_sql(name, why.metric, start, tick, self._since, hours=stride),
            policy_version=self._policy.version,
            incident_id="",
            drivers=why.drivers,
            parts=verdict.parts,
            channel=verdict.channel,
            severity=verdict.severity or "",
            held=verdict.held,
            limit=verdict.limit,
            stride=stride,
        )

    def _start(self, why: Explanation, tick: int, *, stride: bool) -> int:
        if stride:  # the clock hour so far, and the whole hours before it
            return hour_of(tick) * HOUR_MS - (why.window_s * 1000 - HOUR_MS)
        return self._layout.counts[burst.WINDOWS_S.index(why.window_s)].start(tick)


_PLACE: Final = {detector.NAME: place for place, detector in enumerate(DETECTORS)}
_STRIDES: Final = frozenset(d.NAME for d in DETECTORS if d.CADENCE == "stride")


def sentence(why: Explanation, verdict: Verdict) -> str:
    """The detector's own sentence, how rare it is, and who else saw something."""
    speaker = DETECTORS[verdict.detector].NAME  # not always the strongest of the hour
    own = verdict.parts.get(speaker, 1.0)
    text = f"{why.sentence}; {one_in(own)} account-hours like it show as much"
    others = [
        f"{DETECTORS[_PLACE[name]].TITLE.lower()} {one_in(p)}"
        for name, p in verdict.parts.items()
        if name != speaker and p <= _WORTH_NAMING
    ]
    return f"{text}; also {', '.join(others)}" if others else text
