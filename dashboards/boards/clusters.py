"""The clusters board: groups of accounts that act together, and one of them in full."""

from __future__ import annotations

from typing import Final

from dashboards.boards import parts
from dashboards.model.board import Board, Row, Variable
from dashboards.model.panel import Panel
from dashboards.queries import clusters

__all__ = ["BOARD"]

BOARD: Final = Board(
    uid=parts.CLUSTERS,
    title="Clusters",
    about="Groups of accounts that act at the same moments on the same things.",
    variables=(Variable(name="cluster", title="Cluster", query=clusters.ALL_CLUSTERS),),
    links=(parts.ONCALL, parts.ACCOUNT),
    span_s=24 * 3600,
    rows=(
        Row(
            "Groups",
            (
                Panel(
                    title="Who acts together",
                    kind="table",
                    query=clusters.LISTED,
                    width=24,
                    empty="No group acted together in this range.",
                ),
            ),
        ),
        Row(
            "One group",
            (
                Panel(
                    title="Who acted when",
                    kind="time",
                    query=clusters.ACTIVITY,
                    width=16,
                    height=9,
                    series="account",
                    empty="Choose a group above.",
                ),
                Panel(
                    title="What they share",
                    kind="table",
                    query=clusters.SHARED,
                    width=8,
                    height=9,
                    empty="Choose a group above.",
                ),
                Panel(
                    title="Members",
                    kind="table",
                    query=clusters.MEMBERS,
                    empty="Choose a group above.",
                ),
                Panel(
                    title="Ties",
                    kind="table",
                    query=clusters.TIES,
                    empty="Choose a group above.",
                ),
                Panel(
                    title="Growth",
                    kind="time",
                    query=clusters.GROWTH,
                    width=10,
                    empty="Nobody joined or left in this range.",
                ),
                Panel(
                    title="Its story",
                    kind="table",
                    query=clusters.CHANGES,
                    width=14,
                    empty="Choose a group above.",
                ),
            ),
        ),
    ),
)
