"""The page for analysts: a read-only question, its answer as a table, a picture or a file.

Questions come as forms of this page only (`dashboards.live.sessions`); what they may do is decided
by whoever answers (`ask`), not here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from dashboards.boards.all import all_boards
from dashboards.live.figures import figure
from dashboards.live.html import Child, Html, document, tag
from dashboards.live.model import Status
from dashboards.live.parts import Rendered, card, frame, live_line
from dashboards.live.sessions import PLACE_OF_WORD, WORD, Sessions
from dashboards.live.words import count
from dashboards.model.macros import Span, expand
from streams.errors import PulseError

__all__ = ["Ask", "SqlPage", "marked"]

#: The answer to a question in a ClickHouse format; raises UsageError and StoreError.
Ask = Callable[[str, str], Awaitable[bytes]]

_SHOWN: Final = 500  # rows of the table
_DRAWN: Final = 5000  # points of the picture
_LONGEST: Final = 32 * 1024
_POSITION: Final = re.compile(r"failed at position (\d+)|, position (\d+)")
_NUMBER: Final = re.compile(r"(Nullable\()?(U?Int|Float|Decimal)")
_TIME: Final = re.compile(r"(Nullable\()?Date")
_FIRST: Final = (
    "SELECT minute, sum(requests) AS requests, sum(errors) AS errors\n"
    "FROM account_minute\nWHERE minute > now() - INTERVAL 6 HOUR\nGROUP BY minute\nORDER BY minute"
)


class SqlPage:
    """GET /sql shows the form (`?q=` fills it in), POST /sql runs it, POST /sql.csv is a file."""

    def __init__(self, ask: Ask, status: Callable[[], Status], sessions: Sessions) -> None:
        self._ask = ask
        self._status = status
        self._sessions = sessions

    def add_to(self, app: web.Application) -> None:
        """Register the addresses."""
        app.router.add_get("/sql", self._show)
        app.router.add_post("/sql", self._run)
        app.router.add_post("/sql.csv", self._file)

    async def _show(self, request: web.Request) -> web.Response:
        return self._page(request, request.query.get("q", _FIRST)[:_LONGEST], None)

    async def _run(self, request: web.Request) -> web.Response:
        form = await request.post()
        question = str(form.get("q", ""))
        if reason := self._sessions.refusal(request, str(form.get(WORD, ""))):
            return web.Response(status=403, text=f"403: {reason}\n")
        started = time.monotonic()
        try:
            content = json.loads(await self._ask(question, "JSONCompact"))
        except PulseError as error:
            return self._page(request, question, _trouble(question, str(error)), 400)
        except ValueError:
            text = "The answer is no table; ask `pulse sql` for it."
            return self._page(request, question, tag("p", text, class_="muted"), 400)
        return self._page(request, question, _answer(content, time.monotonic() - started))

    async def _file(self, request: web.Request) -> web.Response:
        form = await request.post()
        if reason := self._sessions.refusal(request, str(form.get(WORD, ""))):
            return web.Response(status=403, text=f"403: {reason}\n")
        try:
            content = await self._ask(str(form.get("q", "")), "CSVWithNames")
        except PulseError as error:
            return web.Response(status=400, text=f"400: {error}\n")
        headers = {"Content-Disposition": 'attachment; filename="answer.csv"'}
        return web.Response(body=content, content_type="text/csv", headers=headers)

    def _page(
        self, request: web.Request, question: str, answer: Html | None, code: int = 200
    ) -> web.Response:
        status = self._status()
        whole = tag(
            "div",
            live_line(status),
            tag("h1", "Ask the store", id="headline"),
            tag("p", _ABOUT, class_="detail"),
            _form(question),
            answer,
            _saved(int(time.time() * 1000)),
            id="view",
        )
        rendered = Rendered(whole, "SQL · Usage Pulse")
        root = frame(status, rendered, place="sql", view="page=sql")
        response = web.Response(status=code, content_type="text/html", charset="utf-8")
        session = self._sessions.of(request) or self._sessions.start(
            response, secure=request.secure
        )
        response.text = self._sessions.personal(document(root), request, session)
        return response


_ABOUT: Final = (
    "ClickHouse's SQL, reading only. Tables: events, account_minute, findings, incidents, alerts, "
    "clusters, cluster_members, dead_letters, ingest_log, reviews."
)


def _form(question: str) -> Html:
    lines = min(max(question.count("\n") + 2, 6), 24)
    return tag(
        "form",
        tag("input", type="hidden", name=WORD, value=PLACE_OF_WORD),
        tag("label", "Question", for_="q", class_="skip"),
        tag(
            "textarea",
            question,
            name="q",
            id="q",
            rows=lines,
            maxlength=_LONGEST,
            spellcheck="false",
            autocomplete="off",
            required=True,
        ),
        tag(
            "p",
            tag("button", "Run", type="submit", class_="button main"),
            " ",
            tag("button", "As CSV", type="submit", formaction="/sql.csv", class_="button"),
            tag("span", " Ctrl-Enter runs it", class_="muted"),
            class_="actions",
        ),
        method="post",
        action="/sql",
        class_="ask",
    )


def _answer(content: Mapping[str, Any], seconds: float) -> Html:
    columns = [(str(one["name"]), str(one["type"])) for one in content["meta"]]
    rows: Sequence[Sequence[Any]] = content["data"]
    read = content.get("statistics", {}).get("rows_read", 0)
    said = f"{count(len(rows))} rows in {seconds:.2f} s, {count(read)} read"
    if len(rows) > _SHOWN:
        said += f"; the first {_SHOWN} are shown, the file has all"
    head = [
        tag("th", name, tag("span", f" {kind}", class_="kind"), class_=_class(kind), scope="col")
        for name, kind in columns
    ]
    body = [
        tag(
            "tr",
            [
                tag("td", _cell(value), class_=_class(kind))
                for value, (_, kind) in zip(row, columns, strict=True)
            ],
        )
        for row in rows[:_SHOWN]
    ]
    grid = tag("table", tag("thead", tag("tr", head)), tag("tbody", body))
    listed = tag("div", grid, class_="scroll", tabindex=0, role="group", aria_label="Answer")
    return tag("div", _picture(columns, rows), card(said, listed, key="answer"))


def _cell(value: Any) -> Child:
    if value is None:
        return tag("span", "NULL", class_="muted")
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    return tag("bdi", str(value))


def _class(kind: str) -> str | None:
    return "number" if _NUMBER.match(kind) else None


def _picture(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> Html | None:
    """Numbers over a first column that is a time; without one there is nothing to draw."""
    numbers = [place for place, (_, kind) in enumerate(columns) if _NUMBER.match(kind)]
    if len(rows) < 2 or not numbers or not _TIME.match(columns[0][1]):
        return None
    drawn = rows[:_DRAWN]
    content = {
        "kind": "time",
        "unit": "",
        "stacked": False,
        "text_times": True,
        "lines": [
            {
                "name": columns[place][0],
                "x": [row[0] for row in drawn],
                "y": [None if row[place] is None else float(row[place]) for row in drawn],
            }
            for place in numbers[:8]
        ],
    }
    names = ", ".join(columns[place][0] for place in numbers[:8])
    words = f"{names} over {columns[0][0]}; the numbers stand in the table."
    return card("Picture", figure(content, words, key="sql", height=9), key="picture")


def marked(question: str, message: str) -> tuple[str, str, str] | None:
    """The question parted at the position that ClickHouse complains of; None when it names none."""
    found = _POSITION.search(message)
    if found is None:
        return None
    # ClickHouse counts bytes, from 1.
    place = len(question.encode()[: int(found[1] or found[2]) - 1].decode("utf-8", "ignore"))
    rest = question[place:]
    word = re.match(r"\w+|\S|\s+|$", rest)
    end = place + (word.end() if word else 0)
    return question[:place], question[place:end] or " ", question[end:]


def _trouble(question: str, message: str) -> Html:
    parts = marked(question, message)
    shown = None
    if parts is not None:
        before, at, after = parts
        shown = tag("pre", tag("code", before, tag("mark", at), after), tabindex=0)
    return card(
        "ClickHouse says no", tag("p", message, role="alert", class_="outside"), shown, key="no"
    )


def _saved(now: int) -> Html:
    """The questions behind the boards, ready to run for the last six hours."""
    seen: dict[str, Html] = {}
    for board in all_boards():
        for panel in board.panels:
            query = panel.query
            if query.name in seen or query.variables:
                continue
            text = expand(query.sql, Span(now - 6 * 3_600_000, now, 300))
            seen[query.name] = tag(
                "li",
                tag(
                    "button",
                    f"{board.title}: {panel.title}",
                    type="button",
                    class_="button",
                    data_question=text,
                ),
                tag("span", " ", query.sentence, class_="muted"),
            )
    return card("Questions of the boards", tag("ul", list(seen.values())), key="saved")
