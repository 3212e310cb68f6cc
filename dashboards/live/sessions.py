"""Who may write: a session in the browser, a word in every form that only this page knows, and a
token where the page can be reached from elsewhere.

A form is taken when it comes from this very page (Origin), from a browser that has a session, with
the word that belongs to the session: another site can make a browser send a form, but it can
neither read the word nor forge the origin.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import secrets
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

__all__ = ["PLACE_OF_NAME", "PLACE_OF_WORD", "SESSION", "WORD", "Sessions", "remember_name"]

SESSION: Final = "pulse_session"
WORD: Final = "csrf"
#: Where the viewer's own word and name go in markup that is made once for all viewers. An account
#: that is called so shows its viewer their own word, and nobody else's.
PLACE_OF_WORD: Final = "\ue0f0word\ue0f1"
PLACE_OF_NAME: Final = "\ue0f0name\ue0f1"
_NAME: Final = "pulse_name"
_BYTES: Final = 24
_YEAR_S: Final = 365 * 86_400


class Sessions:
    """Sessions of one page; they end with the process. `token` is empty where none is needed."""

    def __init__(self, token: str = "") -> None:
        self._secret = secrets.token_bytes(32)
        self._token = token

    @property
    def guarded(self) -> bool:
        """A token is asked for."""
        return bool(self._token)

    def of(self, request: web.Request) -> str:
        """The session of a request, empty when it has none of ours."""
        name, _, mark = request.cookies.get(SESSION, "").partition(".")
        known = bool(name) and hmac.compare_digest(mark, self._sign("session", name))
        return name if known else ""

    def allowed(self, request: web.Request) -> bool:
        """The request may see pages and write."""
        return not self._token or bool(self.of(request))

    def start(self, response: web.StreamResponse, *, secure: bool = False) -> str:
        """Begin a session; a browser keeps it until it is closed."""
        name = secrets.token_urlsafe(_BYTES)
        value = f"{name}.{self._sign('session', name)}"
        response.set_cookie(
            SESSION, value, httponly=True, samesite="Strict", secure=secure, path="/"
        )
        return name

    def enter(self, token: str) -> bool:
        """The token is the right one."""
        return bool(self._token) and hmac.compare_digest(token.encode(), self._token.encode())

    def word(self, session: str) -> str:
        """What forms of this session carry."""
        return self._sign("form", session) if session else ""

    def personal(self, text: str, request: web.Request, session: str) -> str:
        """Markup that all viewers share, with what belongs to this one put in."""
        text = text.replace(PLACE_OF_WORD, self.word(session))
        return text.replace(PLACE_OF_NAME, html.escape(name_of(request)))

    def refusal(self, request: web.Request, word: str) -> str:
        """Why a form is not taken, empty when it is."""
        session = self.of(request)
        if not session:
            return "this browser has no session here: load the page again"
        if not hmac.compare_digest(word, self.word(session)):
            return "the form is not from this page: load it again"
        origin = request.headers.get("Origin") or request.headers.get("Referer", "")
        if urlsplit(origin).netloc != request.headers.get("Host", ""):
            return "the form was sent by another site"
        return ""

    def _sign(self, what: str, text: str) -> str:
        return hmac.new(self._secret, f"{what}:{text}".encode(), hashlib.sha256).hexdigest()


def name_of(request: web.Request) -> str:
    """How the viewer called themselves last time."""
    return request.cookies.get(_NAME, "")[:100]


def remember_name(response: web.StreamResponse, name: str) -> None:
    """For the next form."""
    response.set_cookie(
        _NAME, name[:100], max_age=_YEAR_S, samesite="Strict", httponly=True, path="/"
    )
