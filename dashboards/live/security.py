"""What keeps a page on a loopback port to its viewer: name check, content policy, headers.

A web page elsewhere can make a browser call a loopback port under a name of its own (DNS
rebinding); the Host header gives that away.
"""

from __future__ import annotations

import ipaddress

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from dashboards.live.sessions import Sessions

__all__ = ["HEADERS", "entry", "guard", "is_loopback"]

#: Plotly's two own style elements, by content: the empty one that it fills by script, and that of
#: its maps. Another version has other ones; the browser's complaints are a test.
_PLOTLY = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
    "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"
)

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self' {_PLOTLY}; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # without one, forms would come without their origin
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def is_loopback(host: str) -> bool:
    """Whether the name or address reaches this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def guard(host: str) -> Middleware:
    """Middleware that refuses foreign names while `host` is loopback, and sets the headers."""
    local = is_loopback(host)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if local and not is_loopback(_name(request.headers.get("Host", ""))):
            text = "421: this page answers only to localhost, 127.0.0.1 and [::1]\n"
            return web.Response(status=421, text=text, headers=HEADERS)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.status}: {error.reason}\n")
        if not response.prepared:
            response.headers.update(HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


#: What needs no token: the log-in itself, its style sheet, and what machines ask.
_OPEN = ("/login", "/healthz", "/livez", "/metrics", "/static/")


def entry(sessions: Sessions) -> Middleware:
    """Middleware that asks for the token where one is needed."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if sessions.allowed(request) or request.path.startswith(_OPEN):
            return await handler(request)
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            return web.Response(status=303, headers={"Location": "/login"})
        return web.Response(status=401, text="401: this console asks for its token, at /login\n")

    return middleware


def _name(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0]
