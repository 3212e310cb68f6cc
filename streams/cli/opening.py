"""The store of a command that writes or looks at the schema: opened for it, closed after it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from streams.settings import Settings
from streams.storage.base import Store

__all__ = ["opened"]


@contextlib.contextmanager
def opened(settings: Settings, *, wait: float = 5.0) -> Iterator[Store]:
    """The server of `settings.store`, or the embedded directory, which must not be in use.

    Raises:
        DataDirectoryLocked: another process still holds the directory after `wait` seconds.
        StoreUnavailable: the server cannot be reached.
    """
    store: Store
    if settings.store:
        from streams.storage.open import open_store

        store = open_store(settings)
    else:
        from streams.storage.chdb_store import ChdbStore

        store = ChdbStore(Path(settings.data), wait=wait)
    try:
        yield store
    finally:
        store.close()
