"""Arrow columns against a table's columns, before an insert; and the types of what is read back.

Neither library refuses what does not fit: clickhouse-driver turns 1.5 into 1 and -1 into
2^64 - 1, ClickHouse turns NULL into a default. Both stores call `checked` first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import pyarrow as pa

from streams.errors import StoreError

__all__ = [
    "BINARY_COLUMNS",
    "checked",
    "described",
    "map_parts",
    "quoted",
    "readable",
    "small_dictionaries",
    "unwrapped",
]

LARGEST_DICTIONARY = 1024

#: Columns that hold bytes, not text: always read as `binary`, even when they happen to be UTF-8.
BINARY_COLUMNS = frozenset({"bytes", "state"})

_TABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?")
_WRAPPED = re.compile(r"(LowCardinality|Nullable|SimpleAggregateFunction)\((.*)\)", re.DOTALL)
_UNSIGNED = {f"UInt{bits}": bits for bits in (8, 16, 32, 64)}
_SIGNED = {f"Int{bits}": bits for bits in (8, 16, 32, 64)}
_TIME_UNITS = ("s", "ms", "us", "ns")


def quoted(table: str) -> str:
    """`table` as an identifier; anything but a plain name is refused."""
    if not _TABLE.fullmatch(table):
        raise StoreError(f"{table!r} is not a table name")
    return ".".join(f"`{part}`" for part in table.split("."))


def described(query: Callable[[str], pa.Table], table: str) -> dict[str, str]:
    """The types of a table's columns by name, as `query` tells them."""
    rows = query(f"DESCRIBE TABLE {quoted(table)}")
    return dict(zip(rows["name"].to_pylist(), rows["type"].to_pylist(), strict=True))


def unwrapped(kind: str) -> tuple[str, bool]:
    """A ClickHouse type without LowCardinality and Nullable, and whether it takes NULL."""
    nullable = False
    while found := _WRAPPED.fullmatch(kind):
        nullable = nullable or found.group(1) == "Nullable"
        kind = found.group(2)
        if found.group(1) == "SimpleAggregateFunction":
            kind = kind.split(", ", 1)[1]
    return kind, nullable


def map_parts(kind: str) -> tuple[str, str]:
    """Key and value type of `Map(key, value)`."""
    inner, depth = kind[len("Map(") : -1], 0
    for place, letter in enumerate(inner):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            return inner[:place].strip(), inner[place + 1 :].strip()
    raise StoreError(f"not a map type: {kind}")


def checked(rows: pa.Table, columns: Mapping[str, str], table: str) -> None:
    """Every column of `rows` fits its column of `table`: name, type without loss, no NULL lost.

    Args:
        columns: name -> ClickHouse type of the table.

    Raises:
        StoreError: naming the table, the column, what was expected and what came.
    """
    for field, column in zip(rows.schema, rows.columns, strict=True):
        kind = columns.get(field.name)
        if kind is None:
            raise StoreError(f"insert into {table}: the table has no column {field.name!r}")
        _check(column, field.type, kind, f"insert into {table}: column {field.name!r}")


def _check(column: pa.ChunkedArray, given: pa.DataType, kind: str, where: str) -> None:
    inner, nullable = unwrapped(kind)
    nulls = any(
        chunk.null_count or (pa.types.is_dictionary(given) and chunk.dictionary.null_count)
        for chunk in column.chunks
    )
    if nulls and not nullable:
        raise StoreError(f"{where}: expected {kind} without NULL, got NULL")
    if not _fits(given, inner):
        raise StoreError(f"{where}: expected {_expected(inner)} for {kind}, got {given}")
    if inner.startswith("Array("):
        _check(_inside(column, "values"), given.value_type, inner[len("Array(") : -1], where)
    elif inner.startswith("Map("):
        key, value = map_parts(inner)
        _check(_inside(column, "keys"), given.key_type, key, f"{where}, key")
        _check(_inside(column, "items"), given.item_type, value, f"{where}, value")


