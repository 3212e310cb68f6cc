"""What the keeper tells: rows of clusters, members, ties and changes; findings, incidents, alerts.

One slot at a time: `begin`, then what happened, then `finish` writes it all, the mark of the slot
last. Of a slot whose mark stands already nothing is written, and of one that was left half written
only what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.groups import Change, Group
from streams.alerting.findings import Finding, identity
from streams.alerting.incidents import Alert, Incident, Incidents, Rules
from streams.coordination.clusters import Cluster, Judged
from streams.coordination.memory import Memory, plain, text_array
from streams.coordination.rows import cluster_row, left_row, member_rows, tie_rows
from streams.coordination.tables import TABLES, member_alerts, table
from streams.ingest import tables
from streams.policy.coordination import COORDINATED
from streams.policy.model import Policy
from streams.storage.base import Store

__all__ = ["Story", "Written"]

_DAY_MS: Final = 86_400_000
_DECADES: Final = 2.0
_EVERY_MS: Final = 60_000


@dataclass(slots=True)
class Written:
    """How many rows of each table were written, and the alerts."""

    rows: dict[str, int] = field(default_factory=dict)
    alerts: int = 0

    def __iadd__(self, more: Written) -> Written:
        for name, number in more.rows.items():
            self.rows[name] = self.rows.get(name, 0) + number
        self.alerts += more.alerts
        return self


class Story:
    """Clusters and their incidents of one timeline."""

    def __init__(self, store: Store, since: int, partition: int, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._since = since
        self._partition = partition
        self._now_ms = now_ms
        self.clusters: dict[str, Cluster] = {}
        self.incidents: dict[str, Incidents] = {}
        self._known: set[tuple[str, str]] | None = None
        self._slot = 0
        self._quiet = False
        self._rules = Rules(600_000, 1_800_000)

    def stored_until(self) -> int:
        """End of the last slot of which everything is stored."""
        rows = self._store.query(
            "SELECT toInt64(toUnixTimestamp64Milli(max(m.slot))) AS ms FROM cluster_marks AS m "
            "WHERE m.timeline = fromUnixTimestamp64Milli({since}, 'UTC')",
            {"since": self._since},
        )
        return int(rows.column("ms")[0].as_py() or 0)

    def begin(self, slot: int, policy: Policy, *, quiet: bool) -> None:
        """What follows is of this slot; `quiet`: it stands in the store already."""
        self._slot, self._policy, self._quiet = slot, policy, quiet
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self._findings: list[Finding] = []
        self._changes: list[Incident] = []
        self._alerts: list[tuple[str, Alert]] = []

    def cluster(self, cluster_id: str, slot: int) -> Cluster:
        """The cluster of a group, new if it is."""
        return self.clusters.setdefault(cluster_id, Cluster(cluster_id, slot))

    def expire(self, rules: Rules) -> None:
        """Resolve what was silent for long; forget what cannot come back."""
        self._rules = rules
        for cluster_id, machine in sorted(self.incidents.items()):
            machine.rules = rules
            for row in machine.expire(self._slot):
                self._changes.append(row)
                known = self.clusters[cluster_id].row
                if known:
                    self._again(cluster_id, row.resolved_at, state="resolved")

    def _again(self, cluster_id: str, version: int, **changed: Any) -> None:
        """The row of a cluster as last written, but for this."""
        cluster = self.clusters[cluster_id]
        version = max(version, int(cluster.row["version"]) + 1)
        cluster.row = {**cluster.row, **changed, "version": version}
        self._rows["cluster_log"].append(cluster.row)

    def changed(self, changes: Sequence[Change]) -> None:
        """Joins, leaves, splits and the like, and the rows of clusters that are no more."""
        for change in changes:
            cluster = self.cluster(change.group_id, change.at)
            self._rows["cluster_changes"].append(
                {
                    "cluster_id": change.group_id,
                    "at": change.at,
                    "what": change.what,
                    "account_id": change.account,
                    "reason": change.reason,
                    "other": change.other,
                }
            )
            if change.what == "left" and change.account in cluster.joined:
                self._rows["cluster_member_log"].append(left_row(cluster, change))
            if change.what in ("merged", "ended") and cluster.row:
                other = change.other if change.what == "merged" else ""
                self._again(change.group_id, change.at, state=change.what, merged_into=other)

    def hold(self, cluster: Cluster, slot: int) -> None:
        """It goes on; nothing about it was judged again."""
        machine = self.incidents.get(cluster.cluster_id)
        for key in list(machine.by_account) if machine else ():
            assert machine is not None
            observed = machine.by_account[key].peak_observed
            if (row := machine.hold(key, 1.0, observed, slot)) is not None:
                self._changes.append(row)

    def tell(
        self,
        group: Group,
        cluster: Cluster,
        verdict: Judged,
        ties: Any,
        memory: Memory,
        acted_ms: int,
    ) -> None:
        """A verdict: the incident and its alerts if it alarms, and the rows if they say news."""
        before = set(cluster.judged.get("members", ())), cluster.row.get("held")
        cluster.judged_at, cluster.judged = self._slot, asdict(verdict)
        cluster.pending = False
        finding = verdict.finding(cluster.cluster_id, self._policy, self._slot)
        if verdict.held:
            incident = self._hold_back(cluster, verdict, finding)
        else:
            incident = self._alarm(cluster, verdict, finding)
        state = _state(verdict, incident)
        changed = before != (set(verdict.members), verdict.held) or state != cluster.row.get(
            "state"
        )
        if changed or self._slot - cluster.written_at >= _EVERY_MS:
            cluster.written_at = self._slot
            told = "" if incident is None else incident.incident_id
            cluster.row = cluster_row(
                cluster, group, verdict, ties, state, told, acted_ms, self._since, self._slot
            ) | {"policy_version": self._policy.version}
            self._rows["cluster_log"].append(cluster.row)
            self._rows["cluster_member_log"] += member_rows(
                group, verdict, ties, memory, self._slot
            )
            self._rows["cluster_tie_log"] += tie_rows(cluster.cluster_id, ties, memory, self._slot)
            cluster.joined = {name: member.joined_at for name, member in group.members.items()}

    def _hold_back(self, cluster: Cluster, verdict: Judged, finding: Finding) -> Incident | None:
        """Known groups that would alarm are stored, when it is news; the open incident goes on."""
        self.hold(cluster, self._slot)
        if verdict.held == "known group" and (
            not cluster.held_at
            or verdict.log10 <= cluster.held_log10 - _DECADES
            or self._slot - cluster.held_at >= _DAY_MS
        ):
            cluster.held_at, cluster.held_log10 = self._slot, verdict.log10
            self._findings.append(finding)
        machine = self.incidents.get(cluster.cluster_id)
        return next(iter(machine.by_account.values()), None) if machine else None

    def _alarm(self, cluster: Cluster, verdict: Judged, finding: Finding) -> Incident:
        machine = self.incidents.setdefault(cluster.cluster_id, Incidents(self._rules))
        told, row, _ = machine.find(finding)
        (key,) = machine.by_account
        name = machine.by_account[key].incident_id
        alerted = set(cluster.alerted.get(name, ()))
        fresh = [member for member in verdict.members if member not in alerted]
        if fresh and told is None:
            told, row = machine.retell(finding)
        # A slow group acts seldom: it is over when it was silent for some of its own pauses.
        patience = self._rules.resolve_after_ms + verdict.patience_ms
        incident = replace(machine.by_account[key], patience_ms=patience)
        machine.by_account[key] = incident
        self._findings += [told] if told is not None else []
        self._changes += [row] if row is not None else []
        for member in fresh:
            own = replace(finding, account_id=member, org_id=verdict.orgs[member], incident_id=name)
            self._alerts.append((identity("member", name, member), Alert(own, incident.severity)))
        cluster.alerted = {name: sorted({*alerted, *fresh})}
        return incident

    def finish(self, groups: int, pairs: int) -> Written:
        """Write what the slot brought, its mark last."""
        written = Written()
        told = bool(self._findings or self._changes or self._alerts)
        if self._quiet or not (told or any(self._rows.values())):
            return written
        now, token = self._now_ms(), f"keeper:{self._since}:{self._slot}"
        known = self._known_of(self._slot)
        for name in TABLES:
            if rows := self._rows[name]:
                self._store.insert(name, table(name, rows, now), f"{token}:{name}")
                written.rows[name] = len(rows)
        findings = [one for one in self._findings if ("finding", one.finding_id) not in known]
        if findings:
            rows = tables.finding_table(findings, self._partition, now)
            self._store.insert("findings", rows, f"{token}:findings")
        changes = [
            one
            for one in self._changes
            if ("incident", f"{one.incident_id} {one.version}") not in known
        ]
        if changes:
            rows = tables.incident_table(changes, self._partition, now)
            self._store.insert("incident_log", rows, f"{token}:incidents")
        alerts = [one for one in self._alerts if ("alert", one[0]) not in known]
        if alerts:
            rows = member_alerts(alerts, self._partition, now)
            self._store.insert("alerts", rows, f"{token}:alerts")
        mark = {"timeline": self._since, "slot": self._slot, "groups": groups, "pairs": pairs}
        self._store.insert("cluster_marks", table("cluster_marks", [mark], now), f"{token}:mark")
        written.rows |= {"findings": len(findings), "incident_log": len(changes)}
        written.alerts = len(alerts)
        return written

    def _known_of(self, slot: int) -> set[tuple[str, str]]:
        """Identities of the first slot after a recovery that a worker may have written in part."""
        if self._known is not None:
            self._known = set()
            return self._known
        found = self._store.query(
            "SELECT 'finding' AS what, finding_id AS name FROM findings WHERE kind = {kind} "
            "AND window_end = fromUnixTimestamp64Milli({slot}, 'UTC') UNION ALL "
            "SELECT 'alert', alert_id FROM alerts WHERE kind = {kind} "
            "AND detected_at = fromUnixTimestamp64Milli({slot}, 'UTC') UNION ALL "
            "SELECT 'incident', concat(incident_id, ' ', toString(version)) FROM incident_log "
            "WHERE kind = {kind}",
            {"kind": COORDINATED, "slot": slot},
        )
        self._known = {(row["what"], row["name"]) for row in found.to_pylist()}
        return self._known

    def dump(self) -> dict[str, NDArray[np.uint8]]:
        """For a snapshot."""
        return {
            "story": text_array(
                {
                    "clusters": [one.dump() for _, one in sorted(self.clusters.items())],
                    "incidents": {
                        name: machine.dump() for name, machine in sorted(self.incidents.items())
                    },
                }
            )
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """What `dump` gave."""
        rest = plain(state["story"])
        self.clusters = {one["cluster_id"]: Cluster(**one) for one in rest["clusters"]}
        for name, rows in rest["incidents"].items():
            self.incidents[name] = machine = Incidents(self._rules)
            machine.load(rows)


def _state(verdict: Judged, incident: Incident | None) -> str:
    if incident is not None and incident.state != "resolved":
        return "open"
    if verdict.held == "known group":
        return "known"
    return "watched"
