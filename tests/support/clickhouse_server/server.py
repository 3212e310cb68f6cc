"""The server loop: one thread a connection, one chDB session a statement."""

from __future__ import annotations

import re
import socketserver
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chdb.session import Session
from clickhouse_driver.protocol import ClientPacketTypes

from streams.storage.base import literal
from tests.support.clickhouse_server.faults import Faults
from tests.support.clickhouse_server.wire import ProtocolError, Query, Wire, header

__all__ = ["Server"]

_CODE = re.compile(r"Code: (\d+)\. ?(DB::Exception: )?")
_INSERT = re.compile(
    r"\s*INSERT\s+INTO\s+(?P<target>\S+)\s*(?P<columns>\([^)]*\))?\s*(VALUES|FORMAT\s+\w+)\s*;?\s*",
    re.IGNORECASE,
)
_READS = re.compile(r"\s*\(?\s*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXISTS|EXPLAIN)\b", re.IGNORECASE)
_STREAMS = re.compile(r"\s*\(?\s*(SELECT|WITH)\b", re.IGNORECASE)
#: A received insert becomes one block, whatever blocks it came in.
_ONE_BLOCK = {
    "min_insert_block_size_rows": "1048449",
    "min_insert_block_size_bytes": "0",
    "max_insert_threads": "1",
    "max_threads": "1",
}
_AUTHENTICATION_FAILED, _UNKNOWN_DATABASE, _UNEXPECTED_PACKET = 516, 81, 101


class Server(socketserver.ThreadingTCPServer):
    """ClickHouse's native protocol on `address`, over the chDB directory `path`."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        path: Path,
        *,
        user: str = "",
        password: str = "",
        faults: Faults | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.path = path
        self.user = user
        self.password = password
        self.faults = faults or Faults(None)
        self.tls = tls
        self.engine = Session(str(path))  # keeps the engine up while no client is connected
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is nothing to report."""


