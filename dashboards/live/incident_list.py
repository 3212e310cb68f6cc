"""Which incidents a viewer asks for, as it stands in the address, and the questions to the store.

Pages of the list are cut by the store: first the identities of one page by narrow columns, then
the whole rows of those. A list of a hundred thousand costs as little as one of ten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dashboards.live.lists import address, page_of, text_of
from dashboards.live.model import Row
from dashboards.live.read import Reader
from dashboards.live.viewed import length_ms
from dashboards.queries.parts import GROUPED

__all__ = ["PAGE", "STATES", "Asked", "Found", "asked", "find"]

#: Incidents on one page.
PAGE: Final = 25
#: How an incident stands, as in the address and in words; the first is shown where none is asked.
STATES: Final = (
    ("unresolved", "unresolved"),
    ("open", "open, nobody has it"),
    ("acknowledged", "acknowledged"),
    ("grouped", "in a cluster"),
    ("resolved", "resolved"),
    ("any", "all"),
)
_INSIDE: Final = {
    "unresolved": ("open", "acknowledged"),
    "any": ("open", "acknowledged", "grouped", "resolved"),
}

# What a person decided counts until a person takes it back. What members of a cluster with an open
# incident do is a part of that one, as on the first page.
_STANDING: Final = """
SELECT i.incident_id AS incident_id, i.started_at AS started_at, i.severity AS severity,
    multiIf(
        i.state = 'resolved' OR p.resolved_at > p.reopened_at, 'resolved',
        p.acknowledged_at > p.reopened_at, 'acknowledged',
        {grouped}, 'grouped',
        'open'
    ) AS standing
FROM incidents AS i
LEFT JOIN incident_people AS p ON p.incident_id = i.incident_id
WHERE {where}""".replace("{grouped}", GROUPED)
_COUNTS: Final = "SELECT standing, count() AS incidents FROM ({standing}) GROUP BY standing"
_PAGE: Final = """
SELECT incident_id FROM ({standing})
WHERE standing IN {states}
ORDER BY standing = 'resolved', if(standing = 'resolved', 0, severity != 'high'),
    started_at DESC, incident_id
LIMIT {limit} OFFSET {offset}"""
_WHOLE: Final = """
SELECT i.incident_id AS incident_id, i.kind AS kind, i.detector AS detector,
    i.account_id AS account_id, i.org_id AS org_id,
    if(p.resolved_at > p.reopened_at, 'resolved', i.state) AS state, i.severity AS severity,
    toUnixTimestamp64Milli(i.started_at) AS started_at,
    toUnixTimestamp64Milli(i.last_seen_at) AS last_seen_at, i.metric AS metric,
    i.window_s AS window_s, i.peak_observed AS observed, i.expected AS expected,
    i.p_value AS p_value, i.threshold AS threshold, i.sentence AS sentence,
    if(p.acknowledged_at > p.reopened_at, p.acknowledged_by, '') AS acknowledged_by,
    p.owner AS owner, if(p.resolved_at > p.reopened_at, p.resolved_by, '') AS resolved_by,
    r.label AS label, r.by AS labelled_by
FROM incidents AS i
LEFT JOIN (SELECT * FROM incident_people WHERE incident_id IN {ids}) AS p
    ON p.incident_id = i.incident_id
LEFT JOIN (SELECT incident_id, label, by FROM reviews WHERE incident_id IN {ids}) AS r
    ON r.incident_id = i.incident_id
WHERE i.incident_id IN {ids}"""
_VALUES: Final = """
SELECT arraySort(groupUniqArray(50)(kind)) AS kinds,
    arraySort(groupUniqArray(300)(org_id)) AS orgs,
    arraySort(groupUniqArray(10)(severity)) AS severities
FROM incident_log"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the viewer wants to see; empty means all."""

    state: str = "unresolved"
    severity: str = ""
    kind: str = ""
    org: str = ""
    text: str = ""
    last: str = ""
    page: int = 1

    def address(self, **changes: str | int) -> str:
        """Where the list with these changes is."""
        values: dict[str, str | int] = {
            "state": self.state if self.state != "unresolved" else "",
            "severity": self.severity,
            "kind": self.kind,
            "org": self.org,
            "q": self.text,
            "last": self.last,
            "p": self.page if self.page > 1 else "",
            **changes,
        }
        return address("/incidents", values)

    @property
    def narrowed(self) -> bool:
        """Whether more than the state is asked for."""
        return bool(self.severity or self.kind or self.org or self.text or self.last)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of the list: its rows in order, how many stand how, and what can be chosen."""

    rows: list[Row]
    counts: Mapping[str, int]
    kinds: list[str]
    orgs: list[str]
    severities: list[str]

    def number(self, state: str) -> int:
        """How many there are in a state of STATES."""
        return sum(self.counts.get(one, 0) for one in _INSIDE.get(state, (state,)))


def asked(query: Mapping[str, str]) -> Asked:
    """From the address; nonsense means what is shown first."""
    state, last = text_of(query, "state"), text_of(query, "last")
    return Asked(
        state=state if state in dict(STATES) else "unresolved",
        severity=text_of(query, "severity"),
        kind=text_of(query, "kind"),
        org=text_of(query, "org"),
        text=text_of(query, "q"),
        last=last if length_ms(last) else "",
        page=page_of(query),
    )


async def find(what: Asked, now: int, reader: Reader) -> Found:
    """The page that is asked for; `now` (epoch ms) is where "the last hour" ends."""
    where, parameters = _where(what, now)
    standing = _STANDING.replace("{where}", where)
    chosen = {
        "states": list(_INSIDE.get(what.state, (what.state,))),
        "limit": PAGE,
        "offset": (what.page - 1) * PAGE,
    }
    counts, page, values = await asyncio.gather(
        reader.ask(_COUNTS.replace("{standing}", standing), parameters),
        reader.ask(_PAGE.replace("{standing}", standing), {**parameters, **chosen}),
        reader.ask(_VALUES, {}),
    )
    ids = [str(row["incident_id"]) for row in page]
    whole = await reader.ask(_WHOLE, {"ids": ids}) if ids else []
    by_id = {row["incident_id"]: row for row in whole}
    first = values[0] if values else {"kinds": [], "orgs": [], "severities": []}
    return Found(
        [by_id[one] for one in ids if one in by_id],
        {row["standing"]: int(row["incidents"]) for row in counts},
        *([one for one in first[name] if one] for name in ("kinds", "orgs", "severities")),
    )


def _where(what: Asked, now: int) -> tuple[str, dict[str, Any]]:
    parts, parameters = ["1"], dict[str, Any]()
    columns = {"severity": "i.severity", "kind": "i.kind", "org": "i.org_id"}
    for name, column in columns.items():
        if chosen := getattr(what, name):
            parts.append(f"{column} = {{{name}}}")
            parameters[name] = chosen
    if length := length_ms(what.last):
        # Whole minutes: the same question is asked again and answered from memory.
        parameters["since"] = (now - length) // 60_000 * 60_000
        parts.append("i.started_at >= fromUnixTimestamp64Milli({since}, 'UTC')")
    if what.text:
        parts.append(
            "(positionCaseInsensitiveUTF8(i.account_id, {text}) > 0 "
            "OR positionCaseInsensitiveUTF8(i.sentence, {text}) > 0 OR i.incident_id = {text})"
        )
        parameters["text"] = what.text
    return " AND ".join(parts), parameters
