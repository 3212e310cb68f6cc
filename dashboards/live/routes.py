"""The addresses of the local page: pages, live updates, status, health, and a few listed files."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
from collections.abc import Callable, Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import web

from dashboards.live.html import document
from dashboards.live.parts import Rendered, frame, side
from dashboards.live.sessions import Sessions
from dashboards.live.views import Views, address, place
from dashboards.live.words import faults

__all__ = ["MOST_VIEWERS", "Routes"]

MOST_VIEWERS = 64
_BEAT = 1.0
_SOON = 0.05  # a panel is awaited: making the page again waits for it
#: Pages that ask the store are made again less often than the one that lives on memory.
_EVERY = {"pulse": 1, "board": 10, "cluster": 10, "accounts": 10, "health": 2}
_SELDOM = 4
#: What an address may say beside the variables of a board: its range, and what a list shows.
_NAMES = frozenset(
    {"last", "from", "to", "state", "severity", "kind", "org", "q", "p", "order"},
)
_STATIC = Path(__file__).parent / "static"
_FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "figures.js": "text/javascript",
    "pulse.svg": "image/svg+xml",
}


class Routes:
    """Handlers of one page; `stopping` lets the live updates end."""

    def __init__(
        self, views: Views, sessions: Sessions, metrics: Callable[[], bytes] | None = None
    ) -> None:
        self._views = views
        self._metrics = metrics
        self._sessions = sessions
        self._viewers = 0
        self._packed: tuple[str, bytes] | None = None
        self.stopping = asyncio.Event()

    def add_to(self, app: web.Application) -> None:
        """Register every address."""
        app.router.add_get("/", self._pulse)
        app.router.add_get("/incidents", self._incidents)
        app.router.add_get("/incident/{id}", self._incident)
        app.router.add_get("/accounts", self._accounts)
        app.router.add_get("/account/", self._account)
        app.router.add_get("/account/{id}", self._account)
        app.router.add_get("/cluster/{id}", self._cluster)
        app.router.add_get("/board/{id}", self._board)
        app.router.add_get("/events", self._events)
        app.router.add_get("/status.json", self._status)
        app.router.add_get("/livez", self._alive)
        app.router.add_get("/metrics", self._measured)
        app.router.add_get("/health", self._well)
        app.router.add_get("/runbook", self._runbook)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/static/plotly.js", self._plotly)
        app.router.add_get("/static/{name}", self._file)

    async def _pulse(self, request: web.Request) -> web.Response:
        return await self._page(request, "pulse", "")

    async def _incident(self, request: web.Request) -> web.Response:
        return await self._page(request, "incident", request.match_info["id"])

    async def _incidents(self, request: web.Request) -> web.Response:
        return await self._page(request, "incidents", "", _asked(request))

    async def _accounts(self, request: web.Request) -> web.Response:
        return await self._page(request, "accounts", "", _asked(request))

    async def _account(self, request: web.Request) -> web.Response:
        identity = request.match_info.get("id") or request.query.get("id", "")
        return await self._page(request, "account", identity)

    async def _cluster(self, request: web.Request) -> web.Response:
        return await self._page(request, "cluster", request.match_info["id"])

    async def _board(self, request: web.Request) -> web.Response:
        return await self._page(request, "board", request.match_info["id"], _asked(request))

    async def _page(
        self,
        request: web.Request,
        page: str,
        identity: str,
        query: Mapping[str, str] | None = None,
    ) -> web.Response:
        rendered = await self._views.render(page, identity, query)
        view = address(page, identity, query)
        root = frame(self._views.status(), rendered, place=place(page, identity), view=view)
        response = web.Response(status=rendered.status, content_type="text/html", charset="utf-8")
        session = self._sessions.of(request) or self._sessions.start(
            response, secure=request.secure
        )
        response.text = self._sessions.personal(document(root), request, session)
        return response

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: every second what changed, or an empty sign of life."""
        if self._viewers >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(reason=f"{MOST_VIEWERS} viewers are open already")
        page, identity = request.query.get("page", "pulse"), request.query.get("id", "")
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        self._viewers += 1
        try:
            await self._send(request, response, page, identity)
        except ConnectionResetError:
            pass  # The viewer left.
        finally:
            self._viewers -= 1
        return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, page: str, identity: str
    ) -> None:
        query, session = _asked(request), self._sessions.of(request)
        sent: dict[str, str] = {}
        beat, every, waiting = 0, _EVERY.get(page, _SELDOM), False
        while not self.stopping.is_set():
            patch: dict[str, Any] = {}
            if waiting or beat % every == 0:
                rendered = await self._views.render(page, identity, query)
                patch = self._patch(place(page, identity), rendered, sent)
                waiting = rendered.waiting
            beat += 1
            if "pieces" in patch:
                patch["pieces"] = {
                    name: self._sessions.personal(text, request, session)
                    for name, text in patch["pieces"].items()
                }
            text = json.dumps(patch, separators=(",", ":"), ensure_ascii=False)
            await response.write(f"data: {text}\n\n".encode("utf-8", "replace"))
            try:
                await asyncio.wait_for(self.stopping.wait(), _SOON if waiting else _BEAT)
            except TimeoutError:
                continue

    def _patch(self, here: str, rendered: Rendered, sent: dict[str, str]) -> dict[str, Any]:
        """Pieces that differ from what this viewer has; `sent` is brought up to date."""
        if rendered.status >= 500:
            sent.clear()
            return {"trouble": "The store does not answer: what stands here is not current."}
        pieces = {"nav": side(self._views.status(), here).text}
        pieces |= {name: piece.text for name, piece in rendered.pieces.items()}
        changed = {name: text for name, text in pieces.items() if sent.get(name) != text}
        sent.update(changed)
        return {"title": rendered.title, "pieces": changed} if changed else {}

    async def _status(self, request: web.Request) -> web.Response:
        text = json.dumps(_finite(self._views.status()), allow_nan=False)
        return web.Response(text=text, content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:
        found = faults(self._views.status())
        text = "; ".join(found) if found else "healthy"
        return web.Response(status=503 if found else 200, text=text + "\n")

    async def _plotly(self, request: web.Request) -> web.Response:
        """Plotly's own JavaScript, from its installed package; packed once."""
        if self._packed is None:
            self._packed = await asyncio.to_thread(_packed_plotly)
        name, packed = self._packed
        headers = {"Cache-Control": "public, max-age=86400", "ETag": f'"{name}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return web.Response(
            body=packed, content_type="text/javascript", charset="utf-8", headers=headers
        )

    async def _measured(self, request: web.Request) -> web.Response:
        """What Prometheus asks for."""
        if self._metrics is None:
            raise web.HTTPNotFound
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._metrics(), headers=headers)

    async def _alive(self, request: web.Request) -> web.Response:
        """The process answers; whether it works well is /healthz."""
        return web.Response(text="alive\n")

    async def _runbook(self, request: web.Request) -> web.Response:
        return await self._page(request, "runbook", "")

    async def _well(self, request: web.Request) -> web.Response:
        return await self._page(request, "health", "")

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _FILES:
            raise web.HTTPNotFound
        content = await asyncio.to_thread((_STATIC / name).read_bytes)
        headers = {"Cache-Control": "no-cache"}
        return web.Response(
            body=content, content_type=_FILES[name], charset="utf-8", headers=headers
        )


def _asked(request: web.Request) -> dict[str, str]:
    """Range and variables of a board, what a list is narrowed to: from the address."""
    return {
        name: value
        for name, value in request.query.items()
        if name in _NAMES or name.startswith("var-")
    }


def _packed_plotly() -> tuple[str, bytes]:
    """Version and gzipped text."""
    source = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    return version("plotly"), gzip.compress(source, 6)


def _finite(value: Any) -> Any:
    """JSON knows no infinity: such numbers become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
