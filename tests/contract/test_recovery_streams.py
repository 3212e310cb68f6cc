"""A worker dies in the middle of a batch and the next one finds another stream: an embedded broker
that forgot its topic, or a topic made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from streams.ingest.partition import Partition
from streams.storage.base import Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.integration.pipeline import event
from tests.support.partitions import context, feed

LEFT = """
SELECT account_id, minute, sum(n) AS left FROM (
    SELECT account_id, minute, toInt64(requests) AS n FROM account_minute UNION ALL
    SELECT account_id, toStartOfMinute(ts), -toInt64(count()) FROM events GROUP BY ALL
) GROUP BY ALL HAVING left != 0
"""


class Death(BaseException):
    """The process is gone."""


class DiesBeforeTheMarker:
    """A store whose owner does not live to write the marker of its batch."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        if table == "ingest_log":
            raise Death
        self._store.insert(table, rows, token)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    made = ChdbStore(tmp_path)
    migrate(made)
    yield made
    made.close()


@pytest.mark.parametrize("finished", [0, 3000])
def test_the_roll_up_of_a_stream_that_is_gone_is_made_whole(
    store: ChdbStore, finished: int
) -> None:
    lines = [event(number) for number in range(6000)]
    if finished:
        feed(Partition(context(store), 0), lines[:finished], 0)
    dying = Partition(context(DiesBeforeTheMarker(store)), 0)  # type: ignore[arg-type]
    with pytest.raises(Death):
        feed(dying, lines[finished:], finished)
    # The part of `events` was written, that of its view was not: what kill -9 can leave.
    store.command(
        "DELETE FROM account_minute_parts "
        "WHERE minute >= (SELECT toStartOfMinute(max(ts)) FROM events)"
    )
    assert store.query(LEFT).num_rows

    following = Partition(context(store, "stream-2"), 0)
    assert store.query(LEFT).num_rows == 0
    feed(following, lines, 0)
    assert store.query("SELECT count() AS n FROM events").to_pylist() == [{"n": 6000}]
    assert store.query(LEFT).num_rows == 0
