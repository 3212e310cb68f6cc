"""Any board of the model as a page: the same panels, queries and words as in Grafana."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

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
from streams.errors import StoreError, StoreUnavailable

__all__ = ["board_page", "board_path"]


def board_path(uid: str) -> str:
    """Where a board is."""
    return "/board/" + uid.removeprefix("pulse-")


async def board_page(
    board: Board, query: Mapping[str, str], status: Status, reader: Reader
) -> Rendered:
    """The page's own part; each panel is a piece that is sent again when it changes."""
    span = viewed(board, query, status["now"])
    lists = [variable for variable in board.variables if variable.query is not None]
    answers = await asyncio.gather(
        *(_answer(reader, panel, span) for panel in board.panels),
        *(_values(reader, variable, span) for variable in lists),
    )
    panels = dict(zip(board.panels, answers[: len(board.panels)], strict=True))
    values = dict(zip((v.name for v in lists), answers[len(board.panels) :], strict=True))
    pieces: dict[str, Html] = {"live": live_line(status)}
    rows: list[Html] = []
    number = 0
    for row in board.rows:
        cells = []
        for panel in row.panels:
            number += 1
            key = f"panel-{number}"
            pieces[key] = _card(panel, panels[panel], key)
            cells.append(pieces[key])
        rows.append(tag("h2", row.title, class_="row"))
        rows.append(tag("div", cells, class_="panels"))
    whole = tag(
        "div",
        pieces["live"],
        tag("h1", board.title, id="headline"),
        tag("p", board.about, class_="detail"),
        _choices(board, query, span, values),
        rows,
        id="view",
    )
    return Rendered(whole, f"{board.title} · Usage Pulse", pieces)


async def _answer(reader: Reader, panel: Panel, span: Span) -> list[Row] | str:
    try:
        return await reader.rows(panel.query, span)
    except StoreUnavailable:
        raise
    except StoreError as error:
        return str(error)


async def _values(reader: Reader, variable: Variable, span: Span) -> list[Row] | str:
    assert variable.query is not None
    try:
        return await reader.rows(variable.query, span)
    except StoreUnavailable:
        raise
    except StoreError as error:
        return str(error)


def _card(panel: Panel, answer: list[Row] | str, key: str) -> Html:
    if isinstance(answer, str):
        inside: Child = tag("p", answer, class_="muted doubt")
    elif not answer:
        inside = tag("p", panel.empty, class_="muted empty")
    elif panel.kind == "table":
        inside = rows_table(panel.query, answer)
    else:
        inside = panel_figure(panel, answer, key=key)
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
    board: Board, query: Mapping[str, str], span: Span, values: Mapping[str, list[Row] | str]
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
    )


def _variable(variable: Variable, chosen: str, rows: list[Row] | str | None) -> Html:
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
