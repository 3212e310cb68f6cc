"""Mooncake's public trace of chat requests (KVCache.AI) as usage events.

JSON lines with `timestamp` (ms from 0), `input_length`, `output_length` and `hash_ids`, the
512-token blocks of the prompt's prefix. The trace starts at no date, so event time 0 is
`BASE_MS`. Block 0 is the service's own system prompt; the second block tells conversations apart,
so it chooses the account (equal prefixes belong to one customer) and makes the template, and the
first 16 blocks are the bands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Final

import msgspec

from streams.events.schema import Count
from streams.traffic.batch import Batch
from streams.traffic.readers.accounts import AccountDraw
from streams.traffic.readers.format import LAST_MS, Row, TraceFormat, batched, row_id
from streams.traffic.readers.source import Source

__all__ = ["BASE_MS", "MOONCAKE"]

#: 2024-06-26T00:00:00Z, shortly before the trace was published.
BASE_MS: Final = 1_719_360_000_000
_BANDS = 16
_EXPECTED = "expected timestamp, input_length, output_length and hash_ids"

Millisecond = Annotated[int, msgspec.Meta(ge=0, lt=LAST_MS - BASE_MS)]
Block = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Request(msgspec.Struct, gc=False):
    timestamp: Millisecond
    input_length: Count
    output_length: Count
    hash_ids: list[Block]


def _read(source: Source, draw: AccountDraw, notice: Callable[[str], None]) -> Iterator[Batch]:
    return batched(_events(source, draw))


def _events(source: Source, draw: AccountDraw) -> Iterator[Row]:
    decode = msgspec.json.Decoder(_Request).decode
    encode = msgspec.json.Encoder().encode
    number = 0
    for text in source.texts():
        if not text.strip():
            continue
        try:
            request = decode(text)
        except msgspec.ValidationError as error:
            raise source.bad(f"{_EXPECTED}; {error}") from None
        except msgspec.DecodeError as error:
            raise source.bad(f"{_EXPECTED} in one JSON object; {error}") from None
        ts = BASE_MS + request.timestamp
        blocks = request.hash_ids
        account_id = draw.account(blocks[1] if len(blocks) > 1 else number)
        event = {
            "event_id": row_id("mooncake", number, text),
            "ts": ts,
            "account_id": account_id,
            "endpoint": "chat",
            "prompt_tokens": request.input_length,
            "completion_tokens": request.output_length,
            "template": f"{blocks[min(1, len(blocks) - 1)]:016x}" if blocks else "",
            "bands": [f"{block:x}" for block in blocks[:_BANDS]],
        }
        yield account_id, ts, encode(event)
        number += 1


MOONCAKE = TraceFormat("mooncake", "Mooncake's trace of chat requests (JSON lines).", False, _read)
