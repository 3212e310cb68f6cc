"""The schema of the store: numbered SQL files, applied in order, once each.

Run at every start, before anything reads or writes. `schema_migrations` in the store says what
was applied. A file is recorded after its last statement; a program that died in the middle runs
the whole file again, so every statement must be one that can be run twice, and `parsed` sees to
that (`CREATE` gets its `IF NOT EXISTS` here, what cannot be repeated is refused).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable

import pyarrow as pa

from streams.errors import SchemaTooNew, StoreError
from streams.storage.base import Store

__all__ = ["Migration", "apply_retention", "check", "load", "migrate", "parsed"]

#: Tables whose rows are kept for the setting `retention_days`, from their arrival.
RETAINED = ("events", "dead_letters", "ingest_log")

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_END = re.compile(r";\s*$", re.MULTILINE)
_CREATE = re.compile(
    r"^CREATE (TABLE|VIEW|MATERIALIZED VIEW|DICTIONARY) (?!IF NOT EXISTS )", re.IGNORECASE
)
_REPEATABLE = re.compile(
    r"^(CREATE (TABLE|VIEW|MATERIALIZED VIEW|DICTIONARY) IF NOT EXISTS "
    r"|CREATE OR REPLACE (VIEW|FUNCTION|DICTIONARY) |DROP \w+ IF EXISTS "
    r"|ALTER TABLE \S+ ((ADD|DROP|RENAME|CLEAR) (COLUMN|INDEX|PROJECTION|CONSTRAINT) IF "
    r"|MODIFY |MATERIALIZE |COMMENT ))",
    re.IGNORECASE,
)
_TTL = re.compile(r"\bTTL (.+?) \+ toIntervalDay\((\d+)\)")
_CREATE_LOG = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree ORDER BY version"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file; `checksum` ignores comments and white space."""

    version: int
    name: str
    statements: tuple[str, ...]
    checksum: str

    @property
    def label(self) -> str:
        return f"{self.version:04d}_{self.name}"


def load(directory: Traversable | None = None) -> list[Migration]:
    """All migrations of this program, in order, numbered from 1 without a gap."""
    directory = files("deploy").joinpath("migrations") if directory is None else directory
    found = []
    for file in directory.iterdir():
        if named := _FILE.fullmatch(file.name):
            text = file.read_text(encoding="utf-8")
            found.append(parsed(int(named.group(1)), named.group(2), text))
    found.sort(key=lambda migration: migration.version)
    for place, migration in enumerate(found, start=1):
        if migration.version != place:
            raise StoreError(f"migrations: {migration.label} found where {place:04d} was expected")
    return found


def parsed(version: int, name: str, text: str) -> Migration:
    """A migration from the text of its file: statements end with `;` at the end of a line.

    Raises:
        StoreError: a statement that could not be run a second time after a crash.
    """
    statements = []
    for statement in _END.split(_COMMENT.sub("", text)):
        if statement := statement.strip():
            statement = _CREATE.sub(r"CREATE \1 IF NOT EXISTS ", statement)
            if not _REPEATABLE.match(" ".join(statement.split())):
                first = statement.splitlines()[0]
                raise StoreError(
                    f"migration {version:04d}_{name}: expected a statement that can be run twice "
                    f"(CREATE, DROP ... IF EXISTS, ALTER TABLE ... IF [NOT] EXISTS), got {first!r}"
                )
            statements.append(statement)
    canonical = ";\n".join(" ".join(statement.split()) for statement in statements)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return Migration(version, name, tuple(statements), digest)


def migrate(
    store: Store, retention_days: int | None = None, migrations: list[Migration] | None = None
) -> list[str]:
    """Bring the store to this program's schema; the labels of the migrations applied now.

    Changes nothing when there is nothing to do, and can be run again wherever it was interrupted.
    `retention_days` is how long the tables in `RETAINED` keep rows; None leaves them as they are.

    Raises:
        SchemaTooNew: the store was migrated by a newer program.
        StoreError: an applied migration was changed since, or ClickHouse refused a statement.
    """
    migrations = load() if migrations is None else migrations
    store.command(_CREATE_LOG)
    applied = _applied(store)
    _refuse_foreign(applied, migrations)
    done = []
    for migration in migrations:
        if migration.version in applied:
            continue
        for statement in migration.statements:
            store.command(statement)
        store.insert("schema_migrations", _log_row(migration))
        done.append(migration.label)
    if retention_days is not None:
        apply_retention(store, retention_days)
    return done


def check(store: Store, migrations: list[Migration] | None = None) -> None:
    """The store has exactly this program's schema.

    Raises:
        SchemaTooNew: it is newer.
        StoreError: it is older, or an applied migration was changed since.
    """
    migrations = load() if migrations is None else migrations
    exists = store.query(
        "SELECT count() AS n FROM system.tables WHERE database = "
        "currentDatabase() AND name = 'schema_migrations'"
    )["n"][0].as_py()
    applied = _applied(store) if exists else {}
    _refuse_foreign(applied, migrations)
    if len(applied) < len(migrations):
        known = max(applied, default=0)
        raise StoreError(
            f"the store has schema {known:04d}, this program needs {len(migrations):04d}: "
            "run pulse migrate"
        )


def apply_retention(store: Store, days: int, tables: Iterable[str] = RETAINED) -> list[str]:
    """Set the TTL of `tables` to `days` where it differs; the tables that were altered."""
    altered = []
    for table in tables:
        rows = store.query(
            "SELECT engine_full FROM system.tables "
            "WHERE database = currentDatabase() AND name = {table}",
            {"table": table},
        )
        found = _TTL.search(rows["engine_full"][0].as_py()) if rows.num_rows else None
        if found is None:
            raise StoreError(f"table {table}: expected a TTL of whole days; run pulse migrate")
        if int(found.group(2)) != days:
            store.command(
                f"ALTER TABLE {table} MODIFY TTL {found.group(1)} + toIntervalDay({int(days)})"
            )
            altered.append(table)
    return altered


def _applied(store: Store) -> dict[int, tuple[str, str]]:
    """Version -> name and checksum of what the store has."""
    rows = store.query("SELECT version, name, checksum FROM schema_migrations FINAL")
    columns = (rows[name].to_pylist() for name in ("version", "name", "checksum"))
    return {version: (name, digest) for version, name, digest in zip(*columns, strict=True)}


def _refuse_foreign(applied: dict[int, tuple[str, str]], migrations: list[Migration]) -> None:
    newest = max(applied, default=0)
    if newest > len(migrations):
        raise SchemaTooNew(
            f"the store has schema {newest:04d}, this program knows up to "
            f"{len(migrations):04d}: upgrade usage-pulse"
        )
    for migration in migrations:
        name, digest = applied.get(migration.version, (migration.name, migration.checksum))
        if digest != migration.checksum:
            raise StoreError(
                f"migration {migration.label}: its text is not the one this store was made with "
                f"(as {migration.version:04d}_{name}); add a new migration instead of changing it"
            )


def _log_row(migration: Migration) -> pa.Table:
    return pa.table(
        {
            "version": pa.array([migration.version], pa.uint32()),
            "name": [migration.name],
            "checksum": [migration.checksum],
            "applied_at": pa.array([datetime.now(UTC)], pa.timestamp("ms", "UTC")),
        }
    )
