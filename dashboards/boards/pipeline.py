"""The board on the pipeline: how fast, how late, what was lost sight of, who was told."""

from __future__ import annotations

from typing import Final

from dashboards.boards import parts
from dashboards.model.board import Board, Row
from dashboards.model.panel import Panel
from dashboards.model.thresholds import DELAY_S
from dashboards.queries import pipeline

__all__ = ["BOARD"]

BOARD: Final = Board(
    uid=parts.PIPELINE,
    title="Pipeline",
    about="Rate, delay, dead letters, late events, blind windows, notifications.",
    links=(parts.ONCALL,),
    rows=(
        Row(
            "Flow",
            (
                Panel(
                    title="Events a second",
                    kind="time",
                    query=pipeline.RATE,
                ),
                Panel(
                    title="Kafka to row",
                    kind="time",
                    query=pipeline.DELAY,
                    steps=DELAY_S,
                ),
                Panel(
                    title="Late events",
                    kind="time",
                    query=pipeline.LATE,
                ),
                Panel(
                    title="Batches",
                    kind="time",
                    query=pipeline.STORE,
                ),
                Panel(
                    title="Partitions",
                    kind="table",
                    query=pipeline.PARTITIONS,
                    width=24,
                    empty="No partition stored anything in this range.",
                ),
            ),
        ),
        Row(
            "What was not seen",
            (
                Panel(
                    title="Lanes",
                    kind="strip",
                    query=pipeline.HEALTH,
                    width=24,
                    height=6,
                    series="partition",
                    empty="No worker stored anything in this range.",
                ),
                Panel(
                    title="Blind windows",
                    kind="table",
                    query=pipeline.BLIND,
                    width=24,
                    height=6,
                    empty="Nothing was missed.",
                ),
                Panel(
                    title="Dead letters",
                    kind="time",
                    query=pipeline.DEAD,
                    series="reason",
                    stacked=True,
                    empty="Everything was understood.",
                ),
                Panel(
                    title="Their reasons",
                    kind="table",
                    query=pipeline.DEAD_NEWEST,
                    empty="Everything was understood.",
                ),
            ),
        ),
        Row(
            "Were people told?",
            (
                Panel(
                    title="Notifications",
                    kind="table",
                    query=pipeline.NOTIFICATIONS,
                    width=24,
                    height=6,
                    empty="No message was due: the policy has no route, or all is quiet.",
                ),
            ),
        ),
    ),
)
