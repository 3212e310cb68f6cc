"""Bytes of ClickHouse's HTTP interface: types of content, compression, the native greeting.

Native blocks go out as the engine writes them, which is revision 0 of the protocol. clickhouse-go
(and with it Grafana's plugin) asks for the server's revision first, in a block of the revision it
would like; it is answered in that, and told 0, so everything after comes as the engine writes it.
"""

from __future__ import annotations

import re
import struct
import zlib

import lz4.block  # type: ignore[import-untyped]
import lz4.frame  # type: ignore[import-untyped]
from clickhouse_cityhash.cityhash import CityHash128  # type: ignore[import-untyped]

__all__ = ["GREETING", "blocks", "content_type", "encoded", "encoding", "greeting"]

#: What clickhouse-go asks before anything else.
GREETING = re.compile(
    r"\s*SELECT\s+displayName\(\),\s*version\(\),\s*revision\(\),\s*timezone\(\)\s*;?\s*",
    re.IGNORECASE,
)
_BLOCK_INFO = bytes((1, 0, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0))
_WITH_CUSTOM_SERIALIZATION = 54454
_LZ4 = 0x82
_BLOCK_BYTES = 1024 * 1024

_TYPES = (
    (re.compile(r"CSV(WithNames.*)"), "text/csv; charset=UTF-8; header=present"),
    (re.compile(r"CSV"), "text/csv; charset=UTF-8; header=absent"),
    (re.compile(r"(TabSeparated|TSV|TSKV|Raw).*"), "text/tab-separated-values; charset=UTF-8"),
    (re.compile(r"JSON\w*(EachRow|Lines)\w*|NDJSON"), "application/x-ndjson; charset=UTF-8"),
    (re.compile(r"JSON.*"), "application/json; charset=UTF-8"),
    (re.compile(r"XML"), "application/xml; charset=UTF-8"),
    (re.compile(r"Markdown"), "text/markdown; charset=UTF-8"),
    (re.compile(r"Arrow(Stream)?|Parquet|ORC|Avro|MsgPack|Native|RowBinary.*"), ""),
)


def content_type(form: str) -> str:
    """The Content-Type of a format."""
    for pattern, kind in _TYPES:
        if pattern.fullmatch(form):
            return kind or "application/octet-stream"
    return "text/plain; charset=UTF-8"


def encoding(accept: str) -> str:
    """The Content-Encoding for a header Accept-Encoding; empty for none."""
    offered = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return next((name for name in ("lz4", "gzip", "deflate") if name in offered), "")


def encoded(body: bytes, name: str) -> bytes:
    """`body` in the Content-Encoding `name`."""
    if name == "lz4":
        return bytes(lz4.frame.compress(body))
    packer = zlib.compressobj(level=3, wbits=31 if name == "gzip" else 15)
    return packer.compress(body) + packer.flush()


def blocks(body: bytes) -> bytes:
    """`body` in ClickHouse's own compressed blocks (parameter `compress=1`)."""
    result = bytearray()
    for start in range(0, len(body), _BLOCK_BYTES):
        plain = body[start : start + _BLOCK_BYTES]
        packed = lz4.block.compress(plain, store_size=False)
        block = struct.pack("<BII", _LZ4, len(packed) + 9, len(plain)) + packed
        checksum = CityHash128(block)
        result += struct.pack("<QQ", checksum >> 64, checksum & (2**64 - 1)) + block
    return bytes(result)


def greeting(display_name: str, version: str, timezone: str, revision: int) -> bytes:
    """The answer to GREETING as a native block of `revision`, which says revision 0."""
    columns: list[tuple[str, str, bytes]] = [
        ("displayName()", "String", _text(display_name)),
        ("version()", "String", _text(version)),
        ("revision()", "UInt32", struct.pack("<I", 0)),
        ("timezone()", "String", _text(timezone)),
    ]
    result = bytearray(_BLOCK_INFO if revision > 0 else b"")
    result += bytes((len(columns), 1))
    for name, kind, value in columns:
        result += _text(name) + _text(kind)
        if revision >= _WITH_CUSTOM_SERIALIZATION:
            result.append(0)
        result += value
    return bytes(result)


def _text(value: str) -> bytes:
    content = value.encode()
    length, size = bytearray(), len(content)
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes(length) + content
