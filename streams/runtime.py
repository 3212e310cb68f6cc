"""One running worker with everything around it: store, broker, page and SQL socket.

Behind every command that works on the stream. Embedded or production is a matter of settings: an
empty `broker` starts the embedded one, an empty `store` opens the data directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from aiokafka.errors import KafkaError
from faust.exceptions import FaustError

from dashboards.live.server import start_page
from streams.alerting.notify.again import performed
from streams.app import Worker
from streams.broker import admin
from streams.broker.embedded import PARTITIONS, EmbeddedProcess
from streams.errors import BrokerUnavailable, PulseError, StoreUnavailable
from streams.metrics import exposition
from streams.settings import Settings
from streams.sqlhttp.server import start_sql
from streams.storage import migrations
from streams.storage.base import Store
from streams.storage.open import open_store
from streams.storage.readers import EmbeddedReader, StoreReader, record_retries
from streams.storage.socket import SOCKET_NAME, serve

__all__ = ["Running", "running", "until_signal"]

_STATUS_S = 0.25
_RETRY_S = 2.0
T = TypeVar("T")


@dataclass(slots=True)
class Running:
    """A worker at work; `broker`, `url` (page) and `sql_url` (SQL over HTTP) are addresses."""

    settings: Settings
    worker: Worker
    store: Store
    broker: str
    url: str = ""
    sql_url: str = ""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _status: dict[str, Any] = field(default_factory=dict)
    _status_at: float = -1.0

    def status(self) -> dict[str, Any]:
        """What `Status.snapshot` says, made at most four times a second."""
        now = time.monotonic()
        if now - self._status_at > _STATUS_S:
            self._status, self._status_at = self.worker.status.snapshot(), now
        return self._status

    async def query(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of a SELECT, read beside the writer."""

        def read() -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = self.store.query(sql, dict(parameters) or None).to_pylist()
            return rows

        return await asyncio.to_thread(read)  # the rows as well: a long chart has thousands

    async def act(self, message: Mapping[str, Any]) -> str:
        """Write what people decided (`streams.alerting.people`)."""
        return await asyncio.to_thread(performed, self.store, _now_ms, message)

    async def wait(self) -> None:
        """Until somebody sets `stopping`; a worker that cannot go on raises its error here."""
        stop = asyncio.ensure_future(self.stopping.wait())
        try:
            ends: set[asyncio.Future[Any]] = {stop, self.worker.failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self.worker.failed.done():
                self.worker.failed.result()
        finally:
            stop.cancel()


@contextlib.asynccontextmanager
async def running(settings: Settings, mode: str, *, page: bool = True) -> AsyncIterator[Running]:
    """Start everything, and stop it in reverse order on the way out."""
    async with contextlib.AsyncExitStack() as stack:
        store = await _store(settings)
        stack.callback(store.close)
        broker = settings.broker
        if settings.broker:
            stream_id = await _insist(lambda: admin.stream_id(settings, settings.topic))
            partitions = await _insist(lambda: admin.partitions(settings))
        else:
            partitions = {settings.topic: PARTITIONS, settings.signals_topic: PARTITIONS}
            process = EmbeddedProcess({**partitions, settings.dead_letter_topic: 1})
            broker = await asyncio.to_thread(process.start)
            stack.callback(process.stop)
            stream_id = f"embedded/{settings.topic}/{uuid.uuid4().hex[:12]}"
        embedded = "" if settings.broker else broker

        def made() -> Worker:
            return Worker(
                settings,
                store,
                stream_id,
                embedded=embedded,
                mode=mode,
                partitions=partitions,
                page=lambda: run.url,
            )

        run = Running(settings, made(), store, broker)
        reader = None if settings.store else EmbeddedReader(Path(settings.data))
        if reader is not None:
            stack.callback(reader.close)
        if page:

            async def ask(sql: str, format: str) -> bytes:
                return await asyncio.to_thread(
                    reader.text if reader is not None else partial(_ask_server, settings),
                    sql,
                    format,
                )

            served = await start_page(
                settings.host,
                settings.port,
                run.status,
                run.query,
                run.act,
                settings.console_token,
                ask,
                lambda: exposition(run.status(), version("usage-pulse")),
            )
            stack.push_async_callback(served.stop)
            run.url = served.url
            if reader is not None and settings.sql_http:
                await _serve_http(run, stack)
        if reader is not None:
            await _serve_sql(settings, store, reader, stack)
        stack.push_async_callback(lambda: run.worker.stop())
        await _start(run, made)
        yield run


async def _start(run: Running, made: Callable[[], Worker]) -> None:
    """Join the group; a broker that went away since it answered is waited for."""
    while True:
        try:
            await run.worker.start()
        except KafkaError as error:
            if not run.settings.broker:
                raise
            where = run.settings.broker
            _say(f"{where}: {type(error).__name__}; trying again every {_RETRY_S:.0f} s")
            with contextlib.suppress(KafkaError, FaustError):
                await run.worker.stop(snapshot=False)
            await asyncio.sleep(_RETRY_S)
            run.worker = made()
        else:
            return


async def _store(settings: Settings) -> Store:
    """The store, migrated; a server that does not answer yet is waited for."""
    while True:
        try:
            store = await asyncio.to_thread(open_store, settings)
            await asyncio.to_thread(migrations.migrate, store)
            await asyncio.to_thread(migrations.apply_retention, store, settings.retention_days)
        except StoreUnavailable as error:
            _say(f"{error}; trying again every {_RETRY_S:.0f} s")
            await asyncio.sleep(_RETRY_S)
        else:
            return store


async def _insist(ask: Callable[[], T]) -> T:
    """The broker's answer; one that does not answer is waited for."""
    while True:
        try:
            return await asyncio.to_thread(ask)
        except BrokerUnavailable as error:
            _say(f"{error}; trying again every {_RETRY_S:.0f} s")
            await asyncio.sleep(_RETRY_S)


def _ask_server(settings: Settings, sql: str, format: str) -> bytes:
    """A person's question to a ClickHouse server, over a connection that may only read."""
    with contextlib.closing(open_store(settings)) as store:
        store.command("SET readonly = 1")
        return StoreReader(store.query).text(sql, format)


async def _serve_http(run: Running, stack: contextlib.AsyncExitStack) -> None:
    """SQL for analysts; a worker does its work without it, too."""
    settings = run.settings
    try:
        served = await start_sql(
            settings.host, settings.sql_port, Path(settings.data), settings.sql_token
        )
    except PulseError as error:
        _say(f"no SQL over HTTP: {error}")
        return
    stack.push_async_callback(served.stop)
    run.sql_url = served.url


async def _serve_sql(
    settings: Settings, store: Store, reader: EmbeddedReader, stack: contextlib.AsyncExitStack
) -> None:
    def record(letters: list[str], by: str) -> None:
        record_retries(store, letters, by)

    path = Path(settings.data) / SOCKET_NAME
    await stack.enter_async_context(
        serve(path, reader.text, record, lambda message: performed(store, _now_ms, message))
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _say(line: str) -> None:
    print(f"pulse: {line}", file=sys.stderr, flush=True)


def until_signal(run: Running) -> None:
    """SIGTERM and Ctrl-C ask `run` to stop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, run.stopping.set)
