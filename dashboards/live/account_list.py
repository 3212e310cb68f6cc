"""Which accounts a viewer asks for, as it stands in the address, and the questions to the store.

The busiest of a range come from the roll-up, a page at a time; what else is shown (organisation,
incidents, the past for a chart) is asked for the accounts of that page only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dashboards.live.lists import address, page_of, text_of
from dashboards.live.model import Row
from dashboards.live.read import Reader
from dashboards.live.series import MINUTE, Point, runs_outside, usual
from dashboards.live.viewed import length_ms

__all__ = ["ANY", "ORDERS", "PAGE", "Asked", "Found", "Past", "asked", "find", "past"]

#: Accounts on one page.
PAGE: Final = 40
#: The range that has no start.
ANY: Final = "any"
#: What comes first, as in the address and in words, and the columns it is counted from.
ORDERS: Final = (
    ("requests", "requests"),
    ("tokens", "tokens out"),
    ("errors", "errors and 429s"),
    ("last", "last seen"),
)
_BY: Final = {
    "requests": "requests",
    "tokens": "tokens",
    "errors": "errors + throttled",
    "last": "last_seen",
}
_HOUR: Final = 60 * MINUTE
_DAY: Final = 24 * _HOUR
_BUCKETS: Final = 40  # of a small chart, about

# From the parts of the roll-up, not from its view: sums of sums are the same, and cheaper.
_BUSIEST: Final = """
SELECT *, count() OVER () AS accounts
FROM (
    SELECT p.account_id AS account_id, sum(p.requests) AS requests,
        sum(p.completion_tokens) AS tokens, sum(p.errors) AS errors,
        sum(p.throttled) AS throttled, toUnixTimestamp(max(p.minute)) * 1000 AS last_seen
    FROM account_minute_parts AS p
    WHERE {where}
    GROUP BY account_id
)
ORDER BY {order} DESC, account_id
LIMIT {limit} OFFSET {offset}"""
_ORGS: Final = """
SELECT account_id, argMax(org_id, ts) AS org_id
FROM events
WHERE account_id IN {ids} AND ts >= fromUnixTimestamp64Milli({since}, 'UTC')
GROUP BY account_id"""
_OPEN: Final = """
SELECT i.account_id AS account_id, count() AS incidents,
    argMax(i.incident_id, i.started_at) AS incident_id
