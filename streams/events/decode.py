"""Messages to columns: one fast path for chunks of clean lines, a careful one for the rest.

Second stage of ingest. A chunk of one to two thousand lines stays in the processor's cache; when a
chunk does not decode, its messages are decoded one by one, and the lines of a bad message one by
one, so that a bad event costs only itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from streams.events.columns import EVENT_SCHEMA, FIELDS, NaiveTime, to_columns
from streams.events.letters import DeadLetter, refusal
from streams.events.lines import line_numbers, lines_fit, lines_of, lines_per_message, two_on_a_line
from streams.events.schema import MAX_EVENT_BYTES, MAX_MESSAGE_BYTES, Event, Heartbeat

__all__ = ["CHUNK_LINES", "Decoded", "Messages", "decode"]

CHUNK_LINES: Final = 1500
_FEW_MESSAGES: Final = 2

_HEARTBEAT_PREFIX: Final = b'{"heartbeat"'
_strict = msgspec.json.Decoder(Event)


class _Loose(Event, forbid_unknown_fields=False):
    """An event with fields of its sender's own."""


_loose = msgspec.json.Decoder(_Loose)
_raw = msgspec.json.Decoder(dict[str, msgspec.Raw])
_event_id = attrgetter("event_id")
_heartbeat = msgspec.json.Decoder(Heartbeat)
_KNOWN: Final = frozenset(FIELDS)
_REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of one partition in order: values, offsets and the broker's times (epoch ms)."""

    values: Sequence[bytes | None]
    offsets: Sequence[int]
    times: Sequence[int]

    def since(self, offset: int) -> Messages:
        """The messages at and after `offset`."""
        first = bisect_left(self.offsets, offset)
        if not first:
            return self
        return Messages(self.values[first:], self.offsets[first:], self.times[first:])


@dataclass(slots=True)
class Decoded:
    """Columns of the good events with their places, the dead letters, and the heartbeats.

    `batches[i]` (EVENT_SCHEMA) goes with `offsets`, `lines`, `times` and `hashes` (of the event_id,
    good within this process) of the same rows, in order.
    A heartbeat `(row, ms)` stands before row `row`; the broker's times are in `heartbeat_times`.
    """

    batches: list[pa.RecordBatch] = field(default_factory=list)
    offsets: list[np.ndarray] = field(default_factory=list)
    lines: list[np.ndarray] = field(default_factory=list)
    times: list[np.ndarray] = field(default_factory=list)
    hashes: list[np.ndarray] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    heartbeats: list[tuple[int, int]] = field(default_factory=list)
    heartbeat_times: list[int] = field(default_factory=list)
    rows: int = 0

    def table(self) -> pa.Table:
        """All good events as one table of one chunk (dictionaries unified)."""
        table = pa.Table.from_batches(self.batches, EVENT_SCHEMA)
        return table.unify_dictionaries().combine_chunks()

    def _add(
        self,
        events: Sequence[Event],
        extra: Sequence[dict[str, str]] | None,
        offsets: np.ndarray,
        lines: np.ndarray,
        times: np.ndarray,
    ) -> None:
        self.batches.append(to_columns(events, extra))
        self.offsets.append(offsets)
        self.lines.append(lines)
        self.times.append(times)
        self.hashes.append(np.fromiter(map(hash, map(_event_id, events)), np.int64, len(events)))
        self.rows += len(events)


def decode(messages: Messages) -> Decoded:
    """Decode messages in order: each line becomes a row, a dead letter or a heartbeat."""
    decoded = Decoded()
    for part in _chunks(messages):
        _decode_chunk(part, decoded)
    return decoded


