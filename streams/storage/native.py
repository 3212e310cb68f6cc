"""Arrow columns as ClickHouse's Native columns and back, a whole column at a time.

`ServerStore` puts these bytes on clickhouse-driver's connection. The driver itself makes Python
objects of the values (8.7 us a row of `events` with numpy columns, 53 us without); here a column
costs a few numpy calls (0.2 us a row). The layout is that of ClickHouse's NativeWriter up to
protocol revision 54453, see `REVISION`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from streams.errors import StoreError
from streams.storage.columns import map_parts

__all__ = ["REVISION", "decode_column", "encode_block"]

#: The protocol revision to speak: from 54454 on, a server may send columns in sparse form.
REVISION = 54453

_INTEGERS = {
    **{f"UInt{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"Int{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    "Bool": np.dtype("<u1"),
}
_NUMBERS = {
    **_INTEGERS,
    "Float32": np.dtype("<f4"),
    "Float64": np.dtype("<f8"),
    "Date": np.dtype("<u2"),
    "Date32": np.dtype("<i4"),
}
_DICTIONARY_FLAGS = (1 << 9) | (1 << 10)  # keys travel in the block, and replace earlier ones
_KEY_TYPES = (np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8"))
_UNIT_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def encode_block(rows: pa.Table, columns: Sequence[tuple[str, str]]) -> Iterator[bytes]:
    """The block of `rows` without its BlockInfo, in pieces; `columns` are (name, type) in order."""
    yield _varint(len(columns)) + _varint(rows.num_rows)
    for name, kind in columns:
        yield _string(name) + _string(kind) + _prefix(kind)
        yield from _data(_whole(rows.column(name)), kind)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type) and column.num_chunks > 1:
        column = column.unify_dictionaries()
    return column.combine_chunks()


def _varint(number: int) -> bytes:
    result = bytearray()
    while number >= 128:
        result.append(number & 127 | 128)
        number >>= 7
    return bytes(result) + bytes((number,))


def _string(text: str) -> bytes:
    content = text.encode()
    return _varint(len(content)) + content


def _inner(kind: str) -> str:
    return kind[kind.index("(") + 1 : -1]


def _prefix(kind: str) -> bytes:
    """What stands once before the data of a column: the version of each dictionary in it."""
    if kind.startswith("LowCardinality("):
        return (1).to_bytes(8, "little")
    if kind.startswith(("Array(", "Nullable(")):
        return _prefix(_inner(kind))
    if kind.startswith("Map("):
        return b"".join(_prefix(part) for part in map_parts(kind))
    return b""


def _data(column: pa.Array, kind: str) -> Iterator[bytes]:
    if kind.startswith("Nullable("):
        yield np.asarray(column.is_null()).astype(np.uint8).tobytes()
        yield from _data(column, _inner(kind))
    elif kind.startswith("LowCardinality("):
        yield from _dictionary(column, _inner(kind))
    elif kind == "String":
        yield _strings(column)
    elif kind.startswith(("Array(", "Map(")):
        offsets = np.asarray(column.offsets).astype("<u8")
        first, last = (int(offsets[0]), int(offsets[-1])) if len(column) else (0, 0)
        yield (offsets[1:] - np.uint64(first)).tobytes() if len(column) else b""
        if kind.startswith("Array("):
            parts = [(column.values, _inner(kind))]
        else:
            parts = list(zip((column.keys, column.items), map_parts(kind), strict=True))
        for values, inner in parts:
            yield from _data(values.slice(first, last - first), inner)
    else:
        yield _numbers(column, kind).tobytes()


def _numbers(column: pa.Array, kind: str) -> np.ndarray[Any, Any]:
    if pa.types.is_timestamp(column.type):
        digits = _time_digits(kind)
        scale = 10 ** (digits - _UNIT_DIGITS[column.type.unit])
        return (
            _filled(column.cast(pa.int64())) * scale
            if digits
            else (_filled(column.cast(pa.int64())).astype("<u4"))
        )
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    if kind not in _NUMBERS:
        raise StoreError(f"columns of type {kind} cannot be written over the native protocol")
    return _filled(column).astype(_NUMBERS[kind], copy=False)


def _filled(column: pa.Array) -> np.ndarray[Any, Any]:
    if column.null_count:
        column = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    return np.asarray(column)


def _time_digits(kind: str) -> int:
    """Decimal digits of a second in DateTime64(digits[, zone]); 0 for DateTime."""
    return int(_inner(kind).split(",")[0]) if kind.startswith("DateTime64(") else 0


def _dictionary(column: pa.Array, inner: str) -> Iterator[bytes]:
    if inner != "String":
        raise StoreError(f"LowCardinality({inner}) cannot be written over the native protocol")
    if not len(column):
        return
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    elif len(column.dictionary) > len(column):  # a slice of a larger table: only what it uses
        column = column.dictionary_decode().dictionary_encode()
    width = 0 if len(column.dictionary) <= 1 << 8 else 1 if len(column.dictionary) <= 1 << 16 else 2
    yield np.array([_DICTIONARY_FLAGS | width, len(column.dictionary)], "<u8").tobytes()
    yield _strings(column.dictionary)
    yield np.array([len(column)], "<u8").tobytes()
    yield np.asarray(column.indices).astype(_KEY_TYPES[width], copy=False).tobytes()


def _strings(column: pa.Array) -> bytes:
    """Each value behind its length (a varint), without a loop over the values."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        column = column.fill_null(b"" if "binary" in str(column.type) else "")
    if not len(column):
        return b""
    wide = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)
    offsets = offsets[column.offset : column.offset + len(column) + 1].astype(np.int64)
    data = np.frombuffer(data_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    longest = int(lengths.max())
    if longest < 128 and longest == int(lengths.min()):
        square = np.empty((len(column), longest + 1), np.uint8)
        square[:, 0] = longest
        square[:, 1:] = data.reshape(len(column), longest)
        return square.tobytes()
    digits = np.ones(len(column), np.int64)
    for place in range(1, 5):
        digits += lengths >= 1 << 7 * place
    ends = np.cumsum(lengths + digits)
    starts = ends - lengths - digits
    result = np.empty(int(ends[-1]), np.uint8)
    is_data = np.ones(len(result), np.bool_)
    for place in range(int(digits.max())):
        has = digits > place
        more = (digits[has] > place + 1).astype(np.uint8) << 7
        at = starts[has] + place
        result[at] = (lengths[has] >> 7 * place & 127).astype(np.uint8) | more
        is_data[at] = False
    result[is_data] = data
    return result.tobytes()


def decode_column(kind: str, count: int, source: Any) -> pa.Array:
    """One column of a block with `count` rows, from clickhouse-driver's buffered reader."""
    if count == 0:
        return _read(kind, 0, source)
    source.read(len(_prefix(kind)))
    return _read(kind, count, source)


def _read(kind: str, count: int, source: Any) -> pa.Array:
    if kind.startswith("Nullable("):
        nulls = np.frombuffer(source.read(count), np.uint8).astype(np.bool_)
        values = _read(_inner(kind), count, source)
        return pa.compute.if_else(pa.array(nulls), pa.scalar(None, values.type), values)
    if kind.startswith("LowCardinality("):
        return _read_dictionary(_inner(kind), count, source)
    if kind == "String" or kind.startswith(("Enum", "AggregateFunction")):
        return _read_strings(count, source)
    if kind.startswith("Array("):
        offsets = _read_offsets(count, source)
        return pa.ListArray.from_arrays(offsets, _read(_inner(kind), offsets[-1].as_py(), source))
    if kind.startswith("Map("):
        offsets = _read_offsets(count, source)
        keys, items = (_read(part, offsets[-1].as_py(), source) for part in map_parts(kind))
        return pa.MapArray.from_arrays(offsets, keys, items)
    return _read_numbers(kind, count, source)


def _read_offsets(count: int, source: Any) -> pa.Array:
    ends = np.frombuffer(source.read(8 * count), "<u8").astype(np.int32)
    return pa.array(np.concatenate([np.zeros(1, np.int32), ends]))


def _read_strings(count: int, source: Any) -> pa.Array:
    if count == 0:
        return pa.array([], pa.binary())
    offsets, data = source.read_strings_arrow(count)
    buffers = [None, pa.py_buffer(bytes(offsets)), pa.py_buffer(bytes(data))]
    return pa.Array.from_buffers(pa.large_binary(), count, buffers).cast(pa.binary())


def _read_dictionary(inner: str, count: int, source: Any) -> pa.Array:
    nullable = inner.startswith("Nullable(")
    kind = _inner(inner) if nullable else inner
    if count == 0:
        return _read(kind, 0, source)
    flags, size = (int(number) for number in np.frombuffer(source.read(16), "<u8"))
    values = _read(kind, size, source)
    source.read(8)
    width = _KEY_TYPES[flags & 0xF]
    keys = np.frombuffer(source.read(count * width.itemsize), width).astype(np.int64)
    # In a nullable dictionary key 0 stands for NULL.
    return values.take(pa.array(keys, mask=keys == 0) if nullable else pa.array(keys))


def _read_numbers(kind: str, count: int, source: Any) -> pa.Array:
    if kind == "Nothing":
        source.read(count)
        return pa.nulls(count)
    if kind.startswith("DateTime"):
        is_64 = kind.startswith("DateTime64(")
        width = np.dtype("<i8") if is_64 else np.dtype("<u4")
        raw = np.frombuffer(source.read(count * width.itemsize), width).astype(np.int64)
        digits = _time_digits(kind)
        units = {digits: unit for unit, digits in _UNIT_DIGITS.items()}
        whole = digits + -digits % 3
        return pa.array(raw * 10 ** (whole - digits)).cast(pa.timestamp(units[whole], "UTC"))
    name = "Int64" if kind.startswith("Interval") else kind
    if name not in _NUMBERS:
        raise StoreError(
            f"a result column has type {kind}, which cannot be read here: wrap it in toString()"
        )
    raw = np.frombuffer(source.read(count * _NUMBERS[name].itemsize), _NUMBERS[name])
    if name in ("Date", "Date32"):
        return pa.array(raw.astype(np.int32)).cast(pa.date32())
    return pa.array(raw.astype(np.bool_)) if name == "Bool" else pa.array(raw)
