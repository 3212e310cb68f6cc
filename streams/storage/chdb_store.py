"""The embedded store: ClickHouse inside this process (chDB), one directory, one process.

Stands behind `Store` wherever no server is configured. What was measured with chDB 4.4 (engine
26.9) decides the shape:

- Two threads on one session queue: a 2 ms query waits for a 1.8 s one. Sessions on the same
  directory run side by side and cost 0.3 ms to open, so every thread gets its own.
- A query on a session ends the stream running on it, so every stream gets its own as well.
- Fetching from a closed session kills the process, so a lock goes around each call.
- What a failed query had written already stands before the result of the session's next query,
  so a session is replaced after a failure.
- `optimize_on_insert` merges every block before writing it: 4.9 us a row of `events` with it,
  1.5 us without. Duplicates inside a block are left to the background merges.
- `Python()` reads a column with a dictionary of n words in time that grows with n times the rows:
  with 160,000 words an insert took 17 us a row, with the same column decoded 2.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from chdb.session import Session

from streams.errors import DataDirectoryLocked, StoreError, StoreUnavailable
from streams.storage.base import MAX_INSERT_ROWS, Parameters, expand
from streams.storage.columns import checked, described, quoted, readable, small_dictionaries
from streams.storage.failures import failure

__all__ = ["INSERT_SETTINGS", "ChdbStore"]

#: One insert is one block is one part, counted once in the table and in what its views feed.
INSERT_SETTINGS = {
    "max_insert_threads": "1",
    "max_threads": "1",
    "min_insert_block_size_rows": "1048449",
    "min_insert_block_size_bytes": "0",
    "optimize_on_insert": "0",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
}
_SESSION = (
    "SET output_format_arrow_string_as_string = 0, output_format_arrow_compression_method = 'none'"
)
_KNOWN_TYPES = 512


class ChdbStore:
    """A `Store` over the chDB directory `directory`, which this process owns until `close`.

    Safe to use from several threads. Strings come as `string`; columns named `bytes` or `state`,
    and any that is not UTF-8, as `binary`; LowCardinality as plain strings.

    Args:
        directory: made if missing; must not lie under another open `ChdbStore` of this process
            (chDB holds one directory a process).
        wait: seconds to wait for a directory that another process holds.

    Raises:
        DataDirectoryLocked: another process still holds the directory after `wait`.
    """

    def __init__(self, directory: Path, *, wait: float = 5.0) -> None:
        self.directory = directory
        self._closed = False
        self._local = threading.local()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._columns: dict[str, dict[str, str]] = {}
        self._times: dict[str, frozenset[str]] = {}
        self._lock = _locked(directory, wait)
        try:
            # Kept for the life of the store: with its last session chDB shuts down the engine.
            self._anchor = self._connect()
        except StoreError:
            os.close(self._lock)
            raise

    def query(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        """Rows of a SELECT as one table."""
        content = self._connection().run(expand(sql, parameters), "ArrowStream")
        if not content:
            return pa.table({})
        with pa.ipc.open_stream(content) as reader:
            rows = reader.read_all()
        return readable(self._with_times(rows, sql, parameters))

    def stream(self, sql: str, parameters: Parameters | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of a SELECT in blocks of some ten thousand; no more than a few in memory."""
        connection = self._connect()
        try:
            for content in connection.fetch(expand(sql, parameters)):
                with pa.ipc.open_stream(content) as reader:
                    rows = self._with_times(reader.read_all(), sql, parameters)
                yield from readable(rows).to_batches()
        finally:
            connection.close()

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement without a result."""
        self._connection().run(expand(sql, parameters), "Null")
        self._columns.clear()

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        """Insert `rows` as one block; see `Store.insert`."""
        if rows.num_rows > MAX_INSERT_ROWS:
            raise StoreError(
                f"insert into {table}: {rows.num_rows} rows, at most {MAX_INSERT_ROWS}"
            )
        checked(rows, self._table_columns(table), table)
        if rows.num_rows:
            self._connection().insert(table, rows, token)

    def close(self) -> None:
        """Wait for running statements, end streams, leave the directory to others."""
        if self._closed:
            return
        self._closed = True
        for connection in list(self._connections):
            connection.close()
        os.close(self._lock)

    def _connection(self) -> _Connection:
        """The calling thread's own."""
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _connect(self) -> _Connection:
        if self._closed:
            raise StoreError(f"{self.directory}: the store is closed")
        connection = _Connection(self.directory)
        self._connections.add(connection)
        return connection

    def _table_columns(self, table: str) -> dict[str, str]:
        columns = self._columns.get(table)
        if columns is None:
            columns = self._columns[table] = described(self.query, table)
        return columns

    def _with_times(self, rows: pa.Table, sql: str, parameters: Parameters | None) -> pa.Table:
        """DateTime columns as timestamps: chDB's Arrow has them as plain 32-bit integers.

        Which of the 32-bit columns are times is asked once for each SQL text.
        """
        suspects = [field.name for field in rows.schema if field.type == pa.uint32()]
        if not suspects:
            return rows
        if sql not in self._times:
            if len(self._times) >= _KNOWN_TYPES:
                self._times.clear()
            self._times[sql] = self._time_columns(expand(sql, parameters))
        for name in self._times[sql].intersection(suspects):
            place = rows.schema.get_field_index(name)
            if place >= 0:
                times = rows.column(place).cast(pa.int64()).cast(pa.timestamp("s", "UTC"))
                rows = rows.set_column(place, name, times)
        return rows

    def _time_columns(self, sql: str) -> frozenset[str]:
        describe = f"DESCRIBE TABLE ({sql.strip().rstrip(';')}\n)"
        try:
            content = self._connection().run(describe, "ArrowStream")
        except StoreError:  # SHOW, EXPLAIN and the like cannot be described; they have no times
            return frozenset()
        with pa.ipc.open_stream(content) as reader:
            types = reader.read_all()
        return frozenset(
            name.decode()
            for name, kind in zip(types["name"].to_pylist(), types["type"].to_pylist(), strict=True)
            if kind.startswith((b"DateTime(", b"Nullable(DateTime(")) or kind == b"DateTime"
        )


