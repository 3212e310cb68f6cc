"""Packets and blocks of the native protocol, seen from the server's side.

Blocks travel as they are: their bytes are exactly ClickHouse's format Native, which chDB reads
and writes itself. Only the end of a block has to be found, for which its columns are walked.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from clickhouse_driver.block import BlockInfo
from clickhouse_driver.bufferedreader import BufferedSocketReader, CompressedBufferedReader
from clickhouse_driver.bufferedwriter import BufferedSocketWriter
from clickhouse_driver.compression import get_compressor_cls
from clickhouse_driver.protocol import ClientPacketTypes, ServerPacketTypes
from clickhouse_driver.reader import (
    read_binary_str,
    read_binary_uint8,
    read_binary_uint64,
)
from clickhouse_driver.streams.compressed import (
    CompressedBlockInputStream,
    CompressedBlockOutputStream,
)
from clickhouse_driver.varint import read_varint, write_varint
from clickhouse_driver.writer import (
    write_binary_int32,
    write_binary_str,
    write_binary_uint8,
)

from streams.storage.native import decode_column

__all__ = ["REVISION", "Hello", "ProtocolError", "Query", "Wire", "header"]

#: Newest revision spoken here; a client that insists on a newer one is told so.
REVISION = 54453
_BUFFER = 1 << 20


class ProtocolError(Exception):
    """The client sent something this server does not understand."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who connects, to which database."""

    revision: int
    database: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Query:
    """A statement with its settings."""

    text: str
    settings: dict[str, str]
    compressed: bool


class _Recording:
    """A buffered reader that can keep the bytes it hands out between `start` and `stop`."""

    _kept: list[bytes] | None = None
    _from = 0

    def start(self) -> None:
        self._kept, self._from = [], self.position  # type: ignore[attr-defined]

    def stop(self) -> bytes:
        kept = self._kept or []
        self._kept = None
        end = self.position  # type: ignore[attr-defined]
        kept.append(bytes(self.buffer[self._from : end]))  # type: ignore[attr-defined]
        return b"".join(kept)

    def read_into_buffer(self) -> None:
        if self._kept is not None:
            size = self.current_buffer_size  # type: ignore[attr-defined]
            self._kept.append(bytes(self.buffer[self._from : size]))  # type: ignore[attr-defined]
            self._from = 0
        super().read_into_buffer()  # type: ignore[misc]


class _SocketReader(_Recording, BufferedSocketReader):  # type: ignore[misc]
    pass


class _CompressedReader(_Recording, CompressedBufferedReader):  # type: ignore[misc]
    pass


class Wire:
    """One connection; reads what clients send, writes what they expect."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._in = _SocketReader(connection, _BUFFER)
        self._out = BufferedSocketWriter(connection, _BUFFER)

    def read_packet(self) -> int:
        """Type of the next packet; EOFError at the end of the connection."""
        return int(read_varint(self._in))

    def read_hello(self) -> Hello:
        if self.read_packet() != ClientPacketTypes.HELLO:
            raise ProtocolError("expected Hello")
        read_binary_str(self._in)
        read_varint(self._in)
        read_varint(self._in)
        revision = read_varint(self._in)
        database, user, password = (read_binary_str(self._in) for _ in range(3))
        return Hello(min(revision, REVISION), database, user, password)

    def write_hello(self) -> None:
        write_varint(ServerPacketTypes.HELLO, self._out)
        write_binary_str("chDB test server", self._out)
        write_varint(26, self._out)
        write_varint(9, self._out)
        write_varint(REVISION, self._out)
        write_binary_str("UTC", self._out)
        write_binary_str("test", self._out)
        write_varint(1, self._out)
        self._out.flush()

    def read_query(self) -> Query:
        read_binary_str(self._in)  # query id
        self._skip_client_info()
        settings = {}
        while name := read_binary_str(self._in):
            read_binary_uint8(self._in)
            settings[name] = read_binary_str(self._in)
        read_binary_str(self._in)  # secret between servers
        read_varint(self._in)  # stage
        compressed = bool(read_varint(self._in))
        return Query(read_binary_str(self._in), settings, compressed)

    def _skip_client_info(self) -> None:
        read_binary_uint8(self._in)  # kind
        for _ in range(3):
            read_binary_str(self._in)  # first user, query id, address
        read_binary_uint64(self._in)  # start
        read_binary_uint8(self._in)  # interface
        for _ in range(3):
            read_binary_str(self._in)  # user of the system, host, client
        for _ in range(3):
            read_varint(self._in)  # version
        read_binary_str(self._in)  # quota key
        read_varint(self._in)  # depth
        read_varint(self._in)  # patch version
        if read_binary_uint8(self._in):
            raise ProtocolError("OpenTelemetry context is not understood here")
        for _ in range(3):
            read_varint(self._in)  # parallel replicas

    def read_block(self, compressed: bool) -> tuple[int, bytes]:
        """Rows and Native bytes of the block in the Data packet that must come next."""
        packet = self.read_packet()
        if packet != ClientPacketTypes.DATA:
            raise ProtocolError(f"expected Data, got packet {packet}")
        read_binary_str(self._in)  # name of an external table
        source: Any = self._in
        if compressed:
            frames = CompressedBlockInputStream(self._in, None)
            source = _CompressedReader(frames.read_block, _BUFFER)
        BlockInfo().read(source)
        source.start()
        columns, rows = read_varint(source), read_varint(source)
        for _ in range(columns):
            read_binary_str(source)
            decode_column(read_binary_str(source), rows, source)
        return rows, source.stop()

    def write_block(self, content: bytes, compressed: bool) -> None:
        """A Data packet with a block of Native bytes."""
        write_varint(ServerPacketTypes.DATA, self._out)
        write_binary_str("", self._out)
        if compressed:
            frames = CompressedBlockOutputStream(
                get_compressor_cls("lz4"), _BUFFER, self._out, None
            )
            BlockInfo().write(frames.fout)
            frames.fout.write(content)
            frames.finalize()
        else:
            BlockInfo().write(self._out)
            self._out.write(content)
        self._out.flush()

    def write_exception(self, code: int, message: str) -> None:
        write_varint(ServerPacketTypes.EXCEPTION, self._out)
        write_binary_int32(code, self._out)
        write_binary_str("DB::Exception", self._out)
        write_binary_str(f"DB::Exception: {message}", self._out)
        write_binary_str("0. some frame of C++ @ 0x0000000000", self._out)
        write_binary_uint8(0, self._out)
        self._out.flush()

    def write_pong(self) -> None:
        self._write(ServerPacketTypes.PONG)

    def write_end(self) -> None:
        self._write(ServerPacketTypes.END_OF_STREAM)

    def _write(self, packet: int) -> None:
        write_varint(packet, self._out)
        self._out.flush()


def header(columns: list[tuple[str, str]]) -> bytes:
    """Native bytes of a block without rows: the names and types of what follows."""
    out = BytesIO()
    write_varint(len(columns), out)
    write_varint(0, out)
    for name, kind in columns:
        write_binary_str(name, out)
        write_binary_str(kind, out)
    return out.getvalue()
