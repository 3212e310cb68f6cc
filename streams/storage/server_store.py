"""The server store: ClickHouse over its native TCP protocol, through clickhouse-driver.

Stands behind `Store` when the setting `store` names a server. The driver does the handshake, the
packets and the reconnecting; the columns inside the packets are `native`'s, so that no value
becomes a Python object. One connection a thread, and one a stream.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
from clickhouse_driver import Client
from clickhouse_driver.block import BlockInfo, ColumnOrientedBlock
from clickhouse_driver.connection import Connection
from clickhouse_driver.errors import Error, ServerException
from clickhouse_driver.protocol import ClientPacketTypes, ServerPacketTypes
from clickhouse_driver.reader import read_binary_str
from clickhouse_driver.varint import read_varint, write_varint
from clickhouse_driver.writer import write_binary_str

from streams.errors import StoreError, StoreUnavailable, UsageError
from streams.storage.base import MAX_INSERT_ROWS, Parameters, expand
from streams.storage.columns import checked, described, quoted, readable
from streams.storage.failures import failure
from streams.storage.native import REVISION, decode_column, encode_block

__all__ = ["ServerStore", "address_of"]

_INSERT_SETTINGS = {
    "min_insert_block_size_rows": "1048449",
    "min_insert_block_size_bytes": "0",
    "optimize_on_insert": "0",
    "async_insert": "0",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
}
_AUTHENTICATION = frozenset({192, 193, 194, 516})
_UNKNOWN_DATABASE = 81
_Result = TypeVar("_Result")


def address_of(url: str) -> tuple[str, int | None, str]:
    """Host, port (None: the default) and database of `clickhouse://host[:port][/database]`.

    Raises:
        UsageError: anything else, or a password in the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError(f"store: expected clickhouse://host:9000/database, got {url!r}") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "store: expected clickhouse://host:9000/database without a user or password in it; "
            "set PULSE_STORE_USER and PULSE_STORE_PASSWORD"
        )
    database = parts.path.strip("/")
    if parts.scheme != "clickhouse" or not parts.hostname or "/" in database or parts.query:
        raise UsageError(f"store: expected clickhouse://host:9000/database, got {url!r}")
    return parts.hostname, port, database or "default"


