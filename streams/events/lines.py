"""Which line of which message an event stood on, when many messages are decoded at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Final

import msgspec
import numpy as np

from streams.events.schema import MAX_EVENT_BYTES, MAX_MESSAGE_BYTES

__all__ = ["line_numbers", "lines_fit", "lines_of", "lines_per_message", "two_on_a_line"]

_OPEN, _CLOSE = b"{}"
_BLANK: Final = np.zeros(256, bool)
_BLANK[list(b" \t\r")] = True

_first_byte = itemgetter(slice(1))
_whole = msgspec.json.Decoder(msgspec.Raw)


def lines_fit(values: Sequence[bytes]) -> bool:
    """Whether no message and no line is longer than allowed."""
    for value in values:
        if len(value) > MAX_MESSAGE_BYTES:
            return False
        start = 0  # of a line; from it to the last line that still begins within the limit
        while len(value) - start > MAX_EVENT_BYTES:
            last = value.rfind(b"\n", start, start + MAX_EVENT_BYTES + 1)
            if last < 0:
                return False
            start = last + 1
    return True


def lines_per_message(values: Sequence[bytes], events: int) -> np.ndarray:
    """Lines of each message; when one was blank, their sum is not the number of events."""
    small = max(map(len, values)) <= MAX_EVENT_BYTES  # an object over many lines is no larger
    if small and events == len(values) and set(map(_first_byte, values)) == {b"{"}:
        return np.ones(len(values), np.int64)  # none is blank, so none has two
    counts = [_line_breaks(value) + (not value.endswith(b"\n")) for value in values]
    return np.asarray(counts, np.int64)


def two_on_a_line(joined: bytes) -> bool:
    """Whether an object may begin on the line on which another ended.

    Only such a line can make up for a blank one, or for an object over two lines, in a count.
    In doubt, yes: after two blanks any brace may begin an object.
    """
    text = np.frombuffer(joined, np.uint8)
    opening = np.flatnonzero(text == _OPEN)[1:]
    before = text[opening - 1]
    if (before == _CLOSE).any():
        return True
    blank = _BLANK[before]
    if not blank.any():
        return False
    earlier = text[opening[blank] - 2]
    return bool((_BLANK[earlier] | (earlier == _CLOSE)).any())


def _line_breaks(value: bytes) -> int:
    """`bytes.count` looks at one byte at a time; numpy's way costs more to start."""
    if len(value) < 4096:
        return value.count(b"\n")
    return int(np.count_nonzero(np.frombuffer(value, np.uint8) == 10))


def line_numbers(per_message: np.ndarray) -> np.ndarray:
    """0, 1, ... within each message: uint32, one per event."""
    starts = np.cumsum(per_message) - per_message
    numbers = np.arange(int(per_message.sum())) - np.repeat(starts, per_message)
    lines: np.ndarray = numbers.astype(np.uint32)
    return lines


def lines_of(value: bytes) -> list[tuple[int, bytes]]:
    """The lines of a message with their numbers; a pretty-printed value is one line, number 0."""
    lines = [(number, line) for number, line in enumerate(value.split(b"\n")) if line.strip()]
    if len(lines) > 1:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            _whole.decode(value)
            return [(0, value)]
    return lines
