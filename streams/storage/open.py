"""The store that the settings ask for; the only place that knows both kinds."""

from __future__ import annotations

from pathlib import Path

from streams.settings import Settings
from streams.storage.base import Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.server_store import ServerStore

__all__ = ["open_store"]


def open_store(settings: Settings) -> Store:
    """The embedded store in `settings.data`, or the server `settings.store` names.

    Raises:
        UsageError: `settings.store` is not a `clickhouse://` URL.
        DataDirectoryLocked: another process owns `settings.data`.
    """
    if not settings.store:
        return ChdbStore(Path(settings.data))
    return ServerStore(
        settings.store,
        settings.store_user,
        settings.store_password,
        settings.store_secure,
        settings.store_ca_file,
    )
