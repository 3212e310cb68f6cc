"""Our own events, one JSON object a line, sent on byte for byte.

Only what routing and pacing need is read here: event_id, account_id and ts. Everything else is
judged once, by the decoder behind the broker, where a bad event becomes a dead letter. Heartbeats
(an exported topic holds some) are left out; the replay makes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from streams.events.schema import Id
from streams.traffic.batch import BATCH_EVENTS, Batch
from streams.traffic.readers.accounts import AccountDraw
from streams.traffic.readers.format import LAST_MS, TraceFormat
from streams.traffic.readers.source import Source

__all__ = ["NDJSON"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class _Head(msgspec.Struct, gc=False):
    event_id: Id
    ts: int | datetime
    account_id: Id


class _Heartbeat(msgspec.Struct, gc=False):
    heartbeat: int


def _read(source: Source, draw: AccountDraw, notice: Callable[[str], None]) -> Iterator[Batch]:
    decoder = msgspec.json.Decoder(_Head)
    for block in source.blocks():
        for start in range(0, len(block), BATCH_EVENTS):
            lines = block[start : start + BATCH_EVENTS]
            first = source.line + start + 1
            yield _batch(source, decoder, lines, first)


def _batch(
    source: Source, decoder: msgspec.json.Decoder[_Head], lines: list[bytes], first: int
) -> Batch:
    try:
        heads = decoder.decode_lines(b"\n".join(lines))
    except (msgspec.DecodeError, UnicodeDecodeError):
        heads = []
    if len(heads) != len(lines):
        lines, heads = _line_by_line(source, decoder, lines, first)
    numbers: dict[str, int] = {}
    account = [numbers.setdefault(head.account_id, len(numbers)) for head in heads]
    ts = [head.ts if isinstance(head.ts, int) else _epoch_ms(head.ts) for head in heads]
    if ts and not 0 <= min(ts) <= max(ts) < LAST_MS:
        wrong = next(row for row, value in enumerate(ts) if not 0 <= value < LAST_MS)
        problem = f"expected epoch milliseconds up to 2199 or an RFC 3339 time, got {ts[wrong]}"
        raise source.bad(problem, line=first + wrong, column="ts")
    return Batch(list(numbers), np.array(account, np.int32), np.array(ts, np.int64), lines)


def _line_by_line(
    source: Source, decoder: msgspec.json.Decoder[_Head], lines: list[bytes], first: int
) -> tuple[list[bytes], list[_Head]]:
    """The events among `lines`; blank lines and heartbeats are left out, anything else refused."""
    heartbeats = msgspec.json.Decoder(_Heartbeat)
    kept: list[bytes] = []
    heads: list[_Head] = []
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            heads.append(decoder.decode(line))
            kept.append(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            try:
                heartbeats.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                problem = f"expected an event with event_id, ts and account_id: {error}"
                raise source.bad(problem, line=number) from None
    return kept, heads


def _epoch_ms(moment: datetime) -> int:
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _MILLISECOND


NDJSON = TraceFormat("ndjson", "Our own events, one JSON object a line.", True, _read)
