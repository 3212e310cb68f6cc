"""`pulse dashboards push` against a Grafana over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dashboards.boards.all import all_boards
from dashboards.rules.all import all_rules
from streams.cli.main import cli
from tests.support.grafana_server import TOKEN, FakeGrafana, grafana


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGrafana]:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    with grafana() as found:
        yield found


def push(server: FakeGrafana, *more: str) -> Result:
    arguments = ["dashboards", "push", server.url, *more]
    return CliRunner().invoke(cli, arguments, prog_name="pulse")


def good(server: FakeGrafana, *more: str) -> str:
    result = push(server, *more)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_everything_arrives_in_order(server: FakeGrafana) -> None:
    said = good(server)
    assert "created folder Usage Pulse" in said
    paths = [path for _, path in server.writes]
    assert paths[0] == "/api/folders"
    assert paths[1:-2] == ["/api/dashboards/db"] * len(all_boards())
    assert [path.rsplit("/", 1)[1] for path in paths[-2:]] == ["incidents", "system"]
    assert set(server.boards) == {board.uid for board in all_boards()}
    rules = [rule["uid"] for group in server.groups.values() for rule in group["rules"]]
    assert sorted(rules) == sorted(rule.uid for rule in all_rules())
    address = server.groups["usage-pulse/system"]["rules"][0]["annotations"]["runbook_url"]
    assert address == f"{server.url}/runbook#silent"


def test_a_second_push_writes_nothing(server: FakeGrafana) -> None:
    good(server)
    server.calls.clear()
    assert "everything is there already" in good(server)
    assert server.writes == []


def test_what_somebody_changed_there_is_put_right_and_nothing_else(server: FakeGrafana) -> None:
    good(server)
    server.boards["pulse-oncall"]["dashboard"]["title"] = "mine"
    server.boards["pulse-quotas"]["meta"]["folderUid"] = "elsewhere"
    server.groups["usage-pulse/system"]["rules"][0]["for"] = "1h"
    server.calls.clear()
    said = good(server)
    assert said.splitlines() == [
        "changed board On call",
        "changed board Quotas and use cases",
        "changed rules system",
    ]
    assert len(server.writes) == 3
    assert server.boards["pulse-oncall"]["dashboard"]["title"] == "On call"


def test_a_dry_run_shows_the_difference_and_writes_nothing(server: FakeGrafana) -> None:
    good(server)
    server.boards["pulse-oncall"]["dashboard"]["title"] = "mine"
    server.calls.clear()
    said = good(server, "--dry-run")
    assert "would change board On call" in said
    assert '-  "title": "mine"' in said
    assert '+  "title": "On call"' in said
    assert server.writes == []


def test_another_datasource(server: FakeGrafana) -> None:
    server.source = {"uid": "mine", "type": "grafana-clickhouse-datasource"}
    good(server, "--datasource", "mine")
    rule = server.groups["usage-pulse/incidents"]["rules"][0]
    assert rule["data"][0]["datasourceUid"] == "mine"
    assert rule["data"][0]["model"]["datasource"]["uid"] == "mine"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "10.4.2"}, "Grafana 10.4.2 is too old, 11.6 is needed"),
        ({"version": "?"}, "does not say its version"),
        ({"plugin": False}, "the plugin grafana-clickhouse-datasource is missing; install it"),
        ({"source": None}, "no datasource has the uid usage-pulse-clickhouse"),
        (
            {"source": {"uid": "usage-pulse-clickhouse", "type": "mysql"}},
            "is of type mysql, expected grafana-clickhouse-datasource",
        ),
        ({"forbidden": "/api/dashboards"}, "it needs dashboards:write (403)"),
        ({"forbidden": "/api/v1"}, "it needs alert.provisioning:write (403)"),
        ({"raw": (200, b"<html>")}, "something that is not JSON"),
        ({"raw": (502, b"bad gateway")}, "Server Error 502"),
    ],
)
def test_trouble_is_one_line(server: FakeGrafana, change: dict[str, object], said: str) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    result = push(server)
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert TOKEN not in result.stderr


def test_a_token_that_is_not_accepted(
    server: FakeGrafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("glsa_wrong\n")
    result = push(server, "--token-file", str(file))
    assert result.exit_code == 1
    assert "the token is not accepted (401)" in result.stderr
    assert "glsa_wrong" not in result.stderr
    monkeypatch.delenv("GRAFANA_TOKEN")
    assert "no token" in push(server).stderr
    assert "No such file" in push(server, "--token-file", str(tmp_path / "none")).stderr


@pytest.mark.parametrize("address", ["grafana", "ftp://x", "http://user:secret@host"])
def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    result = CliRunner().invoke(cli, ["dashboards", "push", address], prog_name="pulse")
    assert result.exit_code == 2
    assert "expected Grafana's address" in result.stderr


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFANA_TOKEN", TOKEN)
    arguments = ["dashboards", "push", "http://127.0.0.1:9"]
    result = CliRunner().invoke(cli, arguments, prog_name="pulse")
    assert result.exit_code == 1
    assert "is it up?" in result.stderr
