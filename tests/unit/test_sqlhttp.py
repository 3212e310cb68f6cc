"""The parts of the SQL endpoint: what the guard reads, who is next, how errors and bytes look."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import UsageError
from streams.sqlhttp import guard
from streams.sqlhttp.engine import Engine, Question
from streams.sqlhttp.errors import SqlError, from_engine
from streams.sqlhttp.functions import AGGREGATES, COMBINATORS, FUNCTIONS
from streams.sqlhttp.parse import clauses, tokens, tree
from streams.sqlhttp.settings import LIMITS, accepted, clause
from streams.sqlhttp.turns import Turns
from streams.sqlhttp.wire import GREETING, content_type, encoding, greeting
from streams.storage.chdb_store import ChdbStore
from streams.storage.readonly import read_only
from tests.unit.sqlhttp_attacks import ATTACKS

#: Categories of the engine's own documentation of which no function may stand on the list.
CLOSED = ("AI", "Dictionary", "Embedded Dictionary", "Introspection", "Machine Learning")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    store = ChdbStore(tmp_path_factory.mktemp("sqlhttp") / "data")
    store.command("CREATE TABLE events (account_id String, ts DateTime) ENGINE = Memory")
    engine = Engine(store.directory)
    yield engine
    engine.close()
    store.close()


@pytest.fixture(scope="module")
def known(engine: Engine) -> dict[str, tuple[str, bool]]:
    """Functions of the engine in lower case: category (of what it is an alias of), aggregate."""
    sql = "SELECT name, categories AS kind, alias_to AS alias, is_aggregate AS a "
    sql += "FROM system.functions"
    rows = json.loads(engine.answer(Question(sql, "JSON")).body)["data"]
    kinds = {row["name"].lower(): row["kind"] for row in rows}
    return {
        row["name"].lower(): (kinds.get(row["alias"].lower(), row["kind"]), bool(row["a"]))
        for row in rows
    }


def test_the_list_of_functions_is_the_engines_and_names_nothing_closed(
    known: dict[str, tuple[str, bool]],
) -> None:
    syntax = {"lambda", "exists", "grouping", "untuple"}
    assert set() == FUNCTIONS - set(known) - syntax
    assert set() == AGGREGATES - set(known)
    assert set() == {
        name for name in FUNCTIONS | AGGREGATES if known.get(name, ("", 0))[0] in CLOSED
    }
    assert all(known[name][1] for name in AGGREGATES)


def test_no_closed_function_passes_as_an_aggregate_with_combinators(
    known: dict[str, tuple[str, bool]],
) -> None:
    plain = {name for name, (_, aggregate) in known.items() if not aggregate}
    assert {name for name in plain - FUNCTIONS if guard._known(name)} <= {"mapfromstring"}
    assert guard._known("uniqExactIfOrNull")
    assert not guard._known("fileIf")
    assert not any(guard._known(suffix) for suffix in COMBINATORS - FUNCTIONS - AGGREGATES)


def test_every_attack_is_refused_without_the_first_look_too(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `pulse sql` looks at first is not what holds the line here."""
    monkeypatch.setattr(guard, "read_only", lambda sql: sql)
    passed = []
    for attack in ATTACKS:
        sql = attack.replace("{secret}", str(tmp_path / "s")).replace("{out}", str(tmp_path / "o"))
        try:
            engine.answer(Question(sql))
        except SqlError:
            continue
        passed.append(attack)
    assert passed == []
    assert list(tmp_path.iterdir()) == []


