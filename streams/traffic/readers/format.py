"""What a trace format is, and the identities that every reader gives to rows without any."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from streams.traffic.batch import BATCH_EVENTS, Batch
from streams.traffic.readers.accounts import AccountDraw
from streams.traffic.readers.source import Source

__all__ = ["LAST_MS", "TraceFormat", "batched", "row_id"]

#: Event times end here (2200-01-01): the store keeps what lies beyond for "never".
LAST_MS = 7_258_118_400_000

#: An encoded event: account, epoch ms, JSON.
Row = tuple[str, int, bytes]


@dataclass(frozen=True, slots=True)
class TraceFormat:
    """A kind of file that `open_trace` reads.

    `read` takes the open file, the drawing of accounts (unused where `has_accounts`), and a
    function that takes notices for the person who waits.
    """

    name: str
    sentence: str
    has_accounts: bool
    read: Callable[[Source, AccountDraw, Callable[[str], None]], Iterator[Batch]]


def row_id(trace_format: str, row: int, content: str) -> str:
    """The event id of a row: 32 hex digits of its format, its number (from 0) and its content.

    The file's name and place do not matter, so the same rows sent again are the same events.
    """
    text = f"{trace_format}\n{row}\n{content}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def batched(rows: Iterable[Row]) -> Iterator[Batch]:
    """Rows gathered into batches, each with the dictionary of its own accounts."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, BATCH_EVENTS)):
        numbers: dict[str, int] = {}
        account = [numbers.setdefault(row[0], len(numbers)) for row in chunk]
        yield Batch(
            list(numbers),
            np.array(account, np.int32),
            np.array([row[1] for row in chunk], np.int64),
            [row[2] for row in chunk],
        )
