"""Migrations on both stores: applied once, resumed anywhere, newer and altered ones refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from streams.errors import SchemaTooNew, StoreError
from streams.storage.base import Parameters, Store
from streams.storage.migrations import Migration, apply_retention, check, load, migrate, parsed

FIRST = "-- a table\nCREATE TABLE extra_a (n UInt8)\nENGINE = MergeTree ORDER BY n;\n"
SECOND = (
    "CREATE VIEW extra_b AS SELECT n FROM extra_a;\n"
    "ALTER TABLE extra_a ADD COLUMN IF NOT EXISTS m UInt8;"
)


class Dying:
    """A store that stops after some commands, as a killed process does."""

    def __init__(self, store: Store, commands: int) -> None:
        self._store = store
        self._left = commands

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self._store.command(sql, parameters)


@pytest.fixture
def more(store: Store) -> Iterator[list[Migration]]:
    """This program's migrations and two made up for the test, which it takes back."""
    known = load()
    yield [
        *known,
        parsed(len(known) + 1, "first", FIRST),
        parsed(len(known) + 2, "second", SECOND),
    ]
    store.command("DROP VIEW IF EXISTS extra_b")
    store.command("DROP TABLE IF EXISTS extra_a")
    store.command(
        "ALTER TABLE schema_migrations DELETE WHERE version > {known} SETTINGS mutations_sync = 2",
        {"known": len(known)},
    )


def test_migrating_again_changes_nothing(store: Store) -> None:
    assert migrate(store) == []
    check(store)
    tables = "SELECT name, create_table_query AS made FROM system.tables WHERE database = 'default'"
    before = sorted(store.query(tables).to_pylist(), key=str)
    assert migrate(store, 90) == []
    assert sorted(store.query(tables).to_pylist(), key=str) == before
    applied = store.query("SELECT count() AS n FROM schema_migrations")["n"][0].as_py()
    assert applied == len(load())


def test_wherever_it_dies_the_next_run_completes_it(store: Store, more: list[Migration]) -> None:
    labels = [migration.label for migration in more[-2:]]
    for commands in (0, 1, 2, 2):  # before the first file, in it, before the second, in it
        with pytest.raises(KeyboardInterrupt):
            migrate(Dying(store, commands), None, more)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=r"has schema \d{4}, this program needs \d{4}"):
        check(store, more)
    assert migrate(store, None, more) == labels[1:]
    check(store, more)
    assert store.query("SELECT count() AS n FROM extra_b")["n"].to_pylist() == [0]


def test_a_newer_schema_is_refused(store: Store, more: list[Migration]) -> None:
    migrate(store, None, more)
    known = len(more) - 2
    expected = (
        f"the store has schema {len(more):04d}, this program knows up to {known:04d}: "
        "upgrade usage-pulse"
    )
    for refuse in (check, migrate):
        with pytest.raises(SchemaTooNew) as raised:
            refuse(store)
        assert str(raised.value) == expected


def test_a_migration_altered_after_it_was_applied_is_refused(store: Store) -> None:
    known = load()
    altered = [dataclasses.replace(known[0], checksum="0" * 64), *known[1:]]
    for refuse in (check, lambda store, given: migrate(store, None, given)):
        with pytest.raises(StoreError, match=f"{known[0].label}: its text is not the one"):
            refuse(store, altered)


def test_the_retention_reaches_the_tables_when_it_differs(store: Store) -> None:
    def days() -> list[str]:
        rows = store.query(
            "SELECT extract(engine_full, 'toIntervalDay\\((\\d+)\\)') AS days FROM system.tables "
            "WHERE database = currentDatabase() "
            "AND name IN ('events', 'dead_letters', 'ingest_log') ORDER BY name"
        )
        return [str(value) for value in rows["days"].to_pylist()]

    assert migrate(store, 30) == []
    assert days() == ["30"] * 3
    assert apply_retention(store, 30) == []
    assert apply_retention(store, 90) == ["events", "dead_letters", "ingest_log"]
    assert days() == ["90"] * 3
