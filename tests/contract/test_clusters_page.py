"""The live page of a cluster's incident: what a person on call reads, out of the real tables."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from streams.status import Status
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.rings import MEMBERS, clear, keeper, now, ring_and_crowd
from tests.unit.test_page_server import Worker, read, served


class Stored(Worker):
    """A worker with a real store behind it."""

    def __init__(self, store: ChdbStore, status: Status) -> None:
        super().__init__()
        self.now = status.snapshot()
        self.store = store

    async def query(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.store.query(sql, dict(parameters)).to_pylist()
        return rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    """An embedded one without anything in it."""
    found = ChdbStore(tmp_path)
    migrate(found)
    clear(found)
    yield found
    found.close()


def test_the_incident_of_a_ring_names_its_members_and_what_ties_them(store: ChdbStore) -> None:
    meetings = ring_and_crowd(store)
    meetings.close(meetings.last)
    watch = keeper(store)
    watch.follow()
    status = Status("worker", now)
    status.groups = watch.groups
    (incident,) = store.query("SELECT incident_id, sentence FROM incidents").to_pylist()
    (cluster,) = store.query("SELECT sql FROM clusters WHERE incident_id != ''").to_pylist()

    async def scenario() -> None:
        async with served(Stored(store, status)) as (_, client):
            code, text = await read(client, "/")
            assert code == 200
            assert incident["sentence"] in text
            assert "joint actions; about" in text
            code, text = await read(client, f"/incident/{incident['incident_id']}")
            assert code == 200
            assert incident["sentence"] in text
            for member in MEMBERS:
                assert f'href="/account/{member}"' in text
            assert "was tied" not in text
            assert "there from the start" in text
            assert "tied to the group" in text
            assert "pill-0" in text
            assert "Founded" in text
            assert cluster["sql"][:40] in text

    asyncio.run(scenario())
