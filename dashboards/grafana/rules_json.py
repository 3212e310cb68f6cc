"""Alert rules of the model as Grafana's, for the file provisioning and the provisioning API."""

from __future__ import annotations

from typing import Any, Final

from dashboards.grafana.query import ClickHouseQuery
from dashboards.model.rule import Rule

__all__ = ["DATASOURCE_UID", "FOLDER_UID", "GROUPS", "rule_json"]

#: Of the provisioned datasource: rules cannot use a variable.
DATASOURCE_UID: Final = "usage-pulse-clickhouse"
FOLDER_UID: Final = "usage-pulse"
#: Name of a group, seconds between evaluations, and how the uids of its rules begin.
GROUPS: Final = (("incidents", 10, "pulse-incident-"), ("system", 30, "pulse-"))


def rule_json(rule: Rule, runbook: str) -> dict[str, Any]:
    """As `/api/v1/provisioning/alert-rules` takes it, without folder and group.

    `runbook`: address of the runbook page, to which the section is added.
    """
    span = {"from": rule.span_s, "to": 0}
    query = ClickHouseQuery(rule.query, series=False, uid=DATASOURCE_UID).to_json()
    condition = {
        "type": "lt" if rule.below else "gte",
        "params": [rule.threshold],
    }
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "B",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": span,
                "datasourceUid": DATASOURCE_UID,
                "model": query | {"intervalMs": 60_000, "maxDataPoints": 1000},
            },
            {
                "refId": "B",
                "relativeTimeRange": {"from": 0, "to": 0},
                "datasourceUid": "__expr__",
                "model": {
                    "refId": "B",
                    "type": "threshold",
                    "datasource": {"type": "__expr__", "uid": "__expr__"},
                    "expression": "A",
                    "conditions": [{"evaluator": condition}],
                },
            },
        ],
        "for": f"{rule.for_s}s",
        "noDataState": "Alerting" if rule.no_data == "alerting" else "OK",
        "execErrState": "Error",
        "isPaused": False,
        "labels": {"severity": rule.severity, "product": "usage-pulse"},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": f"{runbook}#{rule.runbook}",
            "__dashboardUid__": rule.board,
        },
    }
