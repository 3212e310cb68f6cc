"""The published list of attacks: each refused with a clear exception and without effect.

And what merely looks like one: it runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.sqlhttp.engine import Engine, Question
from streams.sqlhttp.errors import SqlError
from streams.sqlhttp.settings import Limits
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.unit.sqlhttp_attacks import ATTACKS, INNOCENT, TOO_MUCH

EVENTS = 300

#: What must never come back: the content of a file beside the store.
SECRET = "correct horse battery staple"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="module")
def store(place: Path) -> Iterator[ChdbStore]:
    store = ChdbStore(place / "data")
    migrate(store)
    store.command(
        "INSERT INTO events (event_id, account_id, ts, arrived_at, status) "
        "SELECT toString(number), concat('a', toString(number % 3)), now64(3), now64(3), 200 "
        f"FROM numbers({EVENTS})"
    )
    (place / "secret").write_text(SECRET + "\n")
    yield store
    store.close()


@pytest.fixture(scope="module")
def engine(store: ChdbStore) -> Iterator[Engine]:
    engine = Engine(store.directory, Limits(seconds=1.5, memory=2**28, rows=100_000, bytes=2**24))
    yield engine
    engine.close()


def state(store: ChdbStore, place: Path) -> tuple[object, ...]:
    tables = store.query("SELECT name, total_rows FROM system.tables WHERE database = 'default'")
    files = sorted(name for name in os.listdir(place) if name != "data")
    functions = store.query("SELECT count() AS n FROM system.functions WHERE origin != 'System'")
    return (sorted(map(str, tables.to_pylist())), files, functions["n"][0].as_py())


def test_the_list_is_long() -> None:
    assert len(ATTACKS) > 120


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_without_effect(
    engine: Engine, store: ChdbStore, place: Path, attack: str
) -> None:
    names = {"{secret}": str(place / "secret"), "{out}": str(place / "out")}
    sql = attack
    for name, value in names.items():
        sql = sql.replace(name, value)
    before = state(store, place)
    with pytest.raises(SqlError) as refusal:
        engine.answer(Question(sql))
    assert ATTACKS[attack] in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert refusal.value.code in (497, 164, 62, 73)
    assert state(store, place) == before


@pytest.mark.parametrize("sql", TOO_MUCH, ids=lambda sql: sql[:60])
def test_what_is_too_much_ends_within_the_limits(engine: Engine, sql: str) -> None:
    with pytest.raises(SqlError) as refusal:
        engine.answer(Question(sql))
    assert TOO_MUCH[sql] in (0, refusal.value.code)
    assert refusal.value.code != 1001


@pytest.mark.parametrize("sql", INNOCENT)
def test_what_only_looks_like_an_attack_runs(engine: Engine, sql: str) -> None:
    engine.answer(Question(sql))


def test_a_parameter_cannot_smuggle_a_table_or_a_statement(engine: Engine) -> None:
    for name in ("system.processes", "`system`.`processes`"):
        with pytest.raises(SqlError):
            engine.answer(Question("SELECT * FROM {t:Identifier}", parameters={"t": name}))
    text = Question("SELECT {x:String}", parameters={"x": "'); DROP TABLE events --"})
    assert engine.answer(text).body == b"\\'); DROP TABLE events --\n"
    assert engine.answer(Question("SELECT count() FROM events")).body == f"{EVENTS}\n".encode()


@pytest.mark.parametrize(
    "settings",
    [
        {"limit": "1"},
        {"offset": "1"},
        {"max_result_rows": "1", "result_overflow_mode": "break"},
        {"output_format_pretty_max_rows": "1"},
    ],
    ids=str,
)
def test_settings_cannot_blind_the_guard(engine: Engine, settings: dict[str, str]) -> None:
    clause = " SETTINGS " + ", ".join(f"{name} = '{value}'" for name, value in settings.items())
    for sql in ("SELECT getServerSetting('x')", "SELECT * FROM system.processes"):
        for more in ("", clause):
            with pytest.raises(SqlError) as refusal:
                engine.answer(Question(sql + more, settings=settings))
            assert refusal.value.code == 497


def test_settings_of_a_request_are_held_to_the_caps(engine: Engine) -> None:
    asked = {"max_execution_time": "600", "max_threads": "0", "readonly": "2", "limit": "2"}
    sql = "SELECT getSetting('max_execution_time'), getSetting('max_threads') FROM numbers(9)"
    assert engine.answer(Question(sql, settings=asked)).body == b"1.5\t2\n" * 2
    for name, value in {
        "readonly": "0",
        "allow_ddl": "1",
        "max_threads": "1, readonly = 0",
        "session_timezone": "UTC', readonly = '0",
        "additional_table_filters": "{'events': '1'}",
        "nonsense": "1",
    }.items():
        with pytest.raises(SqlError):
            engine.answer(Question("SELECT 1", settings={name: value}))
