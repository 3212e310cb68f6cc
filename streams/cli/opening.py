"""The store of a command that writes or looks at the schema: opened for it, closed after it.

Where a worker owns the directory, what people decide goes to that worker instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from streams.errors import DataDirectoryLocked, UsageError
from streams.settings import Settings
from streams.storage.base import Store

__all__ = ["here_or_by_owner", "opened"]

Done = TypeVar("Done")


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


def here_or_by_owner(
    settings: Settings, here: Callable[[Store], Done], owner: Callable[[Path], Done]
) -> Done:
    """Done `here`, on the store; or by the worker that owns the data directory, at its socket.

    Raises:
        UsageError: there is no such directory.
        StoreUnavailable: the server, or the directory's owner, does not answer.
    """
    from streams.storage.socket import SOCKET_NAME

    if not settings.store and not Path(settings.data).is_dir():
        raise UsageError(f"{settings.data}: no such data directory")
    try:
        with opened(settings, wait=0.5) as store:
            return here(store)
    except DataDirectoryLocked:
        return owner(Path(settings.data) / SOCKET_NAME)