class _Connection:
    """A chDB session that can be closed from another thread without killing the process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._session: Session | None = self._opened()

    def run(self, sql: str, form: str) -> bytes:
        with self._lock:
            session = self._open_session()
            try:
                content: bytes = session.query(sql, form).bytes()
            except RuntimeError as error:
                self._replace(session)
                raise failure(str(error)) from None
        return content

    def insert(self, table: str, rows: pa.Table, token: str | None) -> None:
        # Python(...) looks this name up in the frames of the caller, from the innermost.
        pulse_rows_to_insert = small_dictionaries(rows)
        names = ", ".join(f"`{name}`" for name in pulse_rows_to_insert.column_names)
        settings = dict(INSERT_SETTINGS)
        if token is not None:
            settings["insert_deduplication_token"] = token
        listed = expand(", ".join(f"{name} = {{{name}}}" for name in settings), settings)
        sql = (
            f"INSERT INTO {quoted(table)} ({names}) "
            f"SELECT {names} FROM Python(pulse_rows_to_insert) SETTINGS {listed}"
        )
        with self._lock:
            session = self._open_session()
            try:
                session.query(sql, "Null")
            except RuntimeError as error:
                self._replace(session)
                raise failure(str(error), what=f"insert into {table}") from None

    def fetch(self, sql: str) -> Iterator[bytes]:
        result: Any = None
        while True:
            with self._lock:
                session = self._open_session()
                try:
                    if result is None:
                        result = session.send_query(sql, "ArrowStream")
                    chunk = result.fetch()
                    content = None if chunk is None else chunk.bytes()
                except RuntimeError as error:
                    raise failure(str(error)) from None
            if content is None:
                return
            yield content

    def close(self) -> None:
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _open_session(self) -> Session:
        if self._session is None:
            raise StoreError(f"{self._directory}: the store is closed")
        return self._session

    def _opened(self) -> Session:
        try:
            session = Session(str(self._directory))
            session.query(_SESSION, "Null")
        except RuntimeError as error:
            raise failure(str(error), what=str(self._directory)) from None
        return session

    def _replace(self, session: Session) -> None:
        self._session = None
        session.close()
        self._session = self._opened()


def _locked(directory: Path, wait: float) -> int:
    """A file descriptor that holds the lock of `directory`, with this process's id in the file."""
    path = directory / "lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreUnavailable(f"{directory}: cannot be used: {error.strerror}") from None
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise DataDirectoryLocked(
                f"{path}: held by process {holder}; stop it or choose another --data"
            ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
