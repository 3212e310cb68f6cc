"""The minutes that the small charts of a list draw: one question for all of its incidents.

Stands between the incidents of a page and `against.py`. An account has rows of its own; those of a
cluster's incident are the sums of its members.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dashboards.live.against import drawable, span, subject
from dashboards.live.model import Incident, Row, Status
from dashboards.live.read import MINUTES, Reader
from dashboards.live.series import MINUTE

__all__ = ["minutes_of"]

_ACCOUNT: Final = "(account_id = {subject} AND minute BETWEEN {start} AND {end})"
_GROUP: Final = """
SELECT {subject} AS account_id, toUnixTimestamp(minute) * 1000 AS at, sum(m.requests) AS requests,
       sum(m.prompt_tokens) AS prompt_tokens, sum(m.completion_tokens) AS completion_tokens,
       sum(m.errors) AS errors, sum(m.throttled) AS throttled,
       sum(m.short_outputs) AS short_outputs
FROM account_minute AS m
WHERE m.minute BETWEEN {start} AND {end} AND m.account_id IN (
    SELECT cm.account_id FROM cluster_members AS cm
    INNER JOIN clusters AS c ON c.cluster_id = cm.cluster_id
    WHERE c.incident_id = {subject} AND cm.left_at IS NULL)
GROUP BY m.minute ORDER BY m.minute"""


async def minutes_of(
    reader: Reader, status: Status, incidents: Sequence[Incident], least: int
) -> list[Row]:
    """Rows of minutes around each incident that can be drawn; `account_id` is its subject."""
    parts, groups, parameters = [], [], dict[str, Any]()
    for index, incident in enumerate(one for one in incidents if drawable(one)):
        start, end = span(status, incident, least)
        # Whole minutes only: the same question is asked again and answered from memory.
        values = {"subject": subject(incident), "start": start // MINUTE * 60}
        values["end"] = end // MINUTE * 60
        names = {name: f"{{{name}{index}}}" for name in values}
        parameters |= {f"{name}{index}": value for name, value in values.items()}
        if incident["account_id"]:
            parts.append(
                "(account_id = {subject} AND minute BETWEEN {start} AND {end})".format(**names)
            )
        else:
            groups.append(_GROUP.format(**names))
    asked = [MINUTES.replace("{where}", " OR ".join(parts))] if parts else []
    asked += groups
    if not asked:
        return []
    sql = asked[0] if len(asked) == 1 else " UNION ALL ".join(f"({one.strip()})" for one in asked)
    return await reader.ask(sql, parameters)