def _chunks(messages: Messages) -> Iterator[Messages]:
    """Runs of messages with about CHUNK_LINES lines in each."""
    values, count = messages.values, len(messages.values)
    start = 0
    while start < count:
        stop = min(count, start + CHUNK_LINES)
        sample = values[start]
        line, _, rest = (sample or b"").partition(b"\n")
        lines = 1 + len(rest) // (len(line) + 1)
        stop = min(stop, start + max(1, CHUNK_LINES // lines))
        yield Messages(values[start:stop], messages.offsets[start:stop], messages.times[start:stop])
        start = stop


def _decode_chunk(part: Messages, decoded: Decoded) -> None:
    """Halve a chunk that does not decode until what is left to the careful path is small."""
    if _decode_clean(part, decoded):
        return
    count = len(part.values)
    if count <= _FEW_MESSAGES:
        for value, offset, time in zip(part.values, part.offsets, part.times, strict=True):
            _decode_message(value, offset, time, decoded)
        return
    for half in (slice(None, count // 2), slice(count // 2, None)):
        _decode_chunk(Messages(part.values[half], part.offsets[half], part.times[half]), decoded)


def _decode_clean(part: Messages, decoded: Decoded) -> bool:
    """The fast path; False, with nothing added, when any line of the chunk needs care."""
    values = part.values
    if None in values:
        return False
    clean: Sequence[bytes] = values  # type: ignore[assignment]
    if max(map(len, clean)) > MAX_EVENT_BYTES and not lines_fit(clean):
        return False
    joined = b"\n".join(clean)
    extra: list[dict[str, str]] | None = None
    try:
        try:
            events: list[Event] = _strict.decode_lines(joined)
        except msgspec.ValidationError as error:
            if "unknown field" not in str(error):
                return False
            events = list(_loose.decode_lines(joined))
            extra = [_unknown(row) for row in _raw.decode_lines(joined)]
        per_message = lines_per_message(clean, len(events))
        if int(per_message.sum()) != len(events) or not events or two_on_a_line(joined):
            return False
        offsets = np.repeat(np.asarray(part.offsets, np.uint64), per_message)
        times = np.repeat(np.asarray(part.times, np.int64), per_message)
        decoded._add(events, extra, offsets, line_numbers(per_message), times)
    except (*_REFUSED, NaiveTime, pa.ArrowException, OverflowError):
        return False
    return True


def _unknown(row: dict[str, msgspec.Raw]) -> dict[str, str]:
    return {name: bytes(value).decode() for name, value in row.items() if name not in _KNOWN}


def _decode_message(value: bytes | None, offset: int, time: int, decoded: Decoded) -> None:
    """The careful path: one message, line by line."""
    if not value or not value.strip():
        letter = DeadLetter(
            offset, 0, "empty", "expected an event, got an empty message", value or b"", time
        )
        decoded.dead.append(letter)
        return
    if len(value) > MAX_MESSAGE_BYTES:
        sentence = f"expected at most {MAX_MESSAGE_BYTES} bytes a message, got {len(value)}"
        decoded.dead.append(DeadLetter(offset, 0, "message_too_large", sentence, value, time))
        return
    good: list[tuple[int, Event, dict[str, str]]] = []
    for number, line in lines_of(value):
        try:
            if len(line) > MAX_EVENT_BYTES:
                sentence = f"expected at most {MAX_EVENT_BYTES} bytes an event, got {len(line)}"
                decoded.dead.append(
                    DeadLetter(offset, number, "event_too_large", sentence, line, time)
                )
            elif (moment := _heartbeat_in(line)) is not None:
                decoded.heartbeats.append((decoded.rows + len(good), moment))
                decoded.heartbeat_times.append(time)
            else:
                good.append((number, *_decode_line(line)))
        except NaiveTime:
            sentence = (
                "field `ts` or `account_created_at`: expected RFC 3339 with an offset from UTC"
            )
            decoded.dead.append(DeadLetter(offset, number, "naive_time", sentence, line, time))
        except (*_REFUSED, pa.ArrowException, OverflowError) as error:
            decoded.dead.append(DeadLetter(offset, number, *refusal(line, error), line, time))
    if good:
        _add_events(good, offset, time, decoded)


def _heartbeat_in(line: bytes) -> int | None:
    """The time a heartbeat tells; None for what may be an event."""
    if line.startswith(_HEARTBEAT_PREFIX):
        with suppress(*_REFUSED):
            return _heartbeat.decode(line).heartbeat
    return None


def _decode_line(line: bytes) -> tuple[Event, dict[str, str]]:
    try:
        event = _loose.decode(line)
    except msgspec.ValidationError as error:
        raise _wrong_heartbeat(line) or error from None
    extra = _unknown(_raw.decode(line))
    to_columns([event], [extra])  # what cannot become a column is refused here, alone
    return event, extra


def _wrong_heartbeat(line: bytes) -> msgspec.ValidationError | None:
    """What is wrong with a line that was meant to be a heartbeat."""
    try:
        _heartbeat.decode(line)
    except msgspec.ValidationError as error:
        return error if "`$.heartbeat`" in str(error) else None
    return None


def _add_events(
    good: list[tuple[int, Event, dict[str, str]]], offset: int, time: int, decoded: Decoded
) -> None:
    count = len(good)
    decoded._add(
        [event for _, event, _ in good],
        [extra for _, _, extra in good],
        np.full(count, offset, np.uint64),
        np.fromiter((number for number, _, _ in good), np.uint32, count),
        np.full(count, time, np.int64),
    )
