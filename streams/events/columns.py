"""Events as columns: the Arrow schema of the table `events`, and the way from decoded events to it.

Between the decoder and everything else; after it no per-event Python object is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from streams.events.schema import Event

__all__ = ["EVENT_SCHEMA", "FIELDS", "NaiveTime", "to_columns", "to_millis"]

FIELDS: Final = Event.__struct_fields__
_all_fields: Callable[[Event], tuple[Any, ...]] = astuple  # in the order of FIELDS

_WORD = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ms", "UTC")
_MODERATION = pa.map_(pa.string(), pa.float32())
_EXTRA = pa.map_(pa.string(), pa.string())
_TYPES: Final[dict[str, pa.DataType]] = {
    "event_id": pa.string(),
    "ts": _TIME,
    "account_created_at": _TIME,
    "status": pa.uint16(),
    "prompt_tokens": pa.uint32(),
    "completion_tokens": pa.uint32(),
    "max_tokens": pa.uint32(),
    "latency_ms": pa.uint32(),
    "stream": pa.uint8(),
    "quota_used": pa.float32(),
    "bands": pa.list_(pa.string()),
    "moderation": _MODERATION,
}

#: Columns that come from the event itself, in the order of the Struct, then `extra`.
EVENT_SCHEMA: Final = pa.schema(
    [pa.field(name, _TYPES.get(name, _WORD)) for name in FIELDS] + [pa.field("extra", _EXTRA)]
)


class NaiveTime(ValueError):
    """A time without an offset from UTC: it could mean any of 26 hours."""


def to_millis(value: int | datetime) -> int:
    """Epoch milliseconds of a time as an event carries it."""
    if isinstance(value, int):
        return value
    if value.tzinfo is None:
        raise NaiveTime
    return round(value.timestamp() * 1000)


def to_columns(events: Sequence[Event], extra: Sequence[dict[str, str]] | None) -> pa.RecordBatch:
    """Arrow columns (EVENT_SCHEMA) of `events`; `extra` holds the unknown fields of each."""
    columns: Iterator[tuple[Any, ...]] = zip(*map(_all_fields, events), strict=True)
    arrays = [_builder(name)(column) for name, column in zip(FIELDS, columns, strict=True)]
    arrays.append(_maps(extra, pa.string(), _EXTRA) if extra else _no_maps(len(events), _EXTRA))
    return pa.RecordBatch.from_arrays(arrays, schema=EVENT_SCHEMA)


def _builder(name: str) -> Callable[[tuple[Any, ...]], pa.Array]:
    return _BUILDERS.get(name, _words)


def _words(column: tuple[str, ...]) -> pa.Array:
    if not any(column):
        return pa.DictionaryArray.from_arrays(np.zeros(len(column), np.int32), pa.array([""]))
    return pa.array(column, pa.string()).dictionary_encode()


def _times(column: tuple[Any, ...]) -> pa.Array:
    try:
        millis = pa.array(column, pa.int64())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        millis = pa.array([to_millis(value) for value in column], pa.int64())
    return millis.cast(_TIME)


def _numbers(kind: pa.DataType) -> Callable[[tuple[Any, ...]], pa.Array]:
    return lambda column: pa.array(column, kind)


def _flags(column: tuple[bool, ...]) -> pa.Array:
    return pa.array(column, pa.bool_()).cast(pa.uint8())


def _offsets(column: Sequence[Any]) -> pa.Array:
    ends = np.zeros(len(column) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, column), np.int32, len(column)), out=ends[1:])
    return pa.array(ends)


def _lists(column: tuple[list[str], ...]) -> pa.Array:
    flat = pa.array(list(chain.from_iterable(column)), pa.string())
    return pa.ListArray.from_arrays(_offsets(column), flat)


def _maps(column: Sequence[dict[str, Any]], values: pa.DataType, kind: pa.MapType) -> pa.Array:
    if not any(column):
        return _no_maps(len(column), kind)
    keys = pa.array(list(chain.from_iterable(column)), pa.string())
    items = pa.array(list(chain.from_iterable(map(dict.values, column))), values)
    return pa.MapArray.from_arrays(_offsets(column), keys, items, type=kind)


def _no_maps(count: int, kind: pa.MapType) -> pa.Array:
    nothing = pa.array([], kind.key_type), pa.array([], kind.item_type)
    return pa.MapArray.from_arrays(pa.array(np.zeros(count + 1, np.int32)), *nothing, type=kind)


def _moderation(column: tuple[dict[str, float], ...]) -> pa.Array:
    return _maps(column, pa.float32(), _MODERATION)


_BUILDERS: Final[dict[str, Callable[[tuple[Any, ...]], pa.Array]]] = {
    "event_id": lambda column: pa.array(column, pa.string()),
    "ts": _times,
    "account_created_at": _times,
    "stream": _flags,
    "bands": _lists,
    "moderation": _moderation,
    **{
        name: _numbers(_TYPES[name])
        for name in (
            "status",
            "prompt_tokens",
            "completion_tokens",
            "max_tokens",
            "latency_ms",
            "quota_used",
        )
    },
}

assert set(_TYPES) <= set(FIELDS)
