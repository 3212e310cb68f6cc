"""`pulse sql`, `migrate` and `doctor` against a ClickHouse server over its native protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clickhouse_server import ServerProcess
from tests.support.command import run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ServerProcess(Path(tmp_path_factory.mktemp("server"))) as process:
        yield process.url


def test_from_an_empty_server_to_an_answer(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_STORE", server)
    monkeypatch.setenv("PULSE_PORT", "0")
    empty = run("doctor", "--json")
    assert empty.exit_code == 1
    checks = {check["name"]: check for check in json.loads(empty.stdout)["checks"]}
    assert checks["schema"]["mend"] == "pulse migrate"
    assert "applied 0001_events" in run("migrate").stdout
    assert "nothing to do" in run("migrate").stdout
    assert run("sql", "SELECT count() FROM events").stdout == "0\n"
    shown = run("sql", "SELECT 1 AS a, 'b' AS c", "--format", "CSVWithNames")
    assert shown.stdout == '"a","c"\n1,"b"\n'
    well = run("doctor")
    assert (well.exit_code, well.stdout.splitlines()[-1]) == (0, "all is well")
    assert "clock skew: the store's clock is" in well.stdout


def test_refusals_are_one_line(server: str) -> None:
    for query, code, said in (
        ("SELECT nope", 1, "`nope`"),
        ("DROP TABLE events", 2, "only reading statements"),
        ("SELECT * FROM url('x')", 2, "reaches outside"),
    ):
        result = run("sql", query, "--store", server)
        assert result.exit_code == code
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_server_that_is_not_there_is_named() -> None:
    result = run("sql", "SELECT 1", "--store", "clickhouse://127.0.0.1:1/default")
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr
    assert result.stderr.count("\n") == 1
