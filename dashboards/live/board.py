"""Any board of the model as a page: the same panels, queries and words as in Grafana."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from dashboards.live.blind import Blind, blind_spans, hatched, legend, spoken
from dashboards.live.cells import rows_table
from dashboards.live.figures import panel_figure
from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Row, Status
from dashboards.live.parts import Rendered, live_line
from dashboards.live.read import Reader
from dashboards.live.viewed import RANGES, as_query, viewed
from dashboards.model.board import Board, Variable
from dashboards.model.macros import Span
from dashboards.model.panel import Panel
from dashboards.model.query import Query
from streams.errors import StoreError, StoreUnavailable

__all__ = ["board_page", "board_path"]

#: Rows, what the store said against it, or nothing yet.
Answer = list[Row] | str | None


def board_path(uid: str) -> str:
    """Where a board is."""
    return "/board/" + uid.removeprefix("pulse-")


async def board_page(
    board: Board,
    query: Mapping[str, str],
    status: Status,
    reader: Reader,
    patience: float | None = None,
) -> Rendered:
    """The page's own part; each panel is a piece that is sent again when it changes.

    A panel that has no answer within `patience` seconds keeps its place free: its question goes on,
    and a page made later has it.
    """
    span = viewed(board, query, status["now"])
    lists = [variable for variable in board.variables if variable.query is not None]
    questions = [panel.query for panel in board.panels]
    questions += [variable.query for variable in lists if variable.query is not None]
    gaps, answers = await asyncio.gather(
        blind_spans(reader, span.start, span.end), _answers(reader, questions, span, patience)
    )
    panels = dict(zip(board.panels, answers[: len(board.panels)], strict=True))
    values = dict(zip((v.name for v in lists), answers[len(board.panels) :], strict=True))
    choices = _choices(board, query, span, values)
    pieces: dict[str, Html] = {
        "live": live_line(status),
        "choices": choices,
        "blind": legend(gaps),
    }
    rows: list[Html] = []
    number = 0
    for row in board.rows:
        cells = []
        for panel in row.panels:
            number += 1
            key = f"panel-{number}"
            pieces[key] = _card(panel, panels[panel], key, gaps, span)
            cells.append(pieces[key])
        rows.append(tag("h2", row.title, class_="row"))
        rows.append(tag("div", cells, class_="panels"))
    whole = tag(
        "div",
        pieces["live"],
        tag("h1", board.title, id="headline"),
        tag("p", board.about, class_="detail"),
        choices,
        pieces["blind"],
        rows,
        id="view",
    )
    waiting = any(answer is None for answer in answers)
    return Rendered(whole, f"{board.title} · Usage Pulse", pieces, waiting=waiting)


async def _answers(
    reader: Reader, queries: Sequence[Query], span: Span, patience: float | None
) -> list[Answer]:
    """Rows or what the store said against it, by question; None where it is still being asked."""
    tasks = [asyncio.ensure_future(_answer(reader, query, span)) for query in queries]
    try:
        await asyncio.wait(tasks, timeout=patience)
        return [task.result() if task.done() else None for task in tasks]
    finally:
        for task in tasks:
            task.cancel()  # the reader's own goes on


async def _answer(reader: Reader, query: Query, span: Span) -> list[Row] | str:
    try:
        return await reader.rows(query, span)
    except StoreUnavailable:
        raise
    except StoreError as error:
        return str(error)


def _card(panel: Panel, answer: Answer, key: str, gaps: Sequence[Blind], span: Span) -> Html:
    inside: Child
    if answer is None:
        inside = tag("p", "Asking the store…", class_="muted waiting")
    elif isinstance(answer, str):
        inside = tag("p", answer, class_="muted doubt")
    elif not answer:
        inside = tag("p", panel.empty, class_="muted empty")
    elif panel.kind == "table":
        inside = rows_table(panel.query, answer)
    else:
        blind = hatched(gaps, span.start, span.end)
        inside = panel_figure(panel, answer, key=key, blind=blind, unseen=spoken(gaps))
    head = tag("h3", panel.title, id=f"{key}-heading", title=panel.about)
    return tag(
        "section",
        head,
        tag("p", panel.about, class_="muted about"),
        inside,
        class_=f"card panel w{panel.width}",
        id=key,
        aria_labelledby=f"{key}-heading",
    )


def _choices(
    board: Board, query: Mapping[str, str], span: Span, values: Mapping[str, Answer]
) -> Html:
    """A form without script: range and variables go into the address."""
    last = query.get("last", "")
    fixed = "" if last or "from" not in query else "as chosen"
    usual = next((short for short, _ in RANGES if _seconds(short) == board.span_s), "")
    options = [
        tag("option", f"Last {words}", value=short, selected=short == (last or usual))
        for short, words in RANGES
    ]
    if fixed:
        options.insert(0, tag("option", fixed, value="", selected=True))
    parts: list[Child] = [
        tag("label", "Range ", tag("select", options, name="last")),
        [_variable(one, span.variables[one.name], values.get(one.name)) for one in board.variables],
        tag("button", "Show", class_="button", type="submit"),
    ]
    carried = as_query(query)
    links = [
        tag("a", uid.removeprefix("pulse-").capitalize(), href=board_path(uid) + f"?{carried}")
        for uid in board.links
    ]
    return tag(
        "form",
        parts,
        tag("span", "See also ", [[link, " "] for link in links], class_="muted links"),
        method="get",
        action=board_path(board.uid),
        class_="choices",
        id="choices",
    )


def _variable(variable: Variable, chosen: str, rows: Answer) -> Html:
    if not isinstance(rows, list):
        field = tag("input", name=f"var-{variable.name}", value=chosen, maxlength=256)
        return tag("label", f"{variable.title} ", field)
    listed = [str(next(iter(row.values()))) for row in rows]
    if chosen and chosen not in listed:
        listed.insert(0, chosen)
    key = f"list-{variable.name}"
    field = tag(
        "input", name=f"var-{variable.name}", value=chosen, list=key, placeholder="all", size=14
    )
    options = [tag("option", value=value) for value in listed[:300]]
    return tag("label", f"{variable.title} ", field, tag("datalist", options, id=key))


def _seconds(short: str) -> int:
    return int(short[:-1]) * {"m": 60, "h": 3600, "d": 86_400}[short[-1]]
