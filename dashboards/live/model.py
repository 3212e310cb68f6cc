"""What the worker tells the page and the terminal: one status, cheap to make, and a way to query.

Times are epoch milliseconds; `None` stands where nothing is known yet.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NotRequired, TypedDict

__all__ = [
    "Budget",
    "Gap",
    "Hot",
    "Incident",
    "Memory",
    "Partition",
    "Percentiles",
    "Query",
    "Rebuilding",
    "Row",
    "Ruling",
    "Side",
    "Status",
    "StatusSource",
    "StoreSide",
    "calls",
    "is_open",
    "speaks",
]

Row = dict[str, Any]
#: `query(sql, parameters)`: rows of a SELECT on the store, `{name}` in the SQL being parameters.
Query = Callable[[str, Mapping[str, Any]], Awaitable[list[Row]]]


class Percentiles(TypedDict):
    """Milliseconds."""

    p50: float
    p99: float


class Side(TypedDict):
    """The broker as the worker last met it; the sentence says what is wrong, if anything."""

    ok: bool
    sentence: str
    since: NotRequired[int | None]


class StoreSide(Side):
    """ClickHouse as the worker last met it."""

    write_ms: float | None
    retries: NotRequired[int]


class Partition(TypedDict):
    """One partition of the topic of events."""

    partition: int
    lag: int
    watermark: int | None
    next_offset: int
    accounts: int
    bytes: NotRequired[int]


class Rebuilding(TypedDict):
    """A partition that is this worker's but not taken over yet; `since` once it is under way."""

    partition: int
    since: int | None


class Memory(TypedDict):
    """Bytes of the whole process, and what its container may take."""

    rss: int | None
    limit: int | None


class Hot(TypedDict):
    """One of the busiest accounts; `usual_5m` is None while the account warms up."""

    account_id: str
    requests_1m: int
    requests_5m: int
    tokens_5m: int
    usual_5m: float | None


class Incident(TypedDict):
    """An incident as the fold holds it; `state` is open, ongoing or resolved.

    `threshold` is infinite where nothing that was counted would have alarmed by itself.
    `part_of` is the incident of the open cluster whose member the account is, if there is one.
    """

    incident_id: str
    account_id: str
    kind: str
    detector: str
    state: str
    severity: str
    sentence: str
    started_at: int
    last_seen_at: int
    observed: float
    expected: float
    threshold: float
    p_value: float
    window_s: int
    metric: str
    part_of: NotRequired[str]


class Gap(TypedDict):
    """A span the pipeline did not see, or did not see in time."""

    started_at: int
    ended_at: int | None
    sentence: str
    partition: NotRequired[int]


class Budget(TypedDict):
    """What the policy allows in a shift, where it counts pages."""

    pages: float
    hours: float


class Ruling(TypedDict):
    """The policy that rules."""

    version: str
    problem: str
    budget: NotRequired[Budget | None]


class Status(TypedDict):
    """The worker at this moment."""

    policy: NotRequired[Ruling]
    ticks: NotRequired[int]
    scoring_s: NotRequired[float]
    last_batch: NotRequired[int | None]
    rebuilding: NotRequired[list[Rebuilding]]
    memory: NotRequired[Memory]
    coordination: NotRequired[Mapping[str, Any]]

    now: int
    started: int
    mode: str
    rate: float
    stored: int
    lag: int
    delay_ms: Percentiles | None
    alert_ms: Percentiles | None
    watermark: int | None
    accounts: int
    dead: int
    duplicates: int
    late: int
    too_late: int
    store: StoreSide
    broker: Side
    partitions: list[Partition]
    hottest: list[Hot]
    incidents: list[Incident]
    gaps: list[Gap]
    rates: list[list[float]]


#: Called from the loop that serves the page; must not block.
StatusSource = Callable[[], Mapping[str, Any]]


def is_open(incident: Incident) -> bool:
    """Whether it still goes on."""
    return incident["state"] != "resolved"


def calls(incident: Incident) -> bool:
    """Whether it calls for somebody: it is open and no part of another one that does."""
    return is_open(incident) and not incident.get("part_of")


def speaks(incident: Incident) -> bool:
    """Whether its threshold is a number a person can hold against what was seen: where the manner
    counts and not the amount, any amount would have done, or one below the usual."""
    return math.isfinite(incident["threshold"]) and incident["threshold"] > incident["expected"]
