"""Generated Grafana files: fresh, of the SDK's form, and to the rules of a dashboard linter."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.boards.all import all_boards
from dashboards.grafana import provisioning
from dashboards.grafana.board_json import board_json
from dashboards.grafana.query import PLUGIN
from dashboards.rules.all import all_rules
from streams.cli.main import cli

GENERATED = Path(__file__).resolve().parents[2] / "dashboards" / "generated"
BOARDS = {board.uid: board_json(board) for board in all_boards()}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_committed_files_are_fresh() -> None:
    assert provisioning.stale(GENERATED) == [], "run `pulse dashboards build`"


def test_build_and_check(tmp_path: Path) -> None:
    def run(*more: str) -> tuple[int, str]:
        arguments = ["dashboards", "build", "--output", str(tmp_path), *more]
        result = CliRunner().invoke(cli, arguments, prog_name="pulse")
        return result.exit_code, result.output

    assert run("--check")[0] == 1
    assert run()[0] == 0
    assert run("--check")[0] == 0
    (tmp_path / "boards/pulse-oncall.json").write_text("{}")
    (tmp_path / "boards/pulse-old.json").write_text("{}")
    code, said = run("--check")
    assert code == 1
    assert "pulse-oncall.json: stale" in said
    assert "pulse-old.json: stale" in said
    run()
    assert not (tmp_path / "boards/pulse-old.json").exists()
    assert run("--check")[0] == 0


@pytest.mark.parametrize("uid", BOARDS)
def test_the_sdk_reads_it_back(uid: str) -> None:
    board = Dashboard.from_json(json.loads(json.dumps(BOARDS[uid])))
    assert board.uid == uid
    assert board.panels


@pytest.mark.parametrize("uid", BOARDS)
def test_linter_rules(uid: str) -> None:
    board = BOARDS[uid]
    assert board["title"]
    assert board["description"]
    assert "usage-pulse" in board["tags"]
    assert board["editable"] is False
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    variables = {one["name"] for one in board["templating"]["list"]}
    text = json.dumps(board["panels"])
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == {"type": PLUGIN, "uid": "${datasource}"}
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            named = set(re.findall(r"\$\{(\w+)", target["rawSql"]))
            assert named <= variables
            assert "conditionalAll" not in target["rawSql"]
        defaults = panel["fieldConfig"]["defaults"]
        overrides = json.dumps(panel["fieldConfig"]["overrides"])
        assert "unit" in defaults or '"unit"' in overrides or panel["type"] == "state-timeline"
        assert defaults["noValue"]
    for name in variables - {"datasource"}:
        assert f"${{{name}:" in text, f"variable {name} is not used"
    for found in re.findall(r"/d/(pulse-\w+)", json.dumps(board)):
        assert found in BOARDS


def test_rules_in_the_provisioning_file() -> None:
    text = (GENERATED / "provisioning/alerting/rules.yaml").read_text(encoding="utf-8")
    groups = yaml.safe_load(text)["groups"]
    rules = {rule["uid"]: rule for group in groups for rule in group["rules"]}
    assert set(rules) == {rule.uid for rule in all_rules()}
    for rule in all_rules():
        found = rules[rule.uid]
        assert found["data"][0]["model"]["rawSql"].replace("$$", "$") == rule.query.sql
        assert found["data"][1]["model"]["conditions"][0]["evaluator"]["params"] == [rule.threshold]
    # A single dollar would be read as a variable of the environment.
    lonely = re.sub(r"\$\$|\$\{CONSOLE_URL\}", "", text)
    assert "$" not in lonely


def test_every_rule_finds_its_receiver() -> None:
    def content(name: str) -> Any:
        path = GENERATED / f"provisioning/alerting/{name}.yaml"
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    points = {one["name"] for one in content("contact-points")["contactPoints"]}
    (root,) = content("policies")["policies"]
    mutes = {one["name"] for one in content("mute-timings")["muteTimes"]}
    routes = [root, *root["routes"]]
    assert {one["receiver"] for one in routes} <= points
    assert {name for one in routes for name in one.get("mute_time_intervals", [])} <= mutes
    for one in root["routes"]:
        severities = [value for name, _, value in one["object_matchers"] if name == "severity"]
        assert not (one.get("mute_time_intervals") and "high" in severities)
