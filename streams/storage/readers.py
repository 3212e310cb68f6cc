"""Where a person's question is answered: a read-only session of the engine, or the server.

Behind `pulse sql` and behind the worker's socket (`streams.storage.socket`). Questions come here
after `streams.storage.readonly` has let them pass; ClickHouse refuses once more what would write.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pyarrow as pa
from chdb.session import Session

from streams.errors import StoreError, StoreUnavailable
from streams.storage.base import Store
from streams.storage.failures import failure
from streams.storage.formats import written
from streams.storage.readonly import read_only

__all__ = ["EmbeddedReader", "StoreReader", "record_retries"]

#: Memory of one question: an analyst's mistake must not take the worker with it.
MEMORY = 2 * 1024**3
#: How questions are told from the worker's own statements.
MARK = "pulse-sql"


class EmbeddedReader:
    """Answers from the embedded engine of this process, whose `ChdbStore` must be open.

    Safe to use from several threads: questions queue.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._closed = False

    def text(self, sql: str, format: str) -> bytes:
        """The answer to `sql` in a ClickHouse format.

        Raises:
            UsageError: `sql` is no single reading statement.
            StoreError: ClickHouse refused it.
        """
        sql = read_only(sql)
        with self._lock:
            if self._closed:
                raise StoreUnavailable(f"{self._directory}: its owner is stopping")
            try:
                if self._session is None:
                    self._session = self._open()
                content: bytes = self._session.query(sql, format).bytes()
            except RuntimeError as error:  # chDB's own exception is one
                raise failure(_innermost(str(error))) from None
        return content

    def _open(self) -> Session:
        session = Session(str(self._directory))
        session.query(f"SET max_memory_usage = {MEMORY}, session_timezone = 'UTC'")
        session.query(f"SET log_comment = '{MARK}'")
        session.query("SET readonly = 1")
        return session

    def close(self) -> None:
        """End the session and what runs on it; must come before the store's own `close`."""
        self._closed = True
        while not self._lock.acquire(timeout=0.1):
            self._kill()
        try:
            if self._session is not None:
                self._session.close()
                self._session = None
        finally:
            self._lock.release()

    def _kill(self) -> None:
        """A long question must not hold up the stop of the worker."""
        session = Session(str(self._directory))
        try:
            session.query(f"KILL QUERY WHERE Settings['log_comment'] = '{MARK}' ASYNC", "Null")
        finally:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StoreReader:
    """Answers from any `Store` through its Arrow tables, in the formats that people use most."""

    def __init__(self, query: Callable[[str], pa.Table]) -> None:
        self._query = query

    def text(self, sql: str, format: str) -> bytes:
        """See `EmbeddedReader.text`."""
        return written(self._query(read_only(sql)), format)


def _innermost(text: str) -> str:
    """The message without those of the layers that passed it on."""
    text = re.sub(r"^(Code: \d+\. DB::Exception: )+(?=Code: )", "", text)
    return re.sub(r"( \(version [^)]*\)\. \([A-Z_]+\))+$", "", text)


def record_retries(store: Store, letters: Sequence[str], by: str) -> None:
    """Remember that `letters` (identities of dead letters) were sent again now."""
    if not letters:
        raise StoreError("no dead letters to record")
    now = datetime.fromtimestamp(round(time.time(), 3), UTC)
    rows = {
        "letter_id": pa.array(list(letters), pa.string()),
        "retried_at": pa.array([now] * len(letters), pa.timestamp("ms", "UTC")),
        "by": pa.array([by] * len(letters), pa.string()),
    }
    store.insert("dead_letter_retries", pa.table(rows))