FROM incidents AS i
LEFT JOIN incident_people AS p ON p.incident_id = i.incident_id
WHERE i.account_id IN {ids} AND i.state != 'resolved' AND p.resolved_at <= p.reopened_at
GROUP BY account_id"""
_PAST: Final = """
SELECT account_id, groupArray(at) AS times, groupArray(requests) AS requests
FROM (
    SELECT p.account_id AS account_id,
        intDiv(toUnixTimestamp(p.minute), {step}) * {step} * 1000 AS at,
        sum(p.requests) AS requests
    FROM account_minute_parts AS p
    WHERE p.account_id IN {ids} AND p.minute >= {start} AND p.minute < {end}
    GROUP BY account_id, at
)
GROUP BY account_id"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the viewer wants to see; empty means all."""

    text: str = ""
    org: str = ""
    last: str = ""
    order: str = "requests"
    page: int = 1

    def address(self, **changes: str | int) -> str:
        """Where the list with these changes is."""
        values: dict[str, str | int] = {
            "q": self.text,
            "org": self.org,
            "last": self.last,
            "order": self.order if self.order != "requests" else "",
            "p": self.page if self.page > 1 else "",
            **changes,
        }
        return address("/accounts", values)

    @property
    def span(self) -> str:
        """The range that is meant: who searches for a name wants the account whenever it was
        active, who does not the busiest of now."""
        return self.last or (ANY if self.text else "1h")

    @property
    def length(self) -> int | None:
        """Of the range (ms); None where it has no start."""
        return None if self.span == ANY else length_ms(self.span)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of the list in order, how many accounts there are, and their pasts by name."""

    rows: list[Row]
    number: int
    orgs: Mapping[str, str]
    incidents: Mapping[str, Row]
    pasts: Mapping[str, Past]


@dataclass(frozen=True, slots=True)
class Past:
    """Requests of an account over the range in steps, against the time before.

    `usual` is what it sends in such a range on average; None where too little is known of it.
    """

    points: list[Point]
    band: tuple[float, float] | None
    outside: list[tuple[int, int]]
    usual: float | None

    @property
    def unusual(self) -> bool:
        """Whether it is outside its usual range at the end."""
        return bool(self.outside) and self.outside[-1][1] >= self.points[-1][0]


def asked(query: Mapping[str, str]) -> Asked:
    """From the address; nonsense means what is shown first."""
    last, order = text_of(query, "last"), text_of(query, "order")
    return Asked(
        text=text_of(query, "q"),
        org=text_of(query, "org"),
        last=last if last == ANY or length_ms(last) else "",
        order=order if order in _BY else "requests",
        page=page_of(query),
    )


async def find(what: Asked, end: int, reader: Reader) -> Found:
    """The page that is asked for; `end` (epoch ms, a whole minute) is where the range ends."""
    where, parameters = _where(what, end)
    sql = _BUSIEST.replace("{where}", where).replace("{order}", _BY[what.order])
    page = {"limit": PAGE, "offset": (what.page - 1) * PAGE}
    rows = await reader.ask(sql, {**parameters, **page})
    if not rows:
        return Found([], 0, {}, {}, {})
    ids = [str(row["account_id"]) for row in rows]
    start, before, step = _drawn(what, end)
    named = {"ids": ids}
    orgs, incidents, pasts = await asyncio.gather(
        reader.ask(_ORGS, {**named, "since": min(int(row["last_seen"]) for row in rows)}),
        reader.ask(_OPEN, named),
        reader.ask(
            _PAST,
            {**named, "step": step // 1000, "start": before // 1000, "end": end // 1000},
        ),
    )
    return Found(
        rows,
        int(rows[0]["accounts"]),
        {row["account_id"]: row["org_id"] for row in orgs},
        {row["account_id"]: row for row in incidents},
        {
            row["account_id"]: past(
                list(zip(row["times"], row["requests"], strict=True)), before, start, end, step
            )
            for row in pasts
        },
    )


def _where(what: Asked, end: int) -> tuple[str, dict[str, Any]]:
    parts, parameters = ["1"], dict[str, Any]()
    start = end - what.length if what.length else 0
    if start:
        parts.append("p.minute >= {start}")
        parameters["start"] = start // 1000
    if what.text:
        parts.append("positionCaseInsensitiveUTF8(p.account_id, {text}) > 0")
        parameters["text"] = what.text
    if what.org:
        parts.append(
            "p.account_id IN (SELECT account_id FROM events "
            "WHERE positionCaseInsensitiveUTF8(org_id, {org}) > 0 "
            "AND ts >= fromUnixTimestamp64Milli({since}, 'UTC') GROUP BY account_id)"
        )
        parameters |= {"org": what.org, "since": start}
    return " AND ".join(parts), parameters


def _drawn(what: Asked, end: int) -> tuple[int, int, int]:
    """Start of the small chart, start of what it is held against, and its step (epoch ms, ms)."""
    length = min(what.length or _DAY, 7 * _DAY)
    step = max(length // _BUCKETS // MINUTE, 1) * MINUTE
    before = _DAY if length <= _HOUR else 7 * _DAY if length <= _DAY else 28 * _DAY
    start = (end - length) // step * step
    return start, (start - before) // step * step, step


def past(sums: Sequence[Point], before: int, start: int, end: int, step: int) -> Past:
    """Sums by the start of their step, from `before` to `end`; steps without a row count zero."""
    known = dict(sums)
    first = max(before, min(known, default=start))
    history = [(at, float(known.get(at, 0))) for at in range(first, start, step)]
    points = [(at, float(known.get(at, 0))) for at in range(start, end, step)]
    # The step that is still running is left out where it would only pretend a fall.
    if len(points) > 1 and points[-1][0] + step >= end and points[-1][1] < points[-2][1]:
        points.pop()
    band = usual(history)
    return Past(
        points,
        band,
        _far(points, band) if band else [],
        sum(value for _, value in history) / len(history) * len(points) if band else None,
    )


def _far(points: Sequence[Point], band: tuple[float, float]) -> list[tuple[int, int]]:
    """Spans clearly outside: of forty steps a few leave the range of nine in ten by chance."""
    low, high = band
    margin = max(high - low, high * 0.25, 3.0)
    return runs_outside(points, (low - margin, high + margin), least=1)