def test_every_function_call_is_refused_by_the_tree_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the look at the canonical text, too: the two do not lean on each other."""
    monkeypatch.setattr(guard, "_WORDS", type("All", (), {"__contains__": lambda *_: True})())
    for sql in (
        "SELECT sleep(1)",
        "SELECT joinGet('a', 'b', 1)",
        "SELECT * FROM merge('system', '.*')",
        "SELECT 1 ORDER BY getServerSetting('x')",
        "SELECT quantile(dictGet('a', 'b', 1))(number) FROM numbers(3)",
        "SELECT 1 WHERE 1 IN (SELECT dictGet('a', 'b', 1))",
    ):
        with pytest.raises(SqlError, match="is not allowed"):
            engine.answer(Question(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * APPLY(file) FROM (SELECT '/etc/hostname')",
        "SELECT * APPLY file FROM (SELECT '/etc/hostname')",
        "SELECT * apply /* x */ ( `fi\\x6ce` ) FROM (SELECT '/etc/hostname')",
        "SELECT aiGenerate('x')",
        "SELECT * FROM bigquery('p', 'd', 't')",
        "SELECT * FROM clusterAllReplicas('c', system.one)",
    ],
)
def test_pulse_sql_refuses_them_too(sql: str) -> None:
    with pytest.raises(UsageError, match="outside"):
        read_only(sql)


def test_the_tree_is_followed_line_by_line() -> None:
    lines = ["A (children 2)", " Function f (alias x) (children 1)", "  Literal 'a b'", " B"]
    root = tree(lines)
    assert [(n.kind, n.rest) for n, _ in root.walk()] == [
        ("A", ""),
        ("Function", "f"),
        ("Literal", "'a b'"),
        ("B", ""),
    ]
    for wrong in (["A", "B"], ["A (children 1)", "   B"], [" A"], [], lines[:3], lines[:1]):
        with pytest.raises(SqlError, match="engine's reading"):
            tree(wrong)


def test_settings_clauses_are_read_from_canonical_text() -> None:
    found = tokens("SELECT SETTINGS, 'SETTINGS a = 1' FROM x SETTINGS a = 1, b = 'c', d = true")
    assert clauses(found) == [{"a": "1", "b": "c", "d": "true"}]
    with pytest.raises(SqlError, match="plain value"):
        clauses(tokens("SELECT 1 SETTINGS a = f(1)"))
    with pytest.raises(SqlError, match="escape"):
        tokens("SELECT `a\\nb`")


def test_caps_hold() -> None:
    assert accepted({"max_execution_time": "600"}) == {"max_execution_time": str(LIMITS.seconds)}
    assert accepted({"max_memory_usage": "0"}) == {"max_memory_usage": str(LIMITS.memory)}
    assert accepted({"session_id": "x", "wait_end_of_query": "1", "readonly": "2"}) == {}
    with pytest.raises(SqlError, match="at most"):
        clause({"max_threads": "64"})
    with pytest.raises(SqlError, match="readonly"):
        accepted({"readonly": "0"})
    with pytest.raises(SqlError, match="form"):
        accepted({"session_timezone": "UTC', readonly = '0"})
    with pytest.raises(SqlError, match="output_format_schema"):
        accepted({"output_format_schema": "/tmp/x"})


def test_errors_lose_their_layers_and_keep_their_code() -> None:
    error = from_engine(
        "Code: 164. DB::Exception: Code: 164. DB::Exception: Cannot modify 'max_threads' setting "
        "in readonly mode. (READONLY) (version 26.9.2.1). (READONLY)"
    )
    assert (error.code, error.name) == (164, "READONLY")
    assert error.text("1.2") == (
        "Code: 164. DB::Exception: Cannot modify 'max_threads' setting in readonly mode. "
        "(READONLY) (version 1.2)\n"
    )
    assert from_engine("out of the blue").status == 500
    assert SqlError(47, "x").status == 404


def test_the_greeting_is_known_by_its_words_only() -> None:
    assert GREETING.fullmatch("SELECT displayName(), version(), revision(), timezone()")
    assert not GREETING.fullmatch("SELECT displayName(), version(), revision(), timezone(), 1")
    assert greeting("a", "1", "UTC", 54405).startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01")
    assert len(greeting("a", "1", "UTC", 54460)) == len(greeting("a", "1", "UTC", 54405)) + 4
    assert len(greeting("a", "1", "UTC", 0)) == len(greeting("a", "1", "UTC", 54405)) - 8
    long = greeting("x" * 300, "1", "UTC", 0)
    assert b"\xac\x02" + b"x" * 300 in long


def test_types_and_encodings() -> None:
    assert content_type("CSVWithNames").endswith("header=present")
    assert content_type("JSONCompactEachRow").startswith("application/x-ndjson")
    assert content_type("JSONCompact").startswith("application/json")
    assert content_type("Native") == "application/octet-stream"
    assert content_type("PrettyCompact").startswith("text/plain")
    assert encoding("zstd, gzip;q=0.5, deflate") == "gzip"
    assert encoding("") == encoding("br") == ""


def test_callers_take_turns_and_one_that_leaves_frees_its_place() -> None:
    async def scene() -> list[str]:
        turns, order = Turns(1, 10), []
        open_gate = asyncio.Event()

        async def call(name: str) -> None:
            async with turns.turn(name[0]):
                order.append(name)
                await open_gate.wait()

        tasks = [asyncio.create_task(call(name)) for name in ("a1", "a2", "a3", "b1", "c1", "b2")]
        await asyncio.sleep(0)
        tasks[4].cancel()
        await asyncio.sleep(0)
        open_gate.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        async with turns.turn("z"):
            order.append("z")
        return order

    assert asyncio.run(scene()) == ["a1", "a2", "b1", "a3", "b2", "z"]


def test_the_line_has_an_end() -> None:
    async def scene() -> None:
        turns = Turns(1, 0)
        async with turns.turn("a"):
            with pytest.raises(SqlError, match="Too many"):
                async with turns.turn("b"):
                    pass
        async with turns.turn("b"):
            pass

    asyncio.run(scene())
