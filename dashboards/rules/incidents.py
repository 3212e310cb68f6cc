"""Rules over incidents: one family, by severity. One incident, not ten: what is silenced or
resolved by hand is not told, nor what members of a cluster with an incident of its own do.

A team that has its alerts from Grafana needs no other sender; one that has the direct notifications
switches these off (`pulse dashboards build --without-incident-rules`).
"""

from __future__ import annotations

from typing import Final

from dashboards.boards.parts import ONCALL
from dashboards.model.query import Column, Query
from dashboards.model.rule import Rule, Severity
from dashboards.queries.parts import GROUPED

__all__ = ["RULES"]

#: The sentence is that of the alert, which does not change: labels are an alert's identity.
_SQL: Final = """
SELECT i.incident_id AS incident, any(i.account_id) AS account, any(i.org_id) AS org,
    any(i.kind) AS kind, if(min(a.sentence) = '', any(i.sentence), min(a.sentence)) AS sentence,
    toFloat64(1) AS value
FROM incidents AS i
LEFT JOIN incident_people AS p ON p.incident_id = i.incident_id
LEFT JOIN (SELECT incident_id, min(sentence) AS sentence FROM alerts GROUP BY incident_id) AS a
    ON a.incident_id = i.incident_id
WHERE i.severity = '{severity}' AND i.state != 'resolved' AND p.resolved_at <= p.reopened_at
    AND i.incident_id NOT IN (
        SELECT incident_id FROM notifications
        WHERE state IN ('silenced', 'grouped') AND event = 'opened')
    AND NOT ({grouped})
GROUP BY incident
ORDER BY incident
LIMIT 200"""

_COLUMNS: Final = (
    Column("incident", "text"),
    Column("account", "text"),
    Column("org", "text"),
    Column("kind", "text"),
    Column("sentence", "text"),
    Column("value", "count"),
)


def _rule(severity: Severity) -> Rule:
    return Rule(
        uid=f"pulse-incident-{severity}",
        title=f"Misuse, severity {severity}",
        query=Query(
            name=f"rule.incidents_{severity}",
            sql=_SQL.replace("{severity}", severity).replace("{grouped}", GROUPED).strip(),
            columns=_COLUMNS,
            sentence=f"One row for each open incident of severity {severity}.",
        ),
        threshold=1,
        severity=severity,
        summary="{{ $labels.sentence }}",
        description="{{ $labels.kind }} of {{ $labels.account }}; incident {{ $labels.incident }}.",
        runbook="incident",
        board=ONCALL,
    )


RULES: Final = (_rule("high"), _rule("medium"))
