"""Stores and a web hook for the tests of notifications; the stores are migrated once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.storage.base import Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from streams.storage.server_store import ServerStore
from tests.support.clickhouse_server import ServerProcess
from tests.support.notifying import TABLES
from tests.support.receivers import Hook, hook


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = ChdbStore(tmp_path_factory.mktemp("embedded"))
    migrate(store)
    yield store
    store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        store = ServerStore(process.url)
        migrate(store)
        yield store
        store.close()


def emptied(store: Store) -> Store:
    for table in TABLES:
        store.command(f"TRUNCATE TABLE {table}")
    return store


@pytest.fixture
def store(embedded: Store) -> Store:
    return emptied(embedded)


@pytest.fixture(params=["embedded", "server"])
def either(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return emptied(found)


@pytest.fixture
def web() -> Iterator[Hook]:
    with hook() as found:
        yield found
