"""Embedded stores for a test: with this version's tables, and with nothing in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate

__all__ = ["emptied", "fresh_store"]


@contextmanager
def fresh_store(directory: Path) -> Iterator[ChdbStore]:
    """A migrated one of its own, closed at the end."""
    store = ChdbStore(directory)
    try:
        migrate(store)
        yield store
    finally:
        store.close()


def emptied(store: ChdbStore) -> ChdbStore:
    """`store` without what a partition writes into it: faster than another one."""
    for table in ("events", "ingest_log", "streams", "account_state", "fold_snapshots"):
        store.command(f"TRUNCATE TABLE {table}")
    for table in ("findings", "incident_log", "alerts", "account_minute_parts", "dead_letters"):
        store.command(f"TRUNCATE TABLE {table}")
    return store
