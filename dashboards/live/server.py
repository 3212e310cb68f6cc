"""The local page: a small web server beside the worker, reading its status and its store.

    page = await start_page("127.0.0.1", 8470, status, query)    # in the loop that is running
    page = start_page_thread("127.0.0.1", 8470, status, query)   # with a loop and thread of its own

Nothing is computed while nobody looks; updates travel as server-sent events, a piece at a time.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from dashboards.live.model import Query, StatusSource
from dashboards.live.routes import Routes
from dashboards.live.security import entry, guard, is_loopback
from dashboards.live.sessions import Sessions
from dashboards.live.sql import Ask, SqlPage
from dashboards.live.views import Views
from dashboards.live.writes import Act, Writes
from streams.errors import PulseError

__all__ = ["Page", "PageThread", "start_page", "start_page_thread"]

_LOG = logging.getLogger(__name__)


class Page:
    """A page that is being served; `await stop()` ends it."""

    def __init__(self, runner: web.AppRunner, routes: Routes, views: Views, url: str) -> None:
        self._runner = runner
        self._routes = routes
        self._views = views
        self.url = url

    async def stop(self) -> None:
        """Lets open viewers go and frees the port."""
        self._routes.stopping.set()
        await self._runner.cleanup()
        await self._views.close()


async def start_page(
    host: str,
    port: int,
    status: StatusSource,
    query: Query,
    act: Act | None = None,
    token: str = "",
    ask: Ask | None = None,
    metrics: Callable[[], bytes] | None = None,
) -> Page:
    """Serve the page on `host`:`port` (0 takes a free port) in the running loop.

    `act` writes what people decide; without it the page only shows. `token` is asked for where the
    page can be reached from elsewhere; without one, nothing can be written there. `ask` answers
    the SQL page, `metrics` what Prometheus asks for.

    Raises:
        PulseError: the port is taken or the address is not this machine's.
    """
    local = is_loopback(host)
    if not local and not token:
        act = None
    sessions = Sessions("" if local else token)
    views = Views(status, query, writable=act is not None)
    routes = Routes(views, sessions, metrics)
    app = web.Application(middlewares=[guard(host), entry(sessions)], client_max_size=64 * 1024)
    routes.add_to(app)
    Writes(act, sessions, views.forget).add_to(app)
    if ask is not None:
        SqlPage(ask, views.status, sessions).add_to(app)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise PulseError(_explained(host, port, error)) from None
    if not local and not token:
        _LOG.warning("the page on %s has no log-in: everyone who can reach it can read it", host)
    return Page(runner, routes, views, _url(host, runner))


class PageThread:
    """A page served from a thread of its own; `stop()` ends it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, thread: threading.Thread, page: Page
    ) -> None:
        self._loop = loop
        self._thread = thread
        self._page = page
        self.url = page.url

    def stop(self) -> None:
        """Frees the port and ends the thread."""
        asyncio.run_coroutine_threadsafe(self._page.stop(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


def start_page_thread(
    host: str,
    port: int,
    status: StatusSource,
    query: Query,
    act: Act | None = None,
    token: str = "",
    ask: Ask | None = None,
) -> PageThread:
    """As `start_page`, in a thread; `status` and `query` are called from that thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="page", daemon=True)
    thread.start()

    async def start() -> Page:
        return await start_page(host, port, status, query, act, token, ask)

    starting: Coroutine[Any, Any, Page] = start()
    try:
        page = asyncio.run_coroutine_threadsafe(starting, loop).result()
    except PulseError:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
        raise
    return PageThread(loop, thread, page)


def _explained(host: str, port: int, error: OSError) -> str:
    place = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{place} is taken by another program: choose another port (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"{place} may not be opened: choose a port of 1024 or above for the page"
    return f"{place} cannot be opened for the page: {error.strerror or error}"


def _url(host: str, runner: web.AppRunner) -> str:
    port = runner.addresses[0][1]
    if host in ("", "0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