class _Handler(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        if self.server.faults.refuses():
            return
        connection = self.request
        if self.server.tls is not None:
            connection = self.server.tls.wrap_socket(connection, server_side=True)
        wire = Wire(connection)
        try:
            if self._greet(wire):
                while self._serve(wire):
                    pass
        except (EOFError, OSError):
            return
        except ProtocolError as error:
            wire.write_exception(_UNEXPECTED_PACKET, f"{error}. (UNEXPECTED_PACKET_FROM_CLIENT)")
        finally:
            if connection is not self.request:
                connection.close()

    def _greet(self, wire: Wire) -> bool:
        hello = wire.read_hello()
        wanted = (self.server.user, self.server.password)
        if wanted[0] and (hello.user, hello.password) != wanted:
            wire.write_exception(
                _AUTHENTICATION_FAILED,
                f"{hello.user}: Authentication failed: password is incorrect, or there is no "
                "user with such name. (AUTHENTICATION_FAILED)",
            )
            return False
        if hello.database not in ("", "default"):
            wire.write_exception(
                _UNKNOWN_DATABASE, f"Database {hello.database} does not exist. (UNKNOWN_DATABASE)"
            )
            return False
        wire.write_hello()
        return True

    def _serve(self, wire: Wire) -> bool:
        """Answer one packet; False ends the connection."""
        packet = wire.read_packet()
        if self.server.faults.refuses():
            return False
        if packet == ClientPacketTypes.PING:
            wire.write_pong()
        elif packet == ClientPacketTypes.QUERY:
            return self._query(wire, wire.read_query())
        elif packet != ClientPacketTypes.CANCEL:
            raise ProtocolError(f"unknown packet {packet}")
        return True

    def _query(self, wire: Wire, query: Query) -> bool:
        if wire.read_block(query.compressed)[0]:
            raise ProtocolError("external tables are not understood here")
        # One session a statement: settings end with it, and so does what a failure leaves behind.
        session = Session(str(self.server.path))
        try:
            _set(session, query.settings)
            if insert := _INSERT.fullmatch(query.text):
                return self._insert(wire, session, insert, query.compressed)
            if _READS.match(query.text):
                _select(wire, session, query)
            else:
                session.query(query.text, "Null")
                wire.write_end()
        except RuntimeError as error:
            _refuse(wire, str(error))
        finally:
            session.close()
        return True

    def _insert(
        self, wire: Wire, session: Session, insert: re.Match[str], compressed: bool
    ) -> bool:
        """Store what comes once all of it is here; a connection cut before stores nothing."""
        columns = insert["columns"] or ""
        target = f"{insert['target']} {columns}"
        names = [name.strip(" `") for name in columns.strip("() ").split(",") if name.strip()]
        kinds = dict(_columns(session, f"DESCRIBE TABLE {insert['target']}"))
        missing = [name for name in names if name not in kinds]
        if missing:
            wire.write_exception(16, f"No such column {missing[0]}. (NO_SUCH_COLUMN_IN_TABLE)")
            return True
        sent = [(name, kinds[name]) for name in names or kinds]
        wire.write_block(header(sent), compressed)
        blocks = []
        while (block := wire.read_block(compressed))[0]:
            blocks.append(block[1])
        if code := self.server.faults.before_insert():
            wire.write_exception(code, "as ordered by the test")
            return True
        if blocks:
            _store(session, target, sent, blocks)
        if self.server.faults.after_insert():
            return False
        wire.write_end()
        return True


def _set(session: Session, settings: dict[str, str]) -> None:
    """Unknown settings are ignored, as servers do unless told otherwise."""
    for name, value in settings.items():
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        try:
            session.query(f"SET {name} = '{escaped}'", "Null")
        except RuntimeError as error:
            if "UNKNOWN_SETTING" not in str(error):
                raise


def _store(
    session: Session, target: str, columns: list[tuple[str, str]], blocks: list[bytes]
) -> None:
    """One INSERT of all blocks. Through a file: chDB's `send_insert` swallows the errors of the
    insert, and data behind the statement ends at its first newline."""
    for name, value in _ONE_BLOCK.items():
        session.query(f"SET {name} = {value}", "Null")
    structure = literal(", ".join(f"`{name}` {kind}" for name, kind in columns))
    with tempfile.NamedTemporaryFile(suffix=".native") as file:
        file.writelines(blocks)
        file.flush()
        source = f"file({literal(file.name)}, 'Native', {structure})"
        session.query(f"INSERT INTO {target} SELECT * FROM {source}", "Null")


def _select(wire: Wire, session: Session, query: Query) -> None:
    """The columns, then block after block as chDB makes them."""
    chunks = _chunks(session, query.text)
    first = next(chunks, b"")
    if not first and (columns := _described(session, query.text)):
        first = header(columns)
    if first:
        wire.write_block(first, query.compressed)
    for chunk in chunks:
        wire.write_block(chunk, query.compressed)
    wire.write_end()


def _chunks(session: Session, sql: str) -> Iterator[bytes]:
    """Blocks of a result in format Native; what is not a SELECT comes in one."""
    if not _STREAMS.match(sql):
        yield session.query(sql, "Native").bytes()
        return
    result = session.send_query(sql, "Native")
    while (chunk := result.fetch()) is not None:
        yield chunk.bytes()


def _described(session: Session, sql: str) -> list[tuple[str, str]]:
    try:
        return _columns(session, f"DESCRIBE TABLE ({sql.strip().rstrip(';')}\n)")
    except RuntimeError:  # SHOW and the like
        return []


def _columns(session: Session, describe: str) -> list[tuple[str, str]]:
    lines = session.query(describe, "TSVRaw").bytes().decode().splitlines()
    return [(name, kind) for name, kind, *_ in (line.split("\t") for line in lines)]


def _refuse(wire: Wire, message: str) -> None:
    found = _CODE.search(message)
    code = int(found.group(1)) if found else 1002
    wire.write_exception(code, message[found.end() :] if found else message)
