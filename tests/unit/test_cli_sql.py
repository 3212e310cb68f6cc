"""`pulse sql`: exact answers, read-only for sure, and usable while a worker owns the directory."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli import sql as sql_command
from streams.cli.main import cli
from streams.errors import StoreUnavailable, UsageError
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from streams.storage.readers import EmbeddedReader, record_retries
from streams.storage.readonly import read_only
from streams.storage.socket import SOCKET_NAME, ask, serve, tell_retried

EVENTS = 1234


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sql") / "data"
    store = ChdbStore(directory)
    migrate(store)
    store.command(
        "INSERT INTO events (event_id, account_id, ts, arrived_at) SELECT toString(number), "
        f"concat('a', toString(number % 3)), now64(3), now64(3) FROM numbers({EVENTS})"
    )
    store.close()
    return directory


def ask_cli(query: str, data: Path, *more: str) -> Result:
    return CliRunner().invoke(cli, ["sql", query, "--data", str(data), *more], prog_name="pulse")


@contextmanager
def served(
    path: Path, answer: Callable[[str, str], bytes], record: object = None
) -> Iterator[None]:
    """`serve` in a thread with an event loop of its own."""
    ready, stop = threading.Event(), threading.Event()

    async def main() -> None:
        async with serve(path, answer, record):  # type: ignore[arg-type]
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_prints_exactly_the_answer(data: Path) -> None:
    result = ask_cli("SELECT count() FROM events", data)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{EVENTS}\n", "")


def test_formats_are_clickhouses(data: Path) -> None:
    query = "SELECT account_id, count() AS n FROM events GROUP BY 1 ORDER BY 1 LIMIT 1"
    assert ask_cli(query, data, "--format", "CSVWithNames").stdout == '"account_id","n"\n"a0",412\n'
    line = json.loads(ask_cli(query, data, "--format", "JSONEachRow").stdout)
    assert line == {"account_id": "a0", "n": 412}
    assert "a0" in ask_cli(query, data, "--format", "PrettyCompact").stdout


def test_reads_the_query_from_standard_input(data: Path) -> None:
    result = CliRunner().invoke(cli, ["sql", "-", "--data", str(data)], input="SELECT 42;\n")
    assert result.stdout == "42\n"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT count( FROM events", "failed at position 20"),
        ("SELECT nope FROM events", "`nope`"),
        ("SELECT 1 FROM nope", "nope"),
        ("SELECT 1 SETTINGS max_threads = 3", "readonly"),
    ],
)
def test_wrong_sql_says_what_clickhouse_said(data: Path, query: str, said: str) -> None:
    result = ask_cli(query, data)
    assert result.exit_code == 1
    assert result.stderr.startswith("pulse: ClickHouse: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


WRITES = [
    "INSERT INTO events (event_id) VALUES ('x')",
    "DROP TABLE events",
    "TRUNCATE TABLE events",
    "ALTER TABLE events DELETE WHERE 1",
    "SET readonly = 0",
    "USE system",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "SELECT 1; DROP TABLE events",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT 1 into/**/outfile '/tmp/x'",
    "SELECT file('/etc/passwd')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM `file` /* x */ ('/etc/passwd')",
    "SELECT \"\\x66ile\"('/etc/passwd')",
    "SELECT a$b$, file('/etc/passwd'), $b$",
    "SELECT ‘'’, file('/etc/passwd')",
    "SELECT 'it''s', file('/etc/passwd')",
    "SELECT 'it\\'s', file('/etc/passwd')",
    "SELECT * FROM url('http://127.0.0.1:1/')",
    "SELECT * FROM s3Cluster('x')",
    "SELECT * FROM Python(x)",
    "SELECT * FROM icebergS3('x')",
    "",
    " ; ",
    "/* nothing */",
]


@pytest.mark.parametrize("query", WRITES)
def test_what_is_not_reading_is_refused_before_it_runs(data: Path, query: str) -> None:
    result = ask_cli(query, data)
    assert result.exit_code == 2
    assert result.stderr.startswith("pulse: SQL")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ';' ; ",
        "SELECT 'INTO OUTFILE' -- file('x')",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "with 1 AS x select x",
        "SELECT file FROM (SELECT 1 AS file)",
        "SELECT $t$ it's file('x') $t$",
        "EXPLAIN SELECT 1",
        "/* a */ SHOW TABLES",
        "DESCRIBE TABLE events",
        "EXISTS TABLE events",
    ],
)
def test_what_only_reads_runs(data: Path, query: str) -> None:
    result = ask_cli(query, data)
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    "query", [q for q in WRITES if q.startswith(("INS", "DROP", "TRUNC", "ALT"))]
)
def test_clickhouse_itself_would_refuse_too(
    data: Path, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.storage.readers.read_only", lambda sql: sql)
    monkeypatch.setattr("streams.storage.readonly.read_only", lambda sql: sql)
    result = ask_cli(query, data)
    assert result.exit_code == 1
    assert "READONLY" in result.stderr
    monkeypatch.undo()
    assert ask_cli("SELECT count() FROM events", data).stdout == f"{EVENTS}\n"


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = ask_cli("SELECT 1", tmp_path / "none")
    assert result.exit_code == 2
    assert "no such data directory" in result.stderr
    assert not (tmp_path / "none").exists()


def test_read_only_keeps_the_statement_as_it_was_written() -> None:
    assert read_only(" SELECT 'a;b' ;; -- done") == "SELECT 'a;b'"


def test_a_worker_that_owns_the_directory_answers_for_it(data: Path) -> None:
    """The real situation: another process asks while this one owns the directory."""
    store = ChdbStore(data)
    reader = EmbeddedReader(data)
    command = [sys.executable, "-m", "streams.cli", "sql", "--data", str(data)]
    with served(data / SOCKET_NAME, reader.text):
        good = subprocess.run(
            [*command, "SELECT count() FROM events"], capture_output=True, check=False
        )
        wrong = subprocess.run([*command, "SELECT nope"], capture_output=True, check=False)
        bad = subprocess.run(
            [*command, "SELECT 1", "--format", "Nope"], capture_output=True, check=False
        )
    reader.close()
    store.close()
    assert (good.returncode, good.stdout, good.stderr) == (0, f"{EVENTS}\n".encode(), b"")
    assert wrong.returncode == 1
    assert b"`nope`" in wrong.stderr
    assert b"Unknown format Nope" in bad.stderr
    assert not (data / SOCKET_NAME).exists()


def test_a_long_question_does_not_hold_up_the_owners_stop(data: Path) -> None:
    store = ChdbStore(data)
    reader = EmbeddedReader(data)
    endless = "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)"
    with served(data / SOCKET_NAME, reader.text):
        asking = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "sql", "--data", str(data), endless],
            stderr=subprocess.PIPE,
        )
        running = "SELECT count() AS n FROM system.processes WHERE query LIKE '%cityHash64%'"
        while store.query(running)["n"][0].as_py() < 2:
            assert asking.poll() is None
    began = time.monotonic()
    reader.close()
    store.close()
    assert time.monotonic() - began < 3
    asking.kill()  # it would go on by itself, now that nobody owns the directory
    asking.communicate(timeout=20)


def test_an_owner_that_does_not_answer_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_command, "PATIENCE_S", 0.0)
    holder = "import sys, pathlib; from streams.storage.chdb_store import ChdbStore\n"
    holder += f"store = ChdbStore(pathlib.Path({str(data)!r})); print('held', flush=True)\n"
    holder += "sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        result = ask_cli("SELECT 1", data)
        assert process.stdin is not None
        process.stdin.close()
    assert result.exit_code == 1
    assert f"process {process.pid}" in result.stderr
    assert result.stderr.count("\n") == 1


def test_questions_come_back_whole_and_errors_keep_their_kind(tmp_path: Path) -> None:
    def answer(sql: str, format: str) -> bytes:
        if sql == "usage":
            raise UsageError("wrong use")
        if sql == "bug":
            raise ZeroDivisionError("oops")
        return (sql + format).encode() * 100_000

    path = tmp_path / "socket"
    with served(path, answer):
        assert path.stat().st_mode & 0o777 == 0o600, "nobody else may ask"
        assert ask(path, "a\nb", "ü") == "a\nbü".encode() * 100_000
        with pytest.raises(UsageError, match="wrong use"):
            ask(path, "usage", "")
        with pytest.raises(Exception, match="oops"):
            ask(path, "bug", "")
        assert ask(path, "x", "y").startswith(b"xy"), "one bad question stops nothing"
    with pytest.raises(StoreUnavailable, match="no worker answers"):
        ask(path, "x", "y")


def test_a_socket_left_by_a_dead_owner_and_a_deep_path_are_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 80) / ("e" * 80)
    deep.mkdir(parents=True)
    path = deep / SOCKET_NAME
    path.touch()
    with served(path, lambda sql, form: b"here"):
        assert ask(path, "x", "y") == b"here"


def test_retries_are_recorded_by_the_owner(data: Path) -> None:
    store = ChdbStore(data)
    with served(
        data / SOCKET_NAME,
        lambda sql, form: b"",
        lambda letters, by: record_retries(store, letters, by),
    ):
        tell_retried(data / SOCKET_NAME, ["one", "two"], "me")
    rows = store.query("SELECT letter_id, by FROM dead_letter_retries ORDER BY letter_id")
    store.close()
    assert rows.to_pylist() == [{"letter_id": "one", "by": "me"}, {"letter_id": "two", "by": "me"}]
