"""Panels of the model as Grafana's, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from grafana_foundation_sdk.builders import barchart, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

from dashboards.grafana.query import DATASOURCE, ClickHouseQuery
from dashboards.model.panel import Kind, Panel
from dashboards.model.query import Column
from dashboards.model.thresholds import COLOURS, Colour, Steps
from dashboards.model.units import unit

__all__ = ["PANELS", "drawn"]

_Builder = Any  # the SDK's builders share no type of their own
_STATES: Final[tuple[Colour, ...]] = ("fine", "warning", "alarm")


def drawn(panel: Panel, number: int) -> _Builder:
    """The panel; `number` is its id on the board."""
    return (
        PANELS[panel.kind](panel)
        .id(number)
        .title(panel.title)
        .description(panel.about)
        .datasource(DATASOURCE)
        .no_value(panel.empty)
        .with_target(ClickHouseQuery(panel.query, series=panel.kind in ("time", "strip")))
    )


def _time(panel: Panel) -> _Builder:
    numbers = _numbers(panel)
    built = (
        timeseries.Panel()
        .unit(unit(numbers[0].unit).grafana)
        .min(0)
        .line_width(1)
        .fill_opacity(20 if panel.stacked else 0)
        .show_points(common.VisibilityMode.NEVER)
        .color_scheme(_palette(panel))
        .legend(
            common_builders.VizLegendOptions()
            .show_legend(len(numbers) > 1 or bool(panel.series))
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )
    if panel.stacked:
        stacking = common_builders.StackingConfig().mode(common.StackingMode.NORMAL)
        built = built.stacking(stacking)
    if panel.steps is not None:
        built = built.thresholds(_steps(panel.steps)).thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(
                common.GraphThresholdsStyleMode.DASHED
            )
        )
    if panel.band is not None:
        built = _band(built, panel.band)
    for column in numbers:
        if not panel.series:
            built = _named(built, column)
    return built


def _band(built: _Builder, band: tuple[str, str]) -> _Builder:
    """The usual range, pale, behind the line."""
    low, high = band
    quiet = [_value("color", {"mode": "fixed", "fixedColor": COLOURS["usual"][0]})]
    hidden = [*quiet, _value("custom.lineWidth", 0)]
    filled = [*hidden, _value("custom.fillBelowTo", low), _value("custom.fillOpacity", 35)]
    return built.override_by_name(low, hidden).override_by_name(high, filled)


def _named(built: _Builder, column: Column) -> _Builder:
    return built.override_by_name(
        column.name,
        [_value("displayName", column.title), _value("unit", unit(column.unit).grafana)],
    )


def _table(panel: Panel) -> _Builder:
    built = table.Panel().show_header(True).cell_height(common.TableCellHeight.SM)
    for column in panel.query.columns:
        values = [_value("displayName", column.title), _value("unit", unit(column.unit).grafana)]
        if column.link:
            values.append(_value("links", [_to_board(column)]))
        built = built.override_by_name(column.name, values)
    return built


def _to_board(column: Column) -> dict[str, object]:
    variable = column.link.removeprefix("pulse-").removesuffix("s")
    return {
        "title": f"Board of this {column.title}",
        "url": f"/d/{column.link}?var-{variable}=${{__value.raw}}&${{__url_time_range}}",
    }


def _bars(panel: Panel) -> _Builder:
    numbers = _numbers(panel)
    built = (
        barchart.Panel()
        .x_field(panel.query.columns[0].name)
        .unit(unit(numbers[0].unit).grafana)
        .orientation(common.VizOrientation.HORIZONTAL)
        .stacking(common.StackingMode.NORMAL)
        .show_value(common.VisibilityMode.NEVER)
    )
    for column in numbers:
        built = _named(built, column)
    return built


def _strip(panel: Panel) -> _Builder:
    shown = {
        str(number): models.ValueMappingResult(
            text=text, color=COLOURS[_STATES[number]][0], index=number
        )
        for number, text in enumerate(panel.states)
    }
    return (
        statetimeline.Panel()
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .mappings([models.ValueMap(options=shown)])
    )


def _stat(panel: Panel) -> _Builder:
    numbers = _numbers(panel)
    built = (
        stat.Panel()
        .unit(unit(numbers[0].unit).grafana)
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.NONE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    return built if panel.steps is None else built.thresholds(_steps(panel.steps))


PANELS: Final[Mapping[Kind, Callable[[Panel], _Builder]]] = {
    "time": _time,
    "stat": _stat,
    "table": _table,
    "bars": _bars,
    "strip": _strip,
}


def _numbers(panel: Panel) -> list[Column]:
    found = [one for one in panel.query.columns if one.unit not in ("time", "text")]
    if not found:
        raise ValueError(f"panel {panel.title}: its query has no number to draw")
    return found


def _palette(panel: Panel) -> builders.FieldColor:
    if panel.series or len(_numbers(panel)) > 1:
        return builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC)
    colour = builders.FieldColor().mode(models.FieldColorModeId.FIXED)
    return colour.fixed_color(COLOURS["line"][0])


def _steps(steps: Steps) -> builders.ThresholdsConfig:
    return (
        builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps(
            [
                models.Threshold(value=None, color=COLOURS["fine"][0]),
                models.Threshold(value=steps.warning, color=COLOURS["warning"][0]),
                models.Threshold(value=steps.alarm, color=COLOURS["alarm"][0]),
            ]
        )
    )


def _value(id_val: str, value: object) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=id_val, value=value)
