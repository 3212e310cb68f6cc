"""Whole records of a CSV table, some megabytes at a time, each block with the number of its line.

First step of reading actions: plain or gzip bytes (told by content) become blocks that end where a
record ends, so that every block can be parsed by itself. A newline inside quotes ends no record.
Memory stays bounded by one block and one record.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO, Final, cast

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.compiled import compiled
from streams.errors import BadInput

__all__ = ["MAX_RECORD_BYTES", "Records"]

BLOCK_BYTES: Final = 4 << 20
MAX_RECORD_BYTES: Final = 1 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Records:
    """The records of `file`, read once; `name` stands in messages."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._raw = file if hasattr(file, "peek") else io.BufferedReader(cast(io.RawIOBase, file))
        self._name = name
        self._line = 1

    @property
    def bytes_read(self) -> int:
        """Bytes of the file as it lies on disk that were read so far; 0 for a pipe."""
        try:
            return self._raw.tell()
        except (OSError, ValueError):
            return 0

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """(number of the first line, bytes of whole records) until the file ends.

        Raises:
            BadInput: damaged gzip, or a record without an end.
        """
        rest = b""
        for piece in self._pieces():
            data = rest + piece
            end = _ends(data)
            rest = data[end:]
            if end:
                yield self._line, data[:end]
                self._line += data.count(b"\n", 0, end)
            if len(rest) > MAX_RECORD_BYTES:
                problem = f"expected a row of at most {MAX_RECORD_BYTES:,} bytes"
                raise self._bad(f"{problem}; is a quote opened and never closed?")
        if rest:
            if _ends(rest + b"\n") == 0:
                raise self._bad("a quote is opened and never closed")
            yield self._line, rest

    def _bad(self, problem: str) -> BadInput:
        return BadInput(self._name, f"line {self._line}", problem)

    def _pieces(self) -> Iterator[bytes]:
        """The text without the mark that some programs put in front of it."""
        first = True
        try:
            zipped = self._raw.peek(2)[:2] == _GZIP_MAGIC
            stream = gzip.GzipFile(fileobj=self._raw) if zipped else self._raw
            while piece := stream.read(BLOCK_BYTES):
                yield piece.removeprefix(_BYTE_ORDER_MARK) if first else piece
                first = False
        except EOFError:
            raise self._damaged("the gzip data ends early: the file is truncated") from None
        except (zlib.error, gzip.BadGzipFile) as error:
            raise self._damaged(f"the gzip data is damaged: {error}") from None
        except OSError as error:
            raise self._damaged(f"cannot be read: {error.strerror or error}") from None

    def _damaged(self, problem: str) -> BadInput:
        return BadInput(self._name, f"after line {self._line}", problem)


def _ends(data: bytes) -> int:
    """Bytes up to and with the last newline that ends a record; 0 when none does."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    return int(_scan(np.frombuffer(data, np.uint8)))


@compiled
def _scan(data: NDArray[np.uint8]) -> int:
    """RFC 4180: a quote opens at the beginning of a cell only, and a doubled one is a character."""
    end = 0
    opening, quoted = True, False  # at the beginning of a cell; within quotes
    i = 0
    while i < len(data):
        character = data[i]
        if quoted:
            if character == 34:
                if i + 1 < len(data) and data[i + 1] == 34:
                    i += 1
                else:
                    quoted = False
        elif character == 10:
            end = i + 1
            opening = True
        elif character == 44:
            opening = True
        elif character == 34 and opening:
            quoted = True
            opening = False
        elif character != 13:
            opening = False
        i += 1
    return end
