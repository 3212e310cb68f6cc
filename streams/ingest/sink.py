"""Writing what a batch brought forth, so that doing it again changes nothing.

Called by a partition after its fold; the names of what is already stored are known from the
rebuild, so findings made a second time after a crash are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.features.fold import Findings
from streams.ingest import tables
from streams.storage.base import Store

__all__ = ["Known", "store_findings"]


@dataclass(slots=True)
class Known:
    """Identities already stored for a span that is being processed again."""

    findings: set[str] = field(default_factory=set)
    alerts: set[str] = field(default_factory=set)
    incidents: set[tuple[str, int]] = field(default_factory=set)

    @staticmethod
    def load(store: Store, partition: int, after: int) -> Known:
        """What may be made again by a fold that goes on after the tick `after` (epoch ms).

        That tick itself is among it: an incident that ends there, and a stride that ends there, are
        decided when the next tick is closed, and bear its time.
        """
        since = "{column} >= fromUnixTimestamp64Milli({after}, 'UTC')"
        where = f"WHERE kafka_partition = {{partition}} AND {since}"
        parameters = {"partition": partition, "after": after}

        def rows(columns: str, table: str, column: str) -> list[dict[str, object]]:
            sql = f"SELECT {columns} FROM {table} {where.replace('{column}', column)}"
            result: list[dict[str, object]] = store.query(sql, parameters).to_pylist()
            return result

        return Known(
            {str(row["finding_id"]) for row in rows("finding_id", "findings", "window_end")},
            {str(row["alert_id"]) for row in rows("alert_id", "alerts", "detected_at")},
            {
                (str(row["incident_id"]), int(str(row["version"])))
                for row in rows(
                    "incident_id, version", "incident_log", "ifNull(resolved_at, last_seen_at)"
                )
            },
        )


def store_findings(
    store: Store, found: Findings, known: Known, partition: int, token: str, now_ms: int
) -> None:
    """Rows of findings, incidents and alerts; `token` names the batch they come from.

    Alerts come last: who sees one finds its incident and its finding already there.
    """
    findings = [item for item in found.findings if item.finding_id not in known.findings]
    incidents = [
        item for item in found.incidents if (item.incident_id, item.version) not in known.incidents
    ]
    alerts = [item for item in found.alerts if item.finding.incident_id not in known.alerts]
    if findings:
        store.insert(
            "findings", tables.finding_table(findings, partition, now_ms), f"{token}:findings"
        )
    if incidents:
        rows = tables.incident_table(incidents, partition, now_ms)
        store.insert("incident_log", rows, f"{token}:incidents")
    if alerts:
        store.insert("alerts", tables.alert_table(alerts, partition, now_ms), f"{token}:alerts")
