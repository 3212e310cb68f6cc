"""SQL for analysts on the embedded store: ClickHouse's HTTP interface, read-only.

    served = await start_sql("127.0.0.1", 8471, directory)     # in the loop that is running
    await served.stop()                                        # before the store is closed

For Grafana's ClickHouse plugin (protocol HTTP), clickhouse-connect, curl and the like. It answers
on loopback to anyone, elsewhere to who knows the token. Queries wait their turn
(`streams.sqlhttp.turns`), pass the guard and run within limits (`streams.sqlhttp.engine`); a client
that goes away takes its query with it.
"""

from __future__ import annotations

import asyncio
import errno
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web

from dashboards.live.security import is_loopback
from streams.errors import PulseError
from streams.sqlhttp.engine import Answer, Engine, Question
from streams.sqlhttp.errors import SqlError
from streams.sqlhttp.request import Asked, allow, asked
from streams.sqlhttp.settings import LIMITS, Limits
from streams.sqlhttp.turns import Turns
from streams.sqlhttp.wire import GREETING, blocks, content_type, encoded, encoding, greeting

__all__ = ["SqlServer", "start_sql"]

DISPLAY_NAME = "usage-pulse"
TIMEZONE = "UTC"
#: Shorter answers are not worth packing.
_PACKED_FROM = 256
_HEADERS = {
    "X-ClickHouse-Server-Display-Name": DISPLAY_NAME,
    "X-ClickHouse-Timezone": TIMEZONE,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class SqlServer:
    """The endpoint while it is served; `url` is its address."""

    def __init__(self, engine: Engine, host: str, token: str) -> None:
        self._engine = engine
        self._local = is_loopback(host)
        self._token = token
        self._version = ""
        self._turns = Turns(engine.limits.at_once, engine.limits.waiting)
        self._threads = ThreadPoolExecutor(engine.limits.at_once, thread_name_prefix="sql-http")
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, host: str, port: int) -> None:
        """Listen; see `start_sql`."""
        self._version = await asyncio.to_thread(self._engine.version)
        app = web.Application(client_max_size=self._engine.limits.request)
        for path in ("/", "/query"):
            app.router.add_route("*", path, self._query)
        app.router.add_get("/ping", self._ok)
        app.router.add_get("/replicas_status", self._ok)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=1.0,
            max_line_size=self._engine.limits.request,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise PulseError(_explained(host, port, error)) from None
        self._runner = runner
        name = "localhost" if host in ("", "0.0.0.0", "::") else host
        name = f"[{name}]" if ":" in name else name
        self.url = f"http://{name}:{runner.addresses[0][1]}/"

    async def stop(self) -> None:
        """End what runs and free the port."""
        await asyncio.to_thread(self._engine.close)
        if self._runner is not None:
            await self._runner.cleanup()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ok(self, request: web.Request) -> web.Response:
        self._refuse_pages(request)
        return web.Response(text="Ok.\n", headers=_HEADERS)

    async def _query(self, request: web.Request) -> web.StreamResponse:
        query_id = ""
        try:
            self._refuse_pages(request)
            if request.method not in ("GET", "HEAD", "POST", "PUT"):
                raise SqlError(48, f"method {request.method} is not known here")
            allow(request, self._token)
            wanted = await asked(request)
            query_id = wanted.query_id
            if not wanted.sql.strip() and request.method in ("GET", "HEAD"):
                return await self._ok(request)
            answer = await self._answer(request, wanted)
        except SqlError as error:
            return self._failure(error, query_id)
        except web.HTTPRequestEntityTooLarge:
            most = self._engine.limits.request
            return self._failure(SqlError(307, f"a request has at most {most} bytes"), query_id)
        return await asyncio.to_thread(_response, request, wanted, answer)

    async def _answer(self, request: web.Request, wanted: Asked) -> Answer:
        if wanted.revision and wanted.format == "Native" and GREETING.fullmatch(wanted.sql):
            body = greeting(DISPLAY_NAME, self._version, TIMEZONE, wanted.revision)
            return Answer(body, "Native", 1, 1, 1, 0.0)
        question = Question(wanted.sql, wanted.format, wanted.parameters, wanted.settings)
        async with self._turns.turn(_caller(request)):
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._threads, self._engine.answer, question)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                # The client went away: the query ends now, and its place is free when it has.
                self._engine.cancel(question.mark)
                await asyncio.wait((running,), timeout=self._engine.limits.seconds)
                raise

    def _refuse_pages(self, request: web.Request) -> None:
        """Nothing for web pages: neither under a foreign name nor from a foreign place."""
        name = request.headers.get("Host", "")
        name = name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]
        if self._local and not is_loopback(name):
            raise SqlError(497, "this address answers only to localhost, 127.0.0.1 and [::1]")
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") or "Origin" in request.headers:
            raise SqlError(497, "this address does not answer to web pages")

    def _failure(self, error: SqlError, query_id: str) -> web.Response:
        headers = {**_HEADERS, "X-ClickHouse-Exception-Code": str(error.code)}
        if query_id:
            headers["X-ClickHouse-Query-Id"] = query_id
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        return web.Response(status=error.status, text=error.text(self._version), headers=headers)


async def start_sql(
    host: str, port: int, directory: Path, token: str = "", limits: Limits = LIMITS
) -> SqlServer:
    """Serve the store in `directory`, whose `ChdbStore` is open here (port 0 takes a free one).

    Raises:
        PulseError: the port is taken, or `host` is not loopback and there is no token.
    """
    if not is_loopback(host) and not token:
        raise PulseError(
            f"SQL on {host}: set PULSE_SQL_TOKEN or PULSE_SQL_TOKEN_FILE; "
            "without a token it is served on loopback only"
        )
    server = SqlServer(Engine(directory, limits), host, token)
    await server.start(host, port)
    return server


def _response(request: web.Request, wanted: Asked, answer: Answer) -> web.Response:
    summary = {
        "read_rows": str(answer.read_rows),
        "read_bytes": str(answer.read_bytes),
        "written_rows": "0",
        "written_bytes": "0",
        "total_rows_to_read": "0",
        "result_rows": str(answer.rows),
        "result_bytes": str(len(answer.body)),
        "elapsed_ns": str(round(answer.seconds * 1e9)),
    }
    headers = {
        **_HEADERS,
        "X-ClickHouse-Query-Id": wanted.query_id,
        "X-ClickHouse-Format": answer.format,
        "X-ClickHouse-Summary": json.dumps(summary),
        "Content-Type": content_type(answer.format),
    }
    body = blocks(answer.body) if wanted.compress else answer.body
    name = encoding(request.headers.get("Accept-Encoding", ""))
    if name and wanted.http_compression and not wanted.compress and len(body) >= _PACKED_FROM:
        body = encoded(body, name)
        headers["Content-Encoding"] = name
    return web.Response(body=body, headers=headers)


def _caller(request: web.Request) -> str:
    """Who takes turns: one program of one machine."""
    parts = (
        request.remote,
        request.headers.get("User-Agent"),
        request.headers.get("Authorization"),
    )
    return "\n".join(part or "" for part in parts)


def _explained(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"SQL: {host}:{port} is taken by another program: choose another sql_port"
    return f"SQL: {host}:{port} cannot be opened: {error.strerror or error}"