def _inside(column: pa.ChunkedArray, part: str) -> pa.ChunkedArray:
    """Values of a list, or keys or items of a map; of sliced chunks only what the slice shows."""
    parts, kind = [], getattr(column.type, _PART_TYPES[part])
    for chunk in column.chunks:
        offsets = chunk.offsets
        first, last = (offsets[0].as_py(), offsets[-1].as_py()) if len(chunk) else (0, 0)
        parts.append(getattr(chunk, part).slice(first, last - first))
    return pa.chunked_array(parts, kind)


_PART_TYPES = {"values": "value_type", "keys": "key_type", "items": "item_type"}


def _fits(given: pa.DataType, kind: str) -> bool:
    """Whether every value of the Arrow type `given` is a value of the ClickHouse type `kind`."""
    if kind in _UNSIGNED:
        return _unsigned_bits(given) <= _UNSIGNED[kind]
    if kind in _SIGNED:
        signed = pa.types.is_signed_integer(given) and given.bit_width <= _SIGNED[kind]
        return signed or _unsigned_bits(given) < _SIGNED[kind]
    if kind.startswith("DateTime"):
        if not pa.types.is_timestamp(given) or given.tz is None:
            return False
        is_64 = kind.startswith("DateTime64(")
        digits = int(kind[len("DateTime64(") :].split(",")[0].rstrip(")")) if is_64 else 0
        return 3 * _TIME_UNITS.index(given.unit) <= digits
    test = next((test for start, (_, test) in _KINDS.items() if kind.startswith(start)), None)
    return test is not None and bool(test(given))


def _unsigned_bits(given: pa.DataType) -> float:
    """Width of an unsigned integer; a bool is one of 1 bit; infinite for anything else."""
    if pa.types.is_boolean(given):
        return 1
    return int(given.bit_width) if pa.types.is_unsigned_integer(given) else math.inf


def _is_text(given: pa.DataType) -> bool:
    inner = given.value_type if pa.types.is_dictionary(given) else given
    return inner in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


#: Start of a ClickHouse type -> what Arrow must bring.
_KINDS: dict[str, tuple[str, Callable[[pa.DataType], bool]]] = {
    "String": ("string, binary or a dictionary of them", _is_text),
    "Float32": ("float", pa.types.is_float32),
    "Float64": ("double or float", lambda g: pa.types.is_float64(g) or pa.types.is_float32(g)),
    "Bool": ("bool", pa.types.is_boolean),
    "Date": ("date32", pa.types.is_date32),
    "Array(": ("list", pa.types.is_list),
    "Map(": ("map", pa.types.is_map),
}


def _expected(kind: str) -> str:
    if kind in _UNSIGNED:
        return f"an unsigned integer of at most {_UNSIGNED[kind]} bits"
    if kind in _SIGNED:
        return f"an integer of at most {_SIGNED[kind]} bits"
    if kind.startswith("DateTime64("):
        return "timestamp with a time zone and no finer unit"
    if kind.startswith("DateTime"):
        return "timestamp[s] with a time zone"
    name = next((name for start, (name, _) in _KINDS.items() if kind.startswith(start)), None)
    return name or "a type this program can write"


def readable(rows: pa.Table) -> pa.Table:
    """`binary` columns as `string` where they are text: see `BINARY_COLUMNS`.

    A column under another name that is not UTF-8 all through stays `binary`, so that any SELECT
    can be read.
    """
    columns = [
        _text(column, name) for column, name in zip(rows.columns, rows.schema.names, strict=True)
    ]
    return pa.table(columns, names=rows.schema.names)


def _text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = _text_type(column.type)
    if name in BINARY_COLUMNS or kind == column.type:
        return column
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return column


def _text_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_binary(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_text_type(kind.value_type)))
    if pa.types.is_map(kind):
        return pa.map_(_text_type(kind.key_type), _text_type(kind.item_type))
    return kind


def small_dictionaries(rows: pa.Table) -> pa.Table:
    """`rows` with large dictionaries decoded, which chDB reads faster (see chdb_store)."""
    for place, column in enumerate(rows.columns):
        if pa.types.is_dictionary(column.type) and any(
            len(chunk.dictionary) > LARGEST_DICTIONARY for chunk in column.chunks
        ):
            rows = rows.set_column(
                place, rows.column_names[place], column.cast(column.type.value_type)
            )
    return rows
