"""Messages of the topic usage.signals: the signals of a contiguous range of a source.

Between ingest and the signals agent. A message says which offsets of which partition of
usage.events it covers, so the reader sees what is missing and reads that from the store. A header
in MessagePack, then columns of little-endian numbers, compressed with Zstandard:

    names of accounts (lengths, bytes), account codes, kinds, objects, times, slots, offsets
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.coordination.signals import SLOT_MS, Signals, slot_end
from streams.errors import PulseError

__all__ = ["Header", "Unreadable", "decode", "encode", "header_of"]

_VERSION: Final = 1
_CODEC: Final = pa.Codec("zstd", 1)
_MOST_BYTES: Final = 64 << 20
_LENGTH: Final = 4  # bytes in front that say how long the header is


class Unreadable(PulseError):
    """A message of usage.signals that is none, or of a version this program does not know."""


class Header(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a message covers: every row of `source` from `first_offset` to before `next_offset`."""

    version: int
    stream_id: str
    source: int
    first_offset: int
    next_offset: int
    watermark: int  # of the source at `next_offset`, epoch ms
    since: int  # the source's timeline, epoch ms
    kinds: str = ""  # the kinds that the codes stand for
    signals: int = 0
    names: int = 0
    size: int = 0  # of the columns, before compression
    #: Of the first signal, the others are told by their distance from the one before.
    ts: int = 0
    slot: int = 0
    offset: int = 0
    narrow: bool = True  # distances in time are of 32 bits


_header = msgspec.msgpack.Decoder(Header)


def encode(
    header: Header, found: Signals, limit: int, watermark_before: int
) -> Iterator[tuple[Header, bytes]]:
    """Messages of at most `limit` bytes that cover the header's range in order.

    One, as a rule; cut between offsets where they would be larger. All but the last carry
    `watermark_before`, what was known before the range. Signals of a single offset that do not fit
    are not sent, nor is what comes after them: the reader finds them in the store.
    """
    value = _packed(header, found)
    if len(value) <= limit:
        yield header, value
        return
    if not len(found) or found.offset.min() == found.offset.max():
        return
    middle = int(np.partition(found.offset, len(found) // 2)[len(found) // 2])
    middle = middle if middle > int(found.offset.min()) else middle + 1
    first = found.offset < middle
    before = msgspec.structs.replace(header, next_offset=middle, watermark=watermark_before)
    after = msgspec.structs.replace(header, first_offset=middle)
    yield from encode(before, found.take(first), limit, watermark_before)
    yield from encode(after, found.take(~first), limit, watermark_before)


def _packed(header: Header, found: Signals) -> bytes:
    marks = np.zeros(len(found.names), bool)
    marks[found.account] = True
    used = np.flatnonzero(marks)
    codes = np.cumsum(marks, dtype=np.uint32)[found.account] - np.uint32(1)
    names = [found.names[code] for code in used.tolist()]
    slot, offset = slot_end(found.tick) // SLOT_MS, found.offset.view(np.int64)
    narrow = _is_narrow(found.ts)
    columns = b"".join(
        (
            np.fromiter(map(len, names), "<u2", len(names)).tobytes(),
            b"".join(names),
            codes.astype("<u4", copy=False).tobytes(),
            found.kind.tobytes(),
            found.object.astype("<u8", copy=False).tobytes(),
            _steps(found.ts, "<i4" if narrow else "<i8"),
            _steps(slot, "<i4"),
            _steps(offset, "<i4"),
        )
    )
    whole = msgspec.structs.replace(
        header,
        version=_VERSION,
        signals=len(found),
        names=len(names),
        size=len(columns),
        ts=int(found.ts[0]) if len(found) else 0,
        slot=int(slot[0]) if len(found) else 0,
        offset=int(offset[0]) if len(found) else 0,
        narrow=narrow,
    )
    head = msgspec.msgpack.encode(whole)
    body = _CODEC.compress(columns, asbytes=True) if columns else b""
    return len(head).to_bytes(_LENGTH, "little") + head + body


def _is_narrow(ts: NDArray[np.int64]) -> bool:
    """Whether steps between these times fit into 32 bits: 24 days."""
    return not len(ts) or int(ts.max()) - int(ts.min()) < 1 << 31


def _steps(values: NDArray[np.int64], kind: str) -> bytes:
    """Differences, which are small and compress well; the first one is 0."""
    steps = np.zeros(len(values), kind)
    np.subtract(values[1:], values[:-1], out=steps[1:], casting="unsafe")
    return steps.tobytes()


def header_of(value: bytes) -> Header:
    """What a message covers.

    Raises:
        Unreadable: it is no message of ours.
    """
    size = int.from_bytes(value[:_LENGTH], "little")
    try:
        header = _header.decode(value[_LENGTH : _LENGTH + size])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Unreadable(
            f"a message of {len(value)} bytes has no readable header: {error}"
        ) from None
    if header.version != _VERSION:
        raise Unreadable(f"a message of version {header.version}, this program knows {_VERSION}")
    return header


def decode(value: bytes) -> tuple[Header, Signals]:
    """The header and the signals, whose ticks are the ends of their slots.

    Raises:
        Unreadable: it is no message of ours.
    """
    header = header_of(value)
    start = _LENGTH + int.from_bytes(value[:_LENGTH], "little")
    try:
        columns = (
            _CODEC.decompress(value[start:], header.size, asbytes=True) if header.size else b""
        )
        return header, _unpacked(header, columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise Unreadable(
            f"signals of partition {header.source}, offsets {header.first_offset} to "
            f"{header.next_offset}: {error}"
        ) from None


def _unpacked(header: Header, columns: bytes) -> Signals:
    place, count = 0, header.signals

    def column(kind: str, rows: int) -> NDArray[np.generic]:
        nonlocal place
        values = np.frombuffer(columns, kind, rows, place)
        place += values.nbytes
        return values

    def times(first: int, kind: str) -> NDArray[np.int64]:
        return np.int64(first) + np.cumsum(column(kind, count), dtype=np.int64)

    ends = np.cumsum(column("<u2", header.names), dtype=np.int64)
    text = columns[place : place + int(ends[-1] if len(ends) else 0)]
    place += len(text)
    starts = [0, *ends.tolist()]
    names = [text[a:b] for a, b in pairwise(starts)]
    account = column("<u4", count).astype(np.int64)
    if count and int(account.max()) >= header.names:
        raise ValueError("an account without a name")
    kind = column("<u1", count).astype(np.uint8)
    if count and int(kind.max()) > header.kinds.count(","):
        raise ValueError("a kind without a name")
    pa.array(names, pa.binary()).cast(pa.string())  # raises for what is not UTF-8
    return Signals(
        names=names,
        account=account,
        kind=kind,
        object=column("<u8", count).astype(np.uint64),
        ts=times(header.ts, "<i4" if header.narrow else "<i8"),
        tick=times(header.slot, "<i4") * SLOT_MS,
        offset=times(header.offset, "<i4").view(np.uint64),
    )
