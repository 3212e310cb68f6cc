"""Forms of the console as words for `streams.alerting.people`; the log-in where there is one."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import web

from dashboards.live.html import document, tag
from dashboards.live.sessions import WORD, Sessions, remember_name
from streams.errors import PulseError, UsageError

__all__ = ["Act", "Writes"]

_LOG = logging.getLogger(__name__)
#: Does what a message says (`streams.alerting.people.perform`); raises UsageError.
Act = Callable[[Mapping[str, Any]], Awaitable[str]]
_HOUR_MS = 3_600_000
_SPECIAL = re.compile(r"[*?\[]")


class Writes:
    """POST /act, GET and POST /login."""

    def __init__(self, act: Act | None, sessions: Sessions, forget: Callable[[], None]) -> None:
        self._act = act
        self._forget = forget
        self._sessions = sessions

    def add_to(self, app: web.Application) -> None:
        """Register the addresses."""
        app.router.add_post("/act", self._do)
        app.router.add_get("/login", self._login)
        app.router.add_post("/login", self._enter)

    async def _do(self, request: web.Request) -> web.Response:
        form = await _form(request)
        if reason := self._sessions.refusal(request, form.get(WORD, "")):
            return _refused(403, reason)
        if self._act is None:
            return _refused(403, "nothing can be written here")
        try:
            await self._act(_message(form, time.time_ns() // 1_000_000))
        except UsageError as error:
            return _refused(400, str(error))
        except PulseError as error:
            _LOG.warning("not written: %s", error)
            return _refused(503, f"not written: {error}")
        self._forget()
        back = "/incident/" + quote(form.get("incident_id", ""), safe="")
        response = web.Response(status=303, headers={"Location": back})
        remember_name(response, form.get("by", ""))
        return response

    async def _login(self, request: web.Request) -> web.Response:
        return _login_page("")

    async def _enter(self, request: web.Request) -> web.Response:
        form = await _form(request)
        if not self._sessions.enter(form.get("token", "")):
            return _login_page("That is not the token.", status=403)
        response = web.Response(status=303, headers={"Location": "/"})
        self._sessions.start(response, secure=request.secure)
        return response


async def _form(request: web.Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _message(form: Mapping[str, str], now: int) -> dict[str, Any]:
    """A form's fields as `perform` takes them."""
    action, _, label = form.get("do", "").partition(":")
    by = form.get("by", "")
    message: dict[str, Any] = {"do": action, "by": by}
    if action == "silence":
        return message | _silence(form, now)
    message["incident_id"] = form.get("incident_id", "")
    if action == "assign":
        message["owner"] = form.get("owner", "") or by
    if action == "label":
        message["label"] = label
    if form.get("note"):
        message["note"] = form["note"]
    return message


def _silence(form: Mapping[str, str], now: int) -> dict[str, Any]:
    scope, hours = form.get("scope", ""), form.get("hours", "")
    if not hours.isdigit():
        raise UsageError(f"silence: expected a number of hours, got {hours!r}")
    organisation = scope.startswith("org")
    whose = form.get("org_id" if organisation else "account_id", "")
    if not whose:
        raise UsageError("silence: nobody is named")
    exact = _SPECIAL.sub(lambda found: f"[{found[0]}]", whose)  # a name, not a pattern
    return {
        "accounts": [] if organisation else [exact],
        "orgs": [exact] if organisation else [],
        "kinds": [form.get("kind", "")] if scope.endswith("kind") else [],
        "owner": form.get("by", ""),
        "reason": form.get("reason", ""),
        "expires_at": now + int(hours) * _HOUR_MS,
    }


def _refused(status: int, reason: str) -> web.Response:
    return web.Response(status=status, text=f"{status}: {reason}\n")


def _login_page(trouble: str, status: int = 200) -> web.Response:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", "Usage Pulse"),
        tag("link", rel="stylesheet", href="/static/page.css"),
    )
    form = tag(
        "form",
        tag(
            "label",
            "Token ",
            tag("input", type="password", name="token", required=True, autofocus=True),
        ),
        " ",
        tag("button", "Enter", type="submit", class_="button main"),
        method="post",
        action="/login",
        class_="actions",
    )
    words = "This console can be reached from elsewhere, so it asks for its token."
    inside = [
        tag("h1", "Usage Pulse"),
        tag("p", words, class_="detail"),
        tag("p", trouble, role="alert", class_="outside") if trouble else None,
        form,
    ]
    root = tag("html", head, tag("body", tag("main", inside), class_="alone"), lang="en")
    return web.Response(
        status=status, text=document(root), content_type="text/html", charset="utf-8"
    )
