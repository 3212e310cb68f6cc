"""Every query of boards and rules, run for real, and what the model refuses."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from dashboards.boards.all import all_boards, board
from dashboards.boards.parts import UIDS
from dashboards.model.board import Board, Row, Variable
from dashboards.model.macros import Span, expand
from dashboards.model.panel import Panel
from dashboards.model.query import Column, Query
from dashboards.model.rule import Rule
from streams.storage.chdb_store import ChdbStore
from tests.support.board_store import MINUTE, board_store

PANELS = [(one, panel) for one in all_boards() for panel in one.panels]
LISTS = [(one, variable) for one in all_boards() for variable in one.variables if variable.query]
#: Kinds of Arrow columns that a unit may come as.
TEXT = {"text"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    found = board_store(tmp_path_factory.mktemp("boards") / "data")
    yield found
    found.close()


def span(**variables: str) -> Span:
    now = time.time_ns() // 1_000_000
    return Span(now - 6 * 60 * MINUTE, now + MINUTE, 60, variables)


def fits(kind: pa.DataType, unit: str) -> bool:
    if unit == "time":
        return bool(pa.types.is_timestamp(kind) or pa.types.is_uint32(kind))  # DateTime or 64
    if unit in TEXT:
        return bool(
            pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_dictionary(kind)
        )
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def run(store: ChdbStore, query: Query, **variables: str) -> pa.Table:
    table = store.query(expand(query.sql, span(**variables)))
    assert table.column_names == [one.name for one in query.columns], query.name
    for column, kind in zip(query.columns, table.schema.types, strict=True):
        assert fits(kind, column.unit), f"{query.name}: {column.name} came as {kind}"
    return table


@pytest.mark.parametrize(("one", "panel"), PANELS, ids=[panel.query.name for _, panel in PANELS])
def test_every_panel_shows_something(store: ChdbStore, one: Board, panel: Panel) -> None:
    chosen = {"pulse-account": {"account": "acct-1"}, "pulse-clusters": {"cluster": "c-1"}}
    assert run(store, panel.query, **chosen.get(one.uid, {})).num_rows > 0


@pytest.mark.parametrize(("one", "variable"), LISTS, ids=[f"{b.uid}-{v.name}" for b, v in LISTS])
def test_every_variable_lists_something(store: ChdbStore, one: Board, variable: Variable) -> None:
    assert variable.query is not None
    assert run(store, variable.query).num_rows > 0


@pytest.mark.parametrize(("one", "panel"), PANELS, ids=[panel.query.name for _, panel in PANELS])
def test_a_choice_nobody_matches_empties_it(store: ChdbStore, one: Board, panel: Panel) -> None:
    if not panel.query.variables:
        pytest.skip("asks for no variable")
    nobody = dict.fromkeys(panel.query.variables, "nobody' OR '1'='1")
    rows = run(store, panel.query, **nobody).num_rows
    assert rows == 0


def test_the_usual_range_comes_from_the_days_before(store: ChdbStore) -> None:
    query = board("pulse-oncall").panels[1].query
    table = run(store, query)
    both = [row for row in table.to_pylist() if row["low"] > 0]
    assert both  # the same traffic was there every day
    for row in both:
        assert row["low"] * 0.9999 <= row["value"] <= row["high"] * 1.0001


def test_boards_are_known_by_stable_names() -> None:
    assert [one.uid for one in all_boards()] == [uid for uid in UIDS if uid in names()]
    for one in all_boards():
        assert set(one.links) <= set(UIDS)
        titles = [panel.title for panel in one.panels]
        assert len(titles) == len(set(titles)), one.uid


def names() -> set[str]:
    return {one.uid for one in all_boards()}


def test_queries_have_one_name_each() -> None:
    seen: dict[str, Query] = {}
    for _, panel in PANELS:
        assert seen.setdefault(panel.query.name, panel.query) is panel.query


def test_panels_do_not_overlap() -> None:
    for one in all_boards():
        taken: set[tuple[int, int]] = set()
        for panel, left, top in one.places():
            cells = {
                (x, y)
                for x in range(left, left + panel.width)
                for y in range(top, top + panel.height)
            }
            assert not cells & taken, f"{one.uid}: {panel.title}"
            taken |= cells


QUERY = Query(
    name="q",
    sql="SELECT 1 AS value",
    columns=(Column("value", "count"),),
    sentence="One.",
)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT $__conditionalAll(a = 1, $b)", "macro '$__conditionalAll(a"),
        ("SELECT ${orgs:sqlstring}", "variable 'orgs'"),
        ("SELECT '${org}'", "write ${org:sqlstring}"),
        ("SELECT ${org:raw}", "write ${org:sqlstring}"),
        ("SELECT $org", "macro '$org'"),
    ],
)
def test_macros_that_one_of_the_outputs_would_not_know(sql: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Query(name="q", sql=sql, columns=(Column("a", "count"),), sentence="x")


def test_a_chosen_value_is_never_read_as_sql_or_macro() -> None:
    text = expand("SELECT ${org:sqlstring}", Span(0, 1, 60, {"org": "a' OR $__toTime --\\"}))
    assert text == "SELECT 'a\\' OR $__toTime --\\\\'"


def test_macros_expand() -> None:
    sql = "SELECT $__timeInterval(e.ts), $__interval_s WHERE $__timeFilter(minute)"
    assert expand(sql, Span(1_000, 2_000, 30)) == (
        "SELECT toStartOfInterval(toDateTime(e.ts), INTERVAL 30 second), 30 "
        "WHERE minute >= toDateTime(1) AND minute <= toDateTime(2)"
    )


def test_what_the_model_refuses() -> None:
    with pytest.raises(ValueError, match="expected one of count"):
        Column("x", "furlongs")
    with pytest.raises(ValueError, match="width 25"):
        Panel(title="a", kind="table", query=QUERY, about="b", width=25)
    with pytest.raises(ValueError, match="first column `time`"):
        Panel(title="a", kind="time", query=QUERY, about="b")
    with pytest.raises(KeyError, match="no column low"):
        Panel(title="a", kind="table", query=QUERY, about="b", band=("low", "high"))
    panel = Panel(title="a", kind="table", query=QUERY, about="b")
    with pytest.raises(ValueError, match="nobody asks"):
        Board(
            uid="b",
            title="b",
            about="b",
            rows=(Row("r", (panel,)),),
            variables=(Variable(name="org", title="Org"),),
        )
    asking = Query(
        name="q",
        sql="SELECT 1 AS value WHERE ${org:sqlstring} = ''",
        columns=(Column("value", "count"),),
        sentence="x",
    )
    with pytest.raises(ValueError, match="ask for variables"):
        Board(
            uid="b",
            title="b",
            about="b",
            rows=(Row("r", (Panel(title="a", kind="table", query=asking, about="b"),)),),
        )
    with pytest.raises(ValueError, match="has no variables"):
        Rule(
            uid="r",
            title="r",
            query=asking,
            threshold=1,
            severity="high",
            summary="s",
            description="d",
            runbook="r",
            board="b",
        )
