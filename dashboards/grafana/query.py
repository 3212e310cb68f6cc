"""The ClickHouse plugin's query as the foundation SDK takes it; the SDK has no type of its own."""

from __future__ import annotations

from typing import Any, Final, cast

from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from dashboards.model.query import Query

__all__ = ["DATASOURCE", "PLUGIN", "ClickHouseQuery"]

PLUGIN: Final = "grafana-clickhouse-datasource"
#: Boards name their datasource by a variable, so they work with any.
DATASOURCE: Final = DataSourceRef(type_val=PLUGIN, uid="${datasource}")

_TABLE, _SERIES = 1, 0


class _Target(variants.Dataquery):
    """One query of a panel."""

    def __init__(self, query: Query, *, series: bool, uid: str) -> None:
        self._query, self._series, self._uid = query, series, uid

    def to_json(self) -> dict[str, object]:
        """As the plugin stores it (version 4)."""
        return {
            "refId": "A",
            "datasource": {"type": PLUGIN, "uid": self._uid},
            "editorType": "sql",
            "queryType": "timeseries" if self._series else "table",
            "format": _SERIES if self._series else _TABLE,
            "rawSql": self._query.sql,
            "meta": {"timezone": "UTC"},
            "pluginVersion": "4.0.0",
        }


class ClickHouseQuery(cogbuilder.Builder[variants.Dataquery]):
    """Builder of a target; `uid` of a datasource, by default the board's variable."""

    def __init__(self, query: Query, *, series: bool, uid: str = "${datasource}") -> None:
        self._target = _Target(query, series=series, uid=uid)

    def build(self) -> variants.Dataquery:
        """The target."""
        return self._target

    def to_json(self) -> dict[str, Any]:
        """For rules, which are written without the SDK's panels."""
        return cast(dict[str, Any], self._target.to_json())
