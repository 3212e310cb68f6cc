"""A board of the model as Grafana's JSON, through the foundation SDK's types."""

from __future__ import annotations

import json
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.grafana.panels import drawn
from dashboards.grafana.query import DATASOURCE, PLUGIN
from dashboards.model.board import Board, Variable
from dashboards.model.panel import COLUMNS

__all__ = ["SCHEMA", "board_json", "text"]

#: Of Grafana 11.6, the oldest that these boards are for.
SCHEMA = 41


def board_json(board: Board) -> dict[str, Any]:
    """As `/api/dashboards/db` and the file provisioning take it."""
    built = (
        builders.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags(list(board.tags))
        .timezone("browser")
        .time(f"now-{_span(board.span_s)}", "now")
        .refresh(f"{board.refresh_s}s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(builders.DatasourceVariable("datasource").label("ClickHouse").type(PLUGIN))
    )
    for variable in board.variables:
        built = built.with_variable(_variable(variable))
    for uid in board.links:
        built = built.link(
            builders.DashboardLink(_title(uid))
            .type(models.DashboardLinkType.LINK)
            .url(f"/d/{uid}")
            .keep_time(True)
            .include_vars(True)
        )
    number = 0
    places = iter(board.places())
    grid: list[dict[str, int]] = []
    for row in board.rows:
        panels = [next(places) for _ in row.panels]
        number += 1
        built = built.with_row(builders.Row(row.title).id(number))
        grid.append({"x": 0, "y": panels[0][2] - 1, "w": COLUMNS, "h": 1})
        for panel, left, top in panels:
            number += 1
            built = built.with_panel(drawn(panel, number))
            grid.append({"x": left, "y": top, "w": panel.width, "h": panel.height})
    found: dict[str, Any] = json.loads(json.dumps(built.build(), cls=JSONEncoder))
    # The SDK stacks rows as it meets them; the model has decided where things lie.
    for panel, place in zip(found["panels"], grid, strict=True):
        panel["gridPos"] = place
    return found | {"schemaVersion": SCHEMA}


def text(board: Board) -> str:
    """The file that is committed."""
    return json.dumps(board_json(board), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _variable(variable: Variable) -> Any:
    if variable.query is None:
        return builders.TextBoxVariable(variable.name).label(variable.title)
    built = (
        builders.QueryVariable(variable.name)
        .label(variable.title)
        .description(variable.query.sentence)
        .datasource(DATASOURCE)
        .query(variable.query.sql)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if variable.name in ("account", "cluster", "incident"):
        return built
    # A value of its own for All goes into the query as it stands.
    everything = models.VariableOption(text="All", value="$__all", selected=True)
    return built.include_all(True).all_value("''").current(everything)


def _title(uid: str) -> str:
    return uid.removeprefix("pulse-").capitalize()


def _span(seconds: int) -> str:
    for size, letter in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"
