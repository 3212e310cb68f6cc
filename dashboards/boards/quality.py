"""The board on the detectors themselves: precision, pages against the budget, delay, the shadow."""

from __future__ import annotations

from typing import Final

from dashboards.boards import parts
from dashboards.model.board import Board, Row
from dashboards.model.panel import Panel
from dashboards.queries import quality

__all__ = ["BOARD"]

BOARD: Final = Board(
    uid=parts.QUALITY,
    title="Detector quality",
    about="What a detector's word is worth: labelled alarms, pages a shift, delay, what was held.",
    links=(parts.ONCALL,),
    span_s=30 * 86_400,
    refresh_s=300,
    rows=(
        Row(
            "Was it right?",
            (
                Panel(
                    title="Precision",
                    kind="table",
                    query=quality.PRECISION,
                    width=14,
                    empty="No incident yet.",
                ),
                Panel(
                    title="Delay",
                    kind="table",
                    query=quality.DELAY,
                    width=10,
                    empty="No alert yet.",
                ),
                Panel(
                    title="Waiting for a label",
                    kind="table",
                    query=quality.UNREVIEWED,
                    width=24,
                    empty="Everything that was resolved has a label.",
                ),
            ),
        ),
        Row(
            "How much was it?",
            (
                Panel(
                    title="Incidents opened",
                    kind="time",
                    query=quality.SHIFTS,
                    width=14,
                    series="severity",
                    stacked=True,
                    empty="No incident yet.",
                ),
                Panel(
                    title="Pages a shift",
                    kind="table",
                    query=quality.BUDGET,
                    width=10,
                    empty="No page yet.",
                ),
                Panel(
                    title="Held back",
                    kind="table",
                    query=quality.HELD,
                    width=24,
                    empty="Nothing was held back.",
                ),
            ),
        ),
    ),
)
