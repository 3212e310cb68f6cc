"""Opens a trace: the one entry to all readers, and what a progress line wants to know of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streams.errors import UsageError
from streams.traffic.batch import Batch
from streams.traffic.readers.accounts import DEFAULT_ACCOUNTS, AccountDraw
from streams.traffic.readers.format import TraceFormat
from streams.traffic.readers.registry import find_format, guess_format
from streams.traffic.readers.source import Source

__all__ = ["Trace", "open_trace"]


class Trace:
    """Batches of one file, in its order of time, read once; `notices` grows while it is read."""

    def __init__(self, source: Source, trace_format: TraceFormat, draw: AccountDraw) -> None:
        self.format = trace_format.name
        self.notices: list[str] = []
        self._source = source
        self._batches = trace_format.read(source, draw, self.notices.append)

    def __iter__(self) -> Iterator[Batch]:
        try:
            for batch in self._batches:
                if len(batch):
                    yield batch
        finally:
            self._source.close()

    @property
    def bytes_total(self) -> int:
        """Size of the file on disk."""
        return self._source.bytes_total

    @property
    def bytes_read(self) -> int:
        """Bytes of the file on disk that were read so far."""
        return self._source.bytes_read

    @property
    def fraction(self) -> float | None:
        """Share of the file that was read, 0..1; None for a pipe."""
        return self._source.fraction

    def close(self) -> None:
        """Closes the file; reading it to its end does the same."""
        self._source.close()


def open_trace(
    path: Path | str,
    trace_format: str | None = None,
    *,
    accounts: int | None = None,
    seed: int = 0,
) -> Trace:
    """Opens `path` in the format called `trace_format` (None guesses by the file's name).

    A trace without accounts gets `accounts` of them (50 when None): the same rows, number and seed
    give the same accounts.

    Raises:
        UsageError: unknown format, unreadable file, or accounts asked for where the file has its
            own. While reading, BadInput names file, line and what was expected there.
    """
    path = Path(path)
    kind = find_format(guess_format(path) if trace_format is None else trace_format)
    if accounts is not None and kind.has_accounts:
        raise UsageError(f"--accounts: {kind.name} files have accounts of their own")
    if accounts is not None and not 1 <= accounts <= 10_000_000:
        raise UsageError(f"--accounts: expected 1 to 10000000, got {accounts}")
    draw = AccountDraw(kind.name, DEFAULT_ACCOUNTS if accounts is None else accounts, seed)
    return Trace(Source(path), kind, draw)
