"""How long every panel of every board, every list of a variable and every alert rule takes.

Asked as the console asks: through its reader, with the range and step that the address of a board
means, of an embedded store that holds millions of events (`tests.bench.panel_store`). Once with
the range a board opens with and once with the longest that is offered; for all accounts, and
narrowed to the busiest account, its organisation, one use case, the largest group.

    what      store: directory, events: number, repeats: number
    returns   seconds by question, and of each board whole, as its page asks for it at once
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dashboards.boards.all import all_boards
from dashboards.live.board import board_page
from dashboards.live.model import Row, Status
from dashboards.live.read import Reader
from dashboards.live.viewed import RANGES, viewed
from dashboards.model.board import Board
from dashboards.model.macros import Span
from dashboards.model.query import Query
from dashboards.rules.all import all_rules
from streams.storage.chdb_store import ChdbStore
from tests.bench.measure import Spent, order, report, spent_since
from tests.bench.panel_status import status_of
from tests.bench.panel_store import Known, Wanted, opened

__all__ = ["Timed", "views"]

#: A question is repeated until it has taken this long in all, at least three times.
_BUDGET_S: Final = 2.0
_LEAST: Final = 3
FIRST, LONGEST = "first", "longest"


@dataclass(frozen=True, slots=True)
class Timed:
    """One question: where it stands, what was looked at, and how long each try took."""

    board: str
    panel: str
    range: str  # first or longest
    choice: str  # all, or what was chosen
    rows: int
    seconds: list[float]
    cpu_s: list[float]  # of all threads: what a machine shared with others does not change


def views(board: Board, known: Known) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Range, choice and the address's query of everything that is measured of a board."""
    names = {variable.name for variable in board.variables}
    choices: dict[str, dict[str, str]] = {"all": {}}
    if "account" in names:
        choices["account"] = {"var-account": known.account}
    if "cluster" in names:
        choices["cluster"] = {"var-cluster": known.cluster}
    if "org" in names:
        choices["org"] = {"var-org": known.org}
        choices["cohort"] = {"var-cohort": "coding"}
    for choice, query in choices.items():
        yield FIRST, choice, query
        yield LONGEST, choice, {**query, "last": RANGES[-1][0]}


def asking(store: ChdbStore) -> Callable[[str, Mapping[str, Any]], Awaitable[list[Row]]]:
    """As `streams.runtime.Running.query`."""

    async def query(sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        def read() -> list[Row]:
            rows: list[Row] = store.query(sql, dict(parameters) or None).to_pylist()
            return rows

        return await asyncio.to_thread(read)

    return query


async def measured_all(known: Known, repeats: int) -> dict[str, list[Timed]]:
    """Panels and lists, whole boards, rules."""
    # Nothing is remembered: what is measured is the store's answer.
    reader = Reader(asking(known.store), keep=-1.0)
    found: dict[str, list[Timed]] = {"panels": [], "boards": [], "rules": []}
    status = status_of(known)
    for board in all_boards():
        for length, choice, query in views(board, known):
            span = viewed(board, query, known.end_ms)
            for name, one in _questions(board):
                if choice != "all" and not one.variables:
                    continue  # the same question again
                timed = await _timed(reader, one, span, repeats)
                found["panels"].append(Timed(board.uid, name, length, choice, *timed))
            whole = await _whole(board, query, status, reader, repeats)
            found["boards"].append(Timed(board.uid, "", length, choice, 0, *whole))
        _say(f"{board.uid} measured")
    for rule in all_rules():
        span = Span(known.end_ms - rule.span_s * 1000, known.end_ms)
        timed = await _timed(reader, rule.query, span, repeats)
        found["rules"].append(Timed("rules", rule.uid, FIRST, "all", *timed))
    await reader.close()
    return found


def _questions(board: Board) -> list[tuple[str, Query]]:
    lists = [(f"choose {v.title}", v.query) for v in board.variables if v.query is not None]
    return [*((panel.title, panel.query) for panel in board.panels), *lists]


async def _timed(
    reader: Reader, query: Query, span: Span, repeats: int
) -> tuple[int, list[float], list[float]]:
    rows: list[Row] = []

    async def ask() -> None:
        nonlocal rows
        rows = await reader.rows(query, span)

    tries = await _repeated(ask, repeats)
    return len(rows), *tries


async def _whole(
    board: Board, query: Mapping[str, str], status: Status, reader: Reader, repeats: int
) -> tuple[list[float], list[float]]:
    async def ask() -> None:
        await board_page(board, query, status, reader)

    return await _repeated(ask, max(repeats // 2, _LEAST))


async def _repeated(
    ask: Callable[[], Awaitable[None]], repeats: int
) -> tuple[list[float], list[float]]:
    await ask()  # the pages of the file are in memory, as they are behind a board that refreshes
    spent: list[Spent] = []
    while len(spent) < repeats:
        began = Spent.now()
        await ask()
        spent.append(spent_since(began))
        if len(spent) >= _LEAST and sum(one.wall_s for one in spent) > _BUDGET_S:
            break
    return [one.wall_s for one in spent], [one.cpu_s for one in spent]


def _say(text: str) -> None:
    print(f"panels: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """As ordered."""
    what = order()
    known = opened(Path(what["store"]), Wanted(events=what["events"]), _say)
    try:
        found = asyncio.run(measured_all(known, what["repeats"]))
    finally:
        known.store.close()
    as_rows = {
        name: [{key: getattr(one, key) for key in Timed.__slots__} for one in several]
        for name, several in found.items()
    }
    report({"events": what["events"], **as_rows})


if __name__ == "__main__":
    main()
