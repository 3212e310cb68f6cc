"""CooRTweet's public data sets of who shared which object when, as usage events.

Columns object_id, account_id, content_id, timestamp_share (Unix s). The object is the event's
template: accounts that use one template at one time look like accounts that share one object.
The rows are in no order, so they are sorted in memory; equal times keep the file's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from operator import itemgetter

import msgspec

from streams.traffic.batch import Batch
from streams.traffic.readers.accounts import AccountDraw
from streams.traffic.readers.format import LAST_MS, Row, TraceFormat, batched, row_id
from streams.traffic.readers.source import Source
from streams.traffic.readers.table import rows

__all__ = ["COORTWEET"]

_COLUMNS = ("object_id", "account_id", "content_id", "timestamp_share")
_LONGEST = {"object_id": 64, "account_id": 256}


def _read(source: Source, draw: AccountDraw, notice: Callable[[str], None]) -> Iterator[Batch]:
    events = list(_events(source))
    times = [event[1] for event in events]
    if any(later < earlier for earlier, later in pairwise(times)):
        notice(f"{source.path}: rows are not in order of time: sorted {len(events):,} in memory")
        events.sort(key=itemgetter(1))
    yield from batched(events)


def _events(source: Source) -> Iterator[Row]:
    encode = msgspec.json.Encoder().encode
    for number, values in rows(source, _COLUMNS):
        object_id, account_id, _, share = values
        for column, text in (("object_id", object_id), ("account_id", account_id)):
            if not 0 < len(text) <= _LONGEST[column]:
                expected = f"expected 1 to {_LONGEST[column]} characters, got {len(text)}"
                raise source.bad(expected, column=column)
        ts = _epoch_ms(source, share)
        event = {
            "event_id": row_id("coortweet", number, ",".join(values)),
            "ts": ts,
            "account_id": account_id,
            "endpoint": "share",
            "template": object_id,
        }
        yield account_id, ts, encode(event)


def _epoch_ms(source: Source, text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if 0 <= seconds < LAST_MS / 1000:
        return round(seconds * 1000)
    problem = f"expected seconds since 1970 like 1623881091, got {text!r}"
    raise source.bad(problem, column="timestamp_share")


COORTWEET = TraceFormat("coortweet", "CooRTweet's tables of shared objects (CSV).", True, _read)
