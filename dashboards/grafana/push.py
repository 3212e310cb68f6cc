"""Boards and rules into a Grafana that runs elsewhere; pushed again, nothing is written twice.

Everything has a stable uid: what is there is compared, what differs is written, nothing else is
touched. `plan` only reads, so a dry run is the same work without the last step.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from dashboards.boards.all import all_boards
from dashboards.grafana.api import Api, GrafanaError
from dashboards.grafana.board_json import board_json
from dashboards.grafana.provisioning import FOLDER
from dashboards.grafana.query import PLUGIN
from dashboards.grafana.rules_json import DATASOURCE_UID, FOLDER_UID, GROUPS, rule_json
from dashboards.rules.all import all_rules

__all__ = ["OLDEST", "Step", "apply", "difference", "plan"]

#: The oldest Grafana that the boards are made for.
OLDEST: Final = (11, 6)
_VERSION: Final = re.compile(r"(\d+)\.(\d+)")
#: Grafana's own, which we neither set nor compare.
_OWN: Final = ("id", "version", "iteration")


@dataclass(frozen=True, slots=True)
class Step:
    """One write: what is there (None: nothing), and what is to be."""

    title: str
    method: str
    path: str
    body: dict[str, Any]
    before: Any = None
    after: Any = field(default=None)

    @property
    def kind(self) -> str:
        """For a person."""
        return "create" if self.before is None else "change"


def plan(api: Api, datasource: str = "", runbook: str = "") -> list[Step]:
    """What has to be written, in order; nothing when all is there already.

    `datasource`: uid of the ClickHouse datasource (default: the provisioned one's).

    Raises:
        GrafanaError: too old, the plugin or the datasource is missing, a right is missing.
    """
    uid = datasource or DATASOURCE_UID
    _check(api, uid)
    steps = []
    if api.get(f"/folders/{FOLDER_UID}") is None:
        body: dict[str, Any] = {"uid": FOLDER_UID, "title": FOLDER}
        steps.append(Step(f"folder {FOLDER}", "POST", "/folders", body, None, body))
    for board in all_boards():
        wanted = board_json(board)
        found = api.get(f"/dashboards/uid/{board.uid}")
        there = None if found is None else _without_own(found.get("dashboard", {}))
        misplaced = found is not None and found.get("meta", {}).get("folderUid") != FOLDER_UID
        if there != wanted or misplaced:
            body = {
                "dashboard": wanted,
                "folderUid": FOLDER_UID,
                "overwrite": True,
                "message": "pulse dashboards push",
            }
            steps.append(
                Step(f"board {board.title}", "POST", "/dashboards/db", body, there, wanted)
            )
    steps += _rule_steps(api, uid, runbook or f"{api.address}/runbook")
    return steps


def apply(api: Api, steps: list[Step]) -> Iterator[Step]:
    """Write them, in order; each is yielded when it is done."""
    for step in steps:
        if step.method == "POST":
            api.post(step.path, step.body)
        else:
            api.put(step.path, step.body)
        yield step


def difference(step: Step) -> list[str]:
    """What would change, as a unified diff of the JSON."""

    def lines(value: Any) -> list[str]:
        if value is None:
            return []
        return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).splitlines()

    return list(
        difflib.unified_diff(lines(step.before), lines(step.after), "there", "ours", lineterm="")
    )


def _check(api: Api, datasource: str) -> None:
    health = api.get("/health") or {}
    version = str(health.get("version", ""))
    found = _VERSION.match(version)
    if found is None:
        raise GrafanaError(f"{api.address}: does not say its version; is this a Grafana?")
    if (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise GrafanaError(f"{api.address}: Grafana {version} is too old, {oldest} is needed")
    if api.get(f"/plugins/{PLUGIN}/settings") is None:
        raise GrafanaError(
            f"{api.address}: the plugin {PLUGIN} is missing; install it (grafana cli plugins "
            f"install {PLUGIN}) and restart Grafana"
        )
    source = api.get(f"/datasources/uid/{quote(datasource, safe='')}")
    if source is None:
        raise GrafanaError(
            f"{api.address}: no datasource has the uid {datasource}; create one of type ClickHouse "
            "and name its uid with --datasource"
        )
    if source.get("type") != PLUGIN:
        raise GrafanaError(
            f"{api.address}: datasource {datasource} is of type {source.get('type')}, "
            f"expected {PLUGIN}"
        )


def _rule_steps(api: Api, datasource: str, runbook: str) -> Iterator[Step]:
    left = list(all_rules())
    for name, interval, prefix in GROUPS:
        mine = [rule for rule in left if rule.uid.startswith(prefix)]
        left = [rule for rule in left if rule not in mine]
        rules = [
            _with_datasource(rule_json(rule, runbook), datasource)
            | {"folderUID": FOLDER_UID, "ruleGroup": name, "orgID": 1}
            for rule in mine
        ]
        body = {"title": name, "folderUid": FOLDER_UID, "interval": interval, "rules": rules}
        path = f"/v1/provisioning/folder/{FOLDER_UID}/rule-groups/{name}"
        found = api.get(path)
        there = None if found is None else _like(found, body)
        if there != body:
            yield Step(f"rules {name}", "PUT", path, body, there, body)


def _with_datasource(value: Any, uid: str) -> Any:
    """Rules name the provisioned datasource; put another in its place."""
    if isinstance(value, dict):
        return {name: _with_datasource(one, uid) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_datasource(one, uid) for one in value]
    return uid if value == DATASOURCE_UID else value


def _without_own(board: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in board.items() if name not in _OWN}


def _like(found: Any, wanted: Any) -> Any:
    """`found` with only what `wanted` sets: Grafana adds ids, times and defaults."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {name: _like(found[name], wanted[name]) for name in wanted if name in found}
    if isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        return [_like(one, ours) for one, ours in zip(found, wanted, strict=True)]
    return found