class ServerStore:
    """A `Store` over the ClickHouse server at `url`. Safe to use from several threads.

    A dropped connection is opened again by the next statement; nothing is retried here.

    Args:
        url: `clickhouse://host:9000/database`; 9440 is the default port with `secure`.
        ca_file: certificate authority of the server, for `secure`.
        connect_timeout, timeout: seconds; the second for an answer of the server.
    """

    def __init__(
        self,
        url: str,
        user: str = "default",
        password: str = "",
        secure: bool = False,
        ca_file: str = "",
        *,
        connect_timeout: float = 5.0,
        timeout: float = 300.0,
    ) -> None:
        host, port, database = address_of(url)
        self.address = f"clickhouse://{host}:{port or (9440 if secure else 9000)}"
        self._database = database
        self._arguments: dict[str, Any] = {
            "host": host,
            "port": port,
            "database": database,
            "user": user,
            "password": password,
            "secure": secure,
            "ca_certs": ca_file or None,
            "client_name": "usage-pulse",
            "connect_timeout": connect_timeout,
            "send_receive_timeout": timeout,
            "client_revision": REVISION,
        }
        self._closed = False
        self._local = threading.local()
        self._clients: weakref.WeakSet[_ArrowClient] = weakref.WeakSet()
        self._columns: dict[str, dict[str, str]] = {}
        # The driver logs a traceback for each failed connection; callers get the error instead.
        logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)

    def query(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        """Rows of a SELECT as one table."""
        client, text = self._client(), expand(sql, parameters)
        batches = self._answer(client, lambda: list(client.batches(text)))
        return readable(pa.Table.from_batches(batches)) if batches else pa.table({})

    def stream(self, sql: str, parameters: Parameters | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of a SELECT, a block of the server at a time."""
        client = self._connect()
        try:
            batches = client.batches(expand(sql, parameters))
            while (batch := self._answer(client, lambda: next(batches, None))) is not None:
                yield from readable(pa.Table.from_batches([batch])).to_batches()
        finally:
            with client.busy:
                client.disconnect()

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement without a result."""
        client, text = self._client(), expand(sql, parameters)
        self._answer(client, lambda: list(client.batches(text)))
        self._columns.clear()

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        """Insert `rows` as one block; see `Store.insert`."""
        if rows.num_rows > MAX_INSERT_ROWS:
            raise StoreError(
                f"insert into {table}: {rows.num_rows} rows, at most {MAX_INSERT_ROWS}"
            )
        checked(rows, self._table_columns(table), table)
        if not rows.num_rows:
            return
        names = ", ".join(f"`{name}`" for name in rows.column_names)
        settings = dict(_INSERT_SETTINGS)
        if token is not None:
            settings["insert_deduplication_token"] = token
        sql = f"INSERT INTO {quoted(table)} ({names}) VALUES"
        client = self._client()
        self._answer(client, lambda: client.insert(sql, rows, settings), f"insert into {table}")

    def close(self) -> None:
        """Close all connections; a call that another thread still waits for ends with an error."""
        self._closed = True
        for client in list(self._clients):
            client.close()

    def _client(self) -> _ArrowClient:
        """The calling thread's own."""
        client: _ArrowClient | None = getattr(self._local, "client", None)
        if client is None or self._closed:
            client = self._local.client = self._connect()
        return client

    def _connect(self) -> _ArrowClient:
        if self._closed:
            raise self._is_closed()
        client = _ArrowClient(**self._arguments)
        self._clients.add(client)
        return client

    def _table_columns(self, table: str) -> dict[str, str]:
        columns = self._columns.get(table)
        if columns is None:
            columns = self._columns[table] = described(self.query, table)
        return columns

    def _is_closed(self) -> StoreError:
        return StoreError(f"{self.address}: the store is closed")

    def _answer(self, client: _ArrowClient, call: Callable[[], _Result], what: str = "") -> _Result:
        """The result of `call` on `client`, the driver's and the network's errors translated."""
        try:
            with client.busy:
                if self._closed:
                    client.disconnect()
                    raise self._is_closed()
                return call()
        except ServerException as error:
            if error.code in _AUTHENTICATION:
                raise StoreError(f"wrong user or password for {self.address}") from None
            if error.code == _UNKNOWN_DATABASE:
                raise StoreError(
                    f"{self.address} has no database {self._database!r}: create it first"
                ) from None
            raise failure(error.message, code=error.code, what=what) from None
        except (Error, OSError, EOFError) as error:
            if self._closed:
                raise self._is_closed() from None
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise StoreError(
                    f"{self.address}: its certificate is not signed by the expected authority"
                ) from None
            reason = getattr(error, "strerror", None) or getattr(error, "message", None)
            raise StoreUnavailable(
                f"{self.address} cannot be reached: {reason or error or 'connection closed'}"
            ) from None


class _ArrowBlock:
    """What clickhouse-driver hands around as a block: columns and rows, here as Arrow."""

    def __init__(self, columns: list[tuple[str, str]], arrays: list[pa.Array]) -> None:
        self.columns_with_types = columns
        self.batch = pa.RecordBatch.from_arrays(arrays, names=[name for name, _ in columns])
        self.num_rows = self.batch.num_rows


class _ArrowInput:
    """Reads the blocks of a result; stands where the driver has its BlockInputStream."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, use_numpy: bool | None = None) -> _ArrowBlock:
        BlockInfo().read(self._source)
        count, rows = read_varint(self._source), read_varint(self._source)
        columns, arrays = [], []
        for _ in range(count):
            name, kind = read_binary_str(self._source), read_binary_str(self._source)
            columns.append((name, kind))
            arrays.append(decode_column(kind, rows, self._source))
        return _ArrowBlock(columns, arrays)


class _ArrowConnection(Connection):  # type: ignore[misc]
    def get_block_in_stream(self) -> _ArrowInput:
        return _ArrowInput(self.fin)


class _ArrowClient(Client):  # type: ignore[misc]
    """clickhouse-driver's client, with Arrow in the place of rows."""

    connection: Connection

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.connections = deque([_ArrowConnection(**arguments)])
        del self.connection
        self.connection = self.get_connection()
        #: Held during a call. The driver's `disconnect` is for the thread that made the call only:
        #: two at once, and one finds the socket gone.
        self.busy = threading.Lock()

    def close(self) -> None:
        """Disconnect; or end the call that another thread is in, which then disconnects itself."""
        if self.busy.acquire(blocking=False):
            try:
                self.disconnect()
            finally:
                self.busy.release()
        elif (socket := self.connection.socket) is not None:
            with suppress(OSError):
                socket.shutdown(SHUT_RDWR)

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Blocks of the result, the header (no rows, but the columns) first."""
        with self.disconnect_on_error(sql, {}):
            self.connection.send_query(sql)
            self.connection.send_external_tables(None)
            for packet in self.packet_generator():
                if packet.type == ServerPacketTypes.DATA and packet.block.columns_with_types:
                    yield packet.block.batch

    def insert(self, sql: str, rows: pa.Table, settings: dict[str, str]) -> None:
        with self.disconnect_on_error(sql, settings):
            connection = self.connection
            connection.send_query(sql)
            connection.send_external_tables(None)
            columns = self.receive_sample_block().columns_with_types
            write_varint(ClientPacketTypes.DATA, connection.fout)
            write_binary_str("", connection.fout)
            BlockInfo().write(connection.fout)
            for piece in encode_block(rows, columns):
                connection.fout.write(piece)
            connection.fout.flush()
            connection.send_data(ColumnOrientedBlock())
            self.receive_end_of_query()
