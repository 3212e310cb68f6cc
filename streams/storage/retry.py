"""A store that does not give up: what may pass later is tried again, with growing waits.

Between ingest and the store. Kafka keeps what is not yet stored, so waiting loses nothing; a stop
asked for in the meantime ends the wait.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pyarrow as pa

from streams.errors import PulseError, StoreError, StoreUnavailable
from streams.storage.base import Parameters, Store

__all__ = ["Interrupted", "RetryingStore", "Stopped"]

_log = logging.getLogger(__name__)
_FIRST_WAIT_S = 0.05
_STOPPED = "stopped before the store had taken everything; Kafka keeps the rest"
T = TypeVar("T")


class Interrupted(PulseError):
    """What should have been stored is no longer this worker's to store."""


class Stopped(PulseError):
    """The worker was asked to stop while the store could not be written."""


class RetryingStore:
    """`Store` over another one; `trouble` is the sentence of what is being waited out, or ''."""

    def __init__(self, store: Store, stop: threading.Event, longest_wait_s: float) -> None:
        self.store = store
        self.trouble = ""
        #: When the trouble began (epoch ms), None without one; and tries that failed so far.
        self.trouble_since: int | None = None
        self.retries = 0
        #: Set while a write that waits should be given up, because its partition goes.
        self.interrupt = threading.Event()
        self._stop = stop
        self._closed = False
        self._longest_wait_s = longest_wait_s

    def query(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        """See `Store.query`."""
        return self._insist(lambda: self.store.query(sql, parameters))

    def stream(self, sql: str, parameters: Parameters | None = None) -> Iterator[pa.RecordBatch]:
        """See `Store.stream`; a break in the middle is not retried here but by the caller."""
        return self.store.stream(sql, parameters)

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        """See `Store.command`."""
        self._insist(lambda: self.store.command(sql, parameters))

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        """See `Store.insert`; the token makes a second try of a stored block harmless."""
        self._insist(lambda: self.store.insert(table, rows, token))

    def close(self) -> None:
        """Close the store underneath; a call that still runs in another thread is `Stopped`."""
        self._closed = True
        self.store.close()

    def _insist(self, call: Callable[[], T]) -> T:
        wait = _FIRST_WAIT_S
        while True:
            if self._stop.is_set():
                raise Stopped(_STOPPED)
            if self.interrupt.is_set() and self.trouble:
                raise Interrupted("the partition went to another worker")
            try:
                result = call()
            except StoreUnavailable as error:
                self.retries += 1
                self.trouble_since = self.trouble_since or time.time_ns() // 1_000_000
                self.trouble = f"{error}; trying again"
                _log.warning("%s in %.1f s", self.trouble, wait)
            except StoreError:
                if self._closed:
                    raise Stopped(_STOPPED) from None
                raise
            else:
                self.trouble, self.trouble_since = "", None
                return result
            self._wait(wait * random.uniform(0.8, 1.2))
            wait = min(2 * wait, self._longest_wait_s)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.interrupt.is_set():
            if self._stop.wait(min(left, 0.1)):
                return
