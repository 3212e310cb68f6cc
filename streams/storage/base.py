"""The one interface to ClickHouse; every stage of the flow stores and reads through it.

Two implementations run the same SQL: `ChdbStore` (in this process) and `ServerStore` (native
protocol). Data crosses the interface as Arrow tables, whole columns at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

__all__ = ["MAX_INSERT_ROWS", "Store", "expand", "literal"]

#: More rows in one insert would be cut in blocks by ClickHouse and no longer be atomic.
MAX_INSERT_ROWS = 1_000_000

Value = str | bytes | int | float | bool | datetime | None
Parameters = Mapping[str, "Value | list[Value] | list[str] | list[int]"]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)


def literal(value: Any) -> str:
    """A ClickHouse literal of a Python value; lists become tuples for IN."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        return f"fromUnixTimestamp64Milli({round(value.timestamp() * 1000)}, 'UTC')"
    if isinstance(value, bytes):
        return f"unhex('{value.hex()}')"
    if isinstance(value, str):
        return "'" + value.translate(_ESCAPES) + "'"
    if isinstance(value, list | tuple | set):
        return "(" + ", ".join(literal(item) for item in value) + ")"
    raise TypeError(f"no ClickHouse literal for {type(value).__name__}")


def expand(sql: str, parameters: Parameters | None = None) -> str:
    """`{name}` replaced by the literal of `parameters["name"]`; an unknown name is a KeyError."""
    if parameters is None:
        return sql
    return _PLACEHOLDER.sub(lambda match: literal(parameters[match.group(1)]), sql)


class Store(Protocol):
    """ClickHouse as this program uses it. One object a thread; errors are `StoreError`s."""

    def query(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        """Rows of a SELECT. Strings come as `string` or `binary`, times as `timestamp`."""
        ...

    def stream(self, sql: str, parameters: Parameters | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of a large SELECT, a block at a time."""
        ...

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        """A statement without a result (DDL, ALTER, INSERT SELECT)."""
        ...

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        """Insert `rows` (at most MAX_INSERT_ROWS; columns by name) in one atomic block.

        `token` names the block: inserted again under the same token it changes nothing.
        """
        ...

    def close(self) -> None:
        """Release the connection or the data directory."""
        ...
