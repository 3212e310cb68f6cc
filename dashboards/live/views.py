"""Which page an address means, and how it is made; used by the routes and by the live updates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from urllib.parse import urlencode

from dashboards.boards.all import board
from dashboards.live.account import account_page
from dashboards.live.accounts import accounts_page
from dashboards.live.board import board_page
from dashboards.live.cluster import cluster_page
from dashboards.live.health import health_page
from dashboards.live.html import Html, tag
from dashboards.live.incident import find, incident_page
from dashboards.live.incidents import incidents_page
from dashboards.live.model import Query, Status, StatusSource
from dashboards.live.overview import overview, title
from dashboards.live.parts import Rendered, live_line
from dashboards.live.read import Reader
from dashboards.live.runbook import runbook_page
from dashboards.live.shared import Shared
from dashboards.live.words import headline
from streams.errors import StoreError

__all__ = ["Views", "address", "place"]


#: A board is sent after so long with what has come by then; its live updates bring the rest.
_PATIENCE_S = 0.4


class Views:
    """Makes pages from the worker's status and the store; the same page at most once a second."""

    def __init__(self, status: StatusSource, query: Query, *, writable: bool = False) -> None:
        self._source = status
        self._writable = writable
        self._reader = Reader(query)
        self._shared: Shared[Rendered] = Shared(keep=0.9)

    def status(self) -> Status:
        """The worker at this moment."""
        return cast(Status, self._source())

    async def render(
        self, page: str, identity: str, query: Mapping[str, str] | None = None
    ) -> Rendered:
        """The page called `page` ("pulse", "incident", "account", "board") about `identity`.

        `query` is what else stands in the address (the range and variables of a board).
        """
        asked = query or {}
        key = address(page, identity, asked)
        rendered = await self._shared.get(key, lambda: self._make(page, identity, asked))
        if rendered.waiting:
            self._shared.drop(key)
        return rendered

    def forget(self) -> None:
        """Make pages anew: somebody has written."""
        self._shared.forget()

    async def close(self) -> None:
        """Ends what is still under way."""
        await self._shared.close()
        await self._reader.close()

    async def _make(self, page: str, identity: str, query: Mapping[str, str]) -> Rendered:
        status = self.status()
        try:
            if page == "pulse":
                return await overview(status, self._reader)
            if page == "incident":
                return await self._incident(identity, status)
            if page == "accounts":
                return await accounts_page(query, status, self._reader)
            if page == "incidents":
                return await incidents_page(query, status, self._reader)
            if page == "account":
                return await self._account(identity, status)
            if page == "health":
                return await health_page(status, self._reader)
            if page == "runbook":
                return runbook_page(status)
            if page == "sql":  # its answer stands; only the side moves on
                return Rendered(tag("div"), "SQL · Usage Pulse", {"live": live_line(status)})
            if page == "cluster":
                return await self._cluster(identity, status)
            if page == "board":
                return await self._board(identity, query, status)
        except StoreError as error:
            heading = "The store does not answer."
            detail = f"{error}. This page comes back by itself when it does."
            return _note(status, heading, detail, 503)
        return _note(status, "There is no such page.", "The places are listed beside.", 404)

    async def _incident(self, identity: str, status: Status) -> Rendered:
        found = await find(identity, status, self._reader)
        if found is None:
            detail = f"{identity} is neither open nor stored; it may have been in another store."
            return _note(status, "No such incident.", detail, 404)
        incident, row = found
        whole = await incident_page(incident, row, status, self._reader, writable=self._writable)
        return Rendered(whole, _isolated(headline(incident["sentence"])), {"view": whole})

    async def _cluster(self, identity: str, status: Status) -> Rendered:
        found = await cluster_page(identity, status, self._reader)
        if found is None:
            detail = tag("span", tag("bdi", identity), " is not stored here.")
            return _note(status, "No such group.", detail, 404)
        return found

    async def _board(self, name: str, query: Mapping[str, str], status: Status) -> Rendered:
        try:
            found = board(f"pulse-{name}")
        except KeyError:
            return _note(status, "There is no such board.", "The places are listed beside.", 404)
        return await board_page(found, query, status, self._reader, _PATIENCE_S)

    async def _account(self, identity: str, status: Status) -> Rendered:
        whole = await account_page(identity, status, self._reader)
        if whole is None:
            detail = tag("span", tag("bdi", identity), " has sent no event that is stored here.")
            return _note(status, "No such account.", detail, 404)
        return Rendered(whole, _isolated(identity) + " · Usage Pulse", {"view": whole})


def address(page: str, identity: str, query: Mapping[str, str] | None = None) -> str:
    """The page as the query of its live updates."""
    return urlencode({**(query or {}), "page": page, "id": identity})


def place(page: str, identity: str) -> str:
    """Which of the places beside is the one where the viewer is."""
    if page == "board":
        return f"board/{identity}"
    return {"cluster": "board/clusters", "incident": "incidents", "account": "accounts"}.get(
        page, page
    )


def _isolated(text: str) -> str:
    """Text for a tab's title: its direction must not spill over."""
    return f"⁨{text}⁩"


def _note(status: Status, heading: str, detail: Html | str, code: int) -> Rendered:
    whole = tag(
        "div",
        live_line(status),
        tag("h1", heading, id="headline"),
        tag("p", detail, class_="detail"),
        tag("p", tag("a", "Back to Pulse", href="/", class_="button"), class_="actions"),
        id="view",
    )
    return Rendered(whole, title(status), {"view": whole}, code)
