"""The store of the panels' benchmark: millions of events and all that follows, kept between runs.

    known = opened(directory, Wanted(events=10_000_000), say)

The first time it is filled; later runs find it, and migrate it when the schema has moved on. Where
it stands and how much it holds says the file `panels.json` beside the store's own.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from streams.storage.base import expand
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.bench.panel_events import HOUR_MS, account, hours, insert_hour
from tests.bench.panel_rows import ROWS

__all__ = ["Known", "Wanted", "opened"]

_DAY_MS = 24 * HOUR_MS
_MARK = "panels.json"
_MERGED_WITHIN_S = 900.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much is stored."""

    events: int = 10_000_000
    accounts: int = 100_000
    days: int = 14


@dataclass(frozen=True, slots=True)
class Known:
    """A store that holds what was wanted; `end_ms` is the end of its time."""

    store: ChdbStore
    end_ms: int
    account: str  # the busiest
    org: str  # its organisation
    cluster: str  # the largest


def opened(directory: Path, wanted: Wanted, say: Callable[[str], None]) -> Known:
    """The store in `directory`, filled when it is not yet; `say` hears how far it is."""
    mark = directory / _MARK
    found = json.loads(mark.read_text(encoding="utf-8")) if mark.exists() else {}
    end = found.get("end_ms", 0)
    if {name: found.get(name) for name in asdict(wanted)} != asdict(wanted):
        shutil.rmtree(directory, ignore_errors=True)
        end = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
        store = ChdbStore(directory / "data")
        migrate(store)
        _events(store, wanted, end, say)
        _rest(store, wanted, end, say)
        mark.write_text(json.dumps({**asdict(wanted), "end_ms": end}), encoding="utf-8")
    else:
        store = ChdbStore(directory / "data")
        for label in migrate(store):
            say(f"migrated to {label}")
    _merged(store, say)
    return Known(store, end, account(1), "org-00", "c-0")


def _events(store: ChdbStore, wanted: Wanted, end: int, say: Callable[[str], None]) -> None:
    first, began = 0, time.monotonic()
    plan = hours(wanted.events, end, wanted.days)
    for number, (start, count) in enumerate(plan):
        insert_hour(store, start, first, count, wanted.accounts)
        first += count
        if number % 24 == 23:
            rate = first / (time.monotonic() - began)
            say(f"{first:,} of {wanted.events:,} events, {rate:,.0f} a second")


def _rest(store: ChdbStore, wanted: Wanted, end: int, say: Callable[[str], None]) -> None:
    parameters = {"end": end, "days": wanted.days, "accounts": wanted.accounts}
    for table, sql in ROWS:
        for more in _times(sql, end, wanted.days):
            store.command(expand(sql, {**parameters, **more}))
        say(f"{table} filled")


def _times(sql: str, end: int, days: int) -> list[dict[str, int]]:
    """What an INSERT is made again with: tables by day or partition take one of them at a time."""
    if "{partition}" in sql:
        return [{"partition": number} for number in range(4)]
    if "{day}" not in sql:
        return [{}]
    first = (end - days * _DAY_MS) // _DAY_MS
    spans = [(day * _DAY_MS, (day + 1) * _DAY_MS) for day in range(first, end // _DAY_MS + 1)]
    return [{"day": a, "until": min(b, end)} for a, b in spans if a < end]


def _merged(store: ChdbStore, say: Callable[[str], None]) -> None:
    """Wait until the merges that a store does by itself have come to rest."""
    until, quiet = time.monotonic() + _MERGED_WITHIN_S, 0
    while quiet < 5 and time.monotonic() < until:
        running = store.query("SELECT count() AS n FROM system.merges")["n"][0].as_py()
        quiet = 0 if running else quiet + 1
        time.sleep(0.4)
    rows = store.query(
        "SELECT table, count() AS parts, sum(p.rows) AS rows, sum(bytes_on_disk) AS bytes "
        "FROM system.parts AS p WHERE active AND database = currentDatabase() "
        "AND p.rows > 100000 GROUP BY table ORDER BY bytes DESC"
    )
    for row in rows.to_pylist():
        say(f"{row['table']}: {row['rows']:,} rows in {row['parts']} parts, {row['bytes']:,} bytes")
