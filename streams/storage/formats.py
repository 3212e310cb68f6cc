"""Arrow tables written in the ClickHouse formats people use most, for stores that answer in Arrow.

The embedded engine writes every format itself; a server spoken to over its native protocol writes
none, so `pulse sql --store` and the worker of a server store come through here.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from streams.errors import UsageError

__all__ = ["FORMATS", "written"]

Row = tuple[Any, ...]


class _Moment(str):
    """A time as text: written like text, set to the right like a number."""


_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 6}


def written(rows: pa.Table, format: str) -> bytes:
    """`rows` in `format`.

    Raises:
        UsageError: a format that is not in `FORMATS`.
    """
    if format not in FORMATS:
        raise UsageError(f"--format {format}: expected one of {', '.join(FORMATS)}")
    columns = [_cells(column) for column in rows.columns]
    return FORMATS[format](list(rows.column_names), list(zip(*columns, strict=True)))


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """Python values; times already as text, since only the column knows their digits."""
    cells: list[Any] = column.to_pylist()
    if not pa.types.is_timestamp(column.type):
        return cells
    digits = _DIGITS[column.type.unit]
    return [None if cell is None else _Moment(_time(cell, digits)) for cell in cells]


def _tab_separated(names: bool) -> Callable[[Sequence[str], Sequence[Row]], bytes]:
    def write(head: Sequence[str], rows: Sequence[Row]) -> bytes:
        lines: Iterable[Sequence[Any]] = [head, *rows] if names else rows
        return b"".join(b"\t".join(_tab_cell(cell) for cell in row) + b"\n" for row in lines)

    return write


def _csv(names: bool) -> Callable[[Sequence[str], Sequence[Row]], bytes]:
    def write(head: Sequence[str], rows: Sequence[Row]) -> bytes:
        lines: Iterable[Sequence[Any]] = [head, *rows] if names else rows
        return b"".join(b",".join(_csv_cell(cell) for cell in row) + b"\n" for row in lines)

    return write


def _json_each_row(head: Sequence[str], rows: Sequence[Row]) -> bytes:
    lines = (dict(zip(head, map(_json_value, row), strict=True)) for row in rows)
    return b"".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for line in lines
    )


def _json_compact(head: Sequence[str], rows: Sequence[Row]) -> bytes:
    """Types are told by the values: a store that answers in Arrow no longer knows ClickHouse's."""
    meta = [
        {"name": name, "type": _kind([row[place] for row in rows])}
        for place, name in enumerate(head)
    ]
    data = [[_json_value(cell) for cell in row] for row in rows]
    whole = {"meta": meta, "data": data, "rows": len(rows)}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def _kind(cells: Sequence[Any]) -> str:
    known = next((cell for cell in cells if cell is not None), "")
    if isinstance(known, bool):
        return "Bool"
    if isinstance(known, _Moment):
        return "DateTime64"
    return {int: "Int64", float: "Float64"}.get(type(known), "String")


def _pretty_compact(head: Sequence[str], rows: Sequence[Row]) -> bytes:
    if not rows:
        return b""
    cells = [[_text(cell).replace("\n", "\\n") for cell in row] for row in rows]
    numeric = [isinstance(cell, int | float | _Moment) for cell in rows[0]]
    widths = [max(map(_width, column)) for column in zip(head, *cells, strict=True)]
    number = len(str(len(rows)))
    pad = " " * (number + 2)
    top = "┬".join(
        "─" + (name.rjust(width, "─") if right else name.ljust(width, "─")) + "─"
        for name, width, right in zip(head, widths, numeric, strict=True)
    )
    bottom = "┴".join("─" * (width + 2) for width in widths)
    lines = [f"{pad}┌{top}┐"]
    for place, row in enumerate(cells, 1):
        body = "│".join(
            f" {_padded(cell, width, right)} "
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        lines.append(f"{place:>{number}}. │{body}│")
    lines.append(f"{pad}└{bottom}┘")
    return ("\n".join(lines) + "\n").encode()


def _width(text: str) -> int:
    """Columns of a terminal that `text` takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


#: Name of a format to its writer: names and rows in, bytes out.
FORMATS: dict[str, Callable[[Sequence[str], Sequence[Row]], bytes]] = {
    "TabSeparated": _tab_separated(False),
    "TSV": _tab_separated(False),
    "TabSeparatedWithNames": _tab_separated(True),
    "TSVWithNames": _tab_separated(True),
    "CSV": _csv(False),
    "CSVWithNames": _csv(True),
    "JSONEachRow": _json_each_row,
    "JSONCompact": _json_compact,
    "PrettyCompact": _pretty_compact,
}

_TAB_ESCAPES = {
    ord(character): escape
    for character, escape in zip(
        "\\\t\n\r\b\f\0'", ["\\\\", "\\t", "\\n", "\\r", "\\b", "\\f", "\\0", "\\'"], strict=True
    )
}


def _tab_cell(value: Any) -> bytes:
    if value is None:
        return b"\\N"
    if isinstance(value, bytes):
        return value.decode("latin-1").translate(_TAB_ESCAPES).encode("latin-1")
    text = _text(value)
    return (text.translate(_TAB_ESCAPES) if isinstance(value, str) else text).encode()


def _csv_cell(value: Any) -> bytes:
    if value is None:
        return b"\\N"
    if isinstance(value, bytes):
        return b'"' + value.replace(b'"', b'""') + b'"'
    text = _text(value)
    plain = isinstance(value, bool | int | float)
    return text.encode() if plain else b'"' + text.replace('"', '""').encode() + b'"'


def _text(value: Any) -> str:
    """A value as ClickHouse writes it as text."""
    if value is None:
        return "ᴺᵁᴸᴸ"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list):
        if value and isinstance(value[0], tuple):  # a map comes as pairs
            return "{" + ",".join(f"{_inner(k)}:{_inner(v)}" for k, v in value) + "}"
        return "[" + ",".join(_inner(item) for item in value) + "]"
    return str(value)


def _inner(value: Any) -> str:
    if isinstance(value, str | datetime):
        return "'" + _text(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "NULL" if value is None else _text(value)


def _float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


def _time(value: datetime, digits: int = 3) -> str:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    text = aware.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{value.microsecond:06d}"[: 20 + digits] if digits else text


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | bytes):
        return _text(value)
    if isinstance(value, list):
        if value and isinstance(value[0], tuple):
            return {str(key): _json_value(item) for key, item in value}
        return [_json_value(item) for item in value]
    return value
