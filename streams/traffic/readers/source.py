"""The bytes of a trace file: plain or gzip, a block of lines at a time, with its place known.

First step of every reader. Memory stays bounded by one block and one line. Damage is told with
the file, the line reached and the byte reached in the file as it lies on disk.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from streams.errors import BadInput, UsageError
from streams.traffic.batch import MAX_LINE_BYTES

__all__ = ["Source"]

_BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Source:
    """An open trace file; `line` is the number of the last line handed out (the first is 1).

    Raises:
        UsageError: the file is missing or may not be read.
        BadInput: while reading, when its content is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 0
        try:
            self._raw = path.open("rb")
            self.bytes_total = os.fstat(self._raw.fileno()).st_size
            magic = self._raw.peek(2)[:2]
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        self._read = 0
        self._damage: str | None = None
        self._stream: BufferedReader | gzip.GzipFile = self._raw
        if magic == _GZIP_MAGIC:
            self._stream = gzip.GzipFile(fileobj=self._raw)

    @property
    def bytes_read(self) -> int:
        """Bytes of the file on disk that were read so far."""
        return self._read if self._raw.closed else self._raw.tell()

    @property
    def fraction(self) -> float | None:
        """Share of the file that was read, 0..1; None when its size is unknown (a pipe)."""
        return min(1.0, self.bytes_read / self.bytes_total) if self.bytes_total else None

    def close(self) -> None:
        """Closes the file; may be called twice."""
        if not self._raw.closed:
            self._read = self._raw.tell()
            self._stream.close()
            self._raw.close()

    def bad(self, problem: str, *, line: int | None = None, column: str = "") -> BadInput:
        """The error for a place in this file: the last line handed out unless `line` says other."""
        place = f"line {self.line if line is None else line}"
        return BadInput(str(self.path), f"{place}, column {column}" if column else place, problem)

    def blocks(self) -> Iterator[list[bytes]]:
        """Lines without their newlines, about a megabyte at a time.

        `line` counts a block's lines when the next block is asked for, so while a block is being
        read it is the number of the line before the block's first.
        """
        rest = b""
        first = True
        while block := self._next_block():
            if first:
                block = block.removeprefix(_BYTE_ORDER_MARK)
                first = False
            *lines, rest = (rest + block).split(b"\n")
            if lines:
                yield lines
                self.line += len(lines)
            if len(rest) > MAX_LINE_BYTES:
                raise self.bad(
                    f"expected at most {MAX_LINE_BYTES} bytes in a line", line=self.line + 1
                )
        if rest:
            yield [rest]
            self.line += 1
        self.close()

    def texts(self) -> Iterator[str]:
        """Lines as text, counted one by one; for readers of tables."""
        for block in self._counted():
            try:
                yield block.decode()
            except UnicodeDecodeError as error:
                byte = block[error.start]
                raise self.bad(f"expected UTF-8 text, got byte 0x{byte:02x}") from None

    def _counted(self) -> Iterator[bytes]:
        for block in self.blocks():
            before = self.line
            for number, line in enumerate(block, before + 1):
                self.line = number
                yield line
            self.line = before

    def _next_block(self) -> bytes:
        """About a block; all that came before damage is handed out before the damage is told."""
        pieces: list[bytes] = []
        size = 0
        while size < _BLOCK_BYTES and self._damage is None and (piece := self._piece()):
            pieces.append(piece)
            size += len(piece)
        if not pieces and self._damage is not None:
            place = f"after line {self.line}, at byte {self.bytes_read}"
            raise BadInput(str(self.path), place, self._damage)
        return b"".join(pieces)

    def _piece(self) -> bytes:
        try:
            return self._stream.read1(_BLOCK_BYTES)
        except EOFError:
            self._damage = "the gzip data ends early: the file is truncated"
        except (zlib.error, gzip.BadGzipFile) as error:
            self._damage = f"the gzip data is damaged: {error}"
        except OSError as error:
            self._damage = f"cannot be read: {error.strerror or error}"
        return b""
