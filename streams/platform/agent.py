"""The platform watch at work: called by the worker that holds partition 0, as event time passes.

The fleet is every partition, so a window of five minutes is judged when the last of them has stored
everything up to its end. What was found and told is read back from the store, so another worker
goes on where this one ended. Live only: a replay of weeks would judge thousands of windows that
nobody waits for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from streams.alerting.incidents import Incident, Incidents, Rules
from streams.errors import StoreError
from streams.ingest.sink import Known, store_findings
from streams.platform.parameters import Parameters
from streams.platform.totals import STEP_MS
from streams.platform.watch import PlatformWatch
from streams.scoring.tell import Findings
from streams.storage.base import Store

__all__ = ["PlatformAgent"]

_log = logging.getLogger(__name__)
_PARTITION: Final = 0
_DAY_MS: Final = 86_400_000
_REMEMBERED_MS: Final = _DAY_MS

_PASSED = (
    "SELECT toInt64(toUnixTimestamp64Milli(min(watermark))) AS ms FROM "
    "(SELECT max(watermark) AS watermark FROM ingest_log WHERE stream_id = {stream_id} "
    "GROUP BY kafka_partition)"
)
_TOLD = (
    "SELECT finding_id FROM findings WHERE detector = 'platform' "
    "AND window_end > fromUnixTimestamp64Milli({after}, 'UTC')"
)
_INCIDENTS = (
    "SELECT incident_id, version, kind, detector, account_id, org_id, state, severity, "
    "toInt64(toUnixTimestamp64Milli(started_at)) AS started_at, "
    "toInt64(toUnixTimestamp64Milli(last_seen_at)) AS last_seen_at, "
    "toInt64(ifNull(toUnixTimestamp64Milli(resolved_at), 0)) AS resolved_at, findings, reopened, "
    "metric, window_s, peak_observed, expected, p_value, threshold, sentence, policy_version "
    "FROM incidents WHERE kind = 'platform' "
    "AND last_seen_at > fromUnixTimestamp64Milli({after}, 'UTC')"
)


class PlatformAgent:
    """Judges the fleet whenever five minutes of event time are whole; for one thread."""

    def __init__(
        self,
        store: Store,
        stream_id: str,
        rules: Rules,
        policy_version: Callable[[], str],
        now_ms: Callable[[], int],
        parameters: Parameters | None = None,
    ) -> None:
        self._store = store
        self._stream_id = stream_id
        self._rules = rules
        self._version = policy_version
        self._now_ms = now_ms
        self._parameters = parameters or Parameters()
        self._watch: PlatformWatch | None = None
        self._incidents = Incidents(rules)
        self._judged = 0

    def incidents(self) -> list[Incident]:
        """Open ones and those resolved of late."""
        return list(self._incidents.by_account.values())

    def follow(self, watermark_ms: int) -> Findings:
        """Event time of partition 0 is `watermark_ms`; judge the last window that is whole.

        Trouble with the store is told in the log, and tried again at the next window.
        """
        found = Findings()
        if watermark_ms // STEP_MS * STEP_MS <= self._judged:
            return found
        try:
            passed = self._store.query(_PASSED, {"stream_id": self._stream_id}).to_pylist()
            boundary = min(watermark_ms, int(passed[0]["ms"] or 0)) // STEP_MS * STEP_MS
            if boundary > self._judged:
                found = self._at(boundary)
                self._judged = boundary
        except StoreError as error:
            _log.warning("the platform is not judged: %s", error)
            self._watch = None
        return found

    def _at(self, boundary: int) -> Findings:
        known = Known()
        after = {"after": boundary - _REMEMBERED_MS}
        if self._watch is None:
            self._watch = PlatformWatch(self._store, self._parameters, self._version())
            self._incidents = Incidents(self._rules)
            self._incidents.load(
                [
                    {**row, "patience_ms": self._rules.resolve_after_ms + STEP_MS}
                    for row in self._store.query(_INCIDENTS, after).to_pylist()
                ]
            )
            known.findings = {
                str(row["finding_id"]) for row in self._store.query(_TOLD, after).to_pylist()
            }
        found = Findings()
        found.incidents += self._incidents.expire(boundary)
        for finding in self._watch.at(boundary):
            if finding.finding_id in known.findings:
                continue
            told, change, alert = self._incidents.find(finding)
            found.findings += [told] if told is not None else []
            found.incidents += [change] if change is not None else []
            found.alerts += [alert] if alert is not None else []
        if found:
            token = f"{self._stream_id}:platform:{boundary}"
            store_findings(self._store, found, known, _PARTITION, token, self._now_ms())
        return found
