"""The SQL endpoint over a small store, and requests to it."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import clickhouse_connect

from streams.sqlhttp.server import SqlServer, start_sql
from streams.sqlhttp.settings import LIMITS, Limits
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate

EVENTS = 3000


@contextmanager
def served(
    directory: Path, token: str = "", limits: Limits = LIMITS, host: str = "127.0.0.1"
) -> Iterator[SqlServer]:
    """The endpoint in a thread with an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        starting = start_sql(host, 0, directory, token, limits)
        server = asyncio.run_coroutine_threadsafe(starting, loop).result(20)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def filled(directory: Path) -> Iterator[ChdbStore]:
    """A migrated store with some events."""
    store = ChdbStore(directory)
    migrate(store)
    store.command(
        "INSERT INTO events (event_id, account_id, ts, arrived_at, status, moderation) "
        "SELECT toString(number), concat('a', toString(number % 7)), "
        "toDateTime64('2026-03-01 10:00:00', 3, 'UTC') + number, now64(3), "
        f"if(number % 10, 200, 429), map('spam', 0.5) FROM numbers({EVENTS})"
    )
    yield store
    store.close()


def ask(
    server: SqlServer,
    body: str | bytes = "",
    headers: dict[str, str] | None = None,
    method: str = "POST",
    path: str = "/",
    **parameters: str,
) -> tuple[int, dict[str, str], bytes]:
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    data = body.encode() if isinstance(body, str) else body
    connection.request(method, f"{path}?{urlencode(parameters)}", data, headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), content


def connected(server: SqlServer, **more: Any) -> Any:
    place = urlsplit(server.url)
    return clickhouse_connect.get_client(host=place.hostname, port=place.port, **more)
