"""Azure's public inference traces (AzurePublicDataset, 2023 and 2024) as usage events.

Columns TIMESTAMP (UTC, 100 ns steps, cut to milliseconds), ContextTokens, GeneratedTokens. The
traces name no accounts; each row draws one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from streams.traffic.batch import Batch
from streams.traffic.readers.accounts import AccountDraw
from streams.traffic.readers.format import LAST_MS, Row, TraceFormat, batched, row_id
from streams.traffic.readers.source import Source
from streams.traffic.readers.table import count, rows

__all__ = ["AZURE"]

_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def _read(source: Source, draw: AccountDraw, notice: Callable[[str], None]) -> Iterator[Batch]:
    return batched(_events(source, draw))


def _events(source: Source, draw: AccountDraw) -> Iterator[Row]:
    encode = msgspec.json.Encoder().encode
    for number, (stamp, context, generated) in rows(source, _COLUMNS):
        account_id = draw.account(number)
        ts = _epoch_ms(source, stamp)
        event = {
            "event_id": row_id("azure", number, f"{stamp},{context},{generated}"),
            "ts": ts,
            "account_id": account_id,
            "prompt_tokens": count(source, "ContextTokens", context),
            "completion_tokens": count(source, "GeneratedTokens", generated),
        }
        yield account_id, ts, encode(event)


def _epoch_ms(source: Source, stamp: str) -> int:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        moment = None
    if moment is not None:
        ts = (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _MILLISECOND
        if 0 <= ts < LAST_MS:
            return ts
    problem = f"expected a time like 2023-11-16 18:15:46.6805900, got {stamp!r}"
    raise source.bad(problem, column="TIMESTAMP")


AZURE = TraceFormat("azure", "Azure's LLM inference traces of 2023 and 2024 (CSV).", False, _read)
