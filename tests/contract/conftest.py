"""The stores of the contract suite: the embedded one, and a server behind real TCP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.storage.base import Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from streams.storage.server_store import ServerStore
from tests.support.clickhouse_server import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A running test server; tests that gave it orders take them back."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture(scope="module", params=["embedded", "server"])
def migrated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    store: Store
    if request.param == "embedded":
        store = ChdbStore(tmp_path_factory.mktemp("embedded"))
    else:
        store = ServerStore(request.getfixturevalue("server").url)
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def store(migrated: Store) -> Store:
    """A migrated store, with the tables of the contract suite empty."""
    for table in ("events", "account_minute_parts"):
        migrated.command(f"TRUNCATE TABLE {table}")
    migrated.command("DROP TABLE IF EXISTS every_type")
    return migrated


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A directory of one test."""
    return tmp_path
