"""The projection by minute: it holds what the table holds, and the boards are answered from it."""

from __future__ import annotations

import pytest

from dashboards.boards.all import all_boards
from dashboards.model.macros import Span, expand
from streams.storage.base import Store
from tests.support.event_rows import event_rows

_MINUTE_MS = 60_000
_START = 1_767_225_600_000
#: Panels over the whole fleet that must not read every event of a month.
BY_MINUTE = (
    *("oncall.requests", "oncall.tokens", "oncall.errors", "oncall.throttled"),
    *("oncall.short_outputs", "oncall.flagged", "content.by_category", "content.by_length"),
    *("content.by_cohort", "quotas.throttled", "quotas.use_cases", "quotas.endpoints"),
)
_SUMS = (
    "SELECT toStartOfMinute(ts) AS minute, use_case, model, endpoint, verdict, count() AS n, "
    "sum(completion_tokens) AS tokens FROM events "
    "GROUP BY minute, use_case, model, endpoint, verdict "
    "ORDER BY minute, use_case, model, endpoint, verdict SETTINGS optimize_use_projections = {use}"
)
QUERIES = {panel.query.name: panel.query for one in all_boards() for panel in one.panels}


def both(store: Store) -> tuple[list[object], list[object]]:
    """The sums from the projection, and from the rows."""
    found, counted = (store.query(_SUMS, {"use": use}).to_pylist() for use in (1, 0))
    return found, counted


def test_what_is_stored_twice_counts_once(store: Store) -> None:
    rows = event_rows(500, seed=21, start=_START)
    for _ in range(3):
        store.insert("events", rows, "once")
    store.insert("events", event_rows(300, seed=22, start=_START), "another")
    store.command("OPTIMIZE TABLE events FINAL")
    found, counted = both(store)
    assert found == counted
    assert sum(row["n"] for row in found) == 800  # type: ignore[index]


def test_a_row_that_is_deleted_is_gone_from_it(store: Store) -> None:
    store.insert("events", event_rows(200, seed=23, start=_START), "some")
    store.command("DELETE FROM events WHERE account_id = 'acct-1'")
    found, counted = both(store)
    assert found == counted != []


@pytest.mark.parametrize("name", BY_MINUTE)
def test_boards_are_answered_from_it(store: Store, name: str) -> None:
    for seed in range(24, 26):
        store.insert("events", event_rows(20_000, seed=seed, start=_START), f"many-{seed}")
    sql = expand(QUERIES[name].sql, Span(_START - _MINUTE_MS, _START + 3600_000, 60))
    plan = "\n".join(store.query("EXPLAIN " + sql)["explain"].to_pylist())
    assert "by_minute" in plan
