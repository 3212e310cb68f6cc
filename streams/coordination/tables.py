"""Arrow tables of what the keeper stores, in the columns of deploy/migrations/0005_clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from streams.alerting.incidents import Alert
from streams.ingest.tables import alert_table

__all__ = ["TABLES", "member_alerts", "table"]

_TIME: Final = pa.timestamp("ms", "UTC")
_WORDS: Final = pa.list_(pa.string())
_COUNTS: Final = pa.list_(pa.uint32())

_TYPES: Final[dict[str, dict[str, pa.DataType]]] = {
    "cluster_log": {
        "cluster_id": pa.string(),
        "version": pa.uint64(),
        "timeline": _TIME,
        "state": pa.string(),
        "since": _TIME,
        "found_at": _TIME,
        "last_seen_at": _TIME,
        "members": pa.uint32(),
        "joined": pa.uint32(),
        "ties": pa.uint32(),
        "coincidences": pa.uint64(),
        "kinds": _WORDS,
        "independent": pa.uint8(),
        "object_kinds": _WORDS,
        "object_values": _WORDS,
        "object_accounts": _COUNTS,
        "within_s": pa.uint32(),
        "lag_s": pa.uint32(),
        "score": pa.float64(),
        "p_value": pa.float64(),
        "chance_log10": pa.float64(),
        "severity": pa.string(),
        "held": pa.string(),
        "known_group": pa.string(),
        "owner": pa.string(),
        "parent": pa.string(),
        "merged_into": pa.string(),
        "sentence": pa.string(),
        "sql": pa.string(),
        "raster_sql": pa.string(),
        "incident_id": pa.string(),
        "policy_version": pa.string(),
        "stored_at": _TIME,
    },
    "cluster_member_log": {
        "cluster_id": pa.string(),
        "account_id": pa.string(),
        "org_id": pa.string(),
        "joined_at": _TIME,
        "version": pa.uint64(),
        "left_at": _TIME,
        "join_reason": pa.string(),
        "left_reason": pa.string(),
        "score": pa.float64(),
        "moments": pa.uint64(),
        "top_partner": pa.string(),
        "top_tie": pa.float64(),
        "stored_at": _TIME,
    },
    "cluster_tie_log": {
        "cluster_id": pa.string(),
        "account_a": pa.string(),
        "account_b": pa.string(),
        "version": pa.uint64(),
        "score": pa.float64(),
        "sync": pa.float64(),
        "lag": pa.float64(),
        "lag_s": pa.float64(),
        "coincidences": pa.uint32(),
        "kinds": pa.map_(pa.string(), pa.uint32()),
        "first_at": _TIME,
        "last_at": _TIME,
        "stored_at": _TIME,
    },
    "cluster_changes": {
        "cluster_id": pa.string(),
        "at": _TIME,
        "what": pa.string(),
        "account_id": pa.string(),
        "reason": pa.string(),
        "other": pa.string(),
        "stored_at": _TIME,
    },
    "cluster_marks": {
        "timeline": _TIME,
        "slot": _TIME,
        "groups": pa.uint32(),
        "pairs": pa.uint64(),
        "stored_at": _TIME,
    },
}
#: In the order in which they are written: who sees a cluster finds what it rests on.
TABLES: Final = ("cluster_changes", "cluster_tie_log", "cluster_member_log", "cluster_log")


def table(name: str, rows: Sequence[Mapping[str, Any]], stored_at: int) -> pa.Table:
    """Rows of one of the tables; times are epoch ms, None where there is none."""
    types = _TYPES[name]
    stored = [{**row, "stored_at": stored_at} for row in rows]
    return pa.table(
        {
            column: pa.array([row[column] for row in stored], pa.int64()).cast(_TIME)
            if kind == _TIME
            else pa.array([row[column] for row in stored], kind)
            for column, kind in types.items()
        }
    )


def member_alerts(alerts: Sequence[tuple[str, Alert]], partition: int, stored_at: int) -> pa.Table:
    """Rows of `alerts`: one a member, each under an identity of its own."""
    rows = alert_table([alert for _, alert in alerts], partition, stored_at)
    place = rows.schema.get_field_index("alert_id")
    names = pa.array([name for name, _ in alerts], pa.string())
    return rows.set_column(place, "alert_id", names)
