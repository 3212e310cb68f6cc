"""The on-call board: what needs somebody now, and whether this page can be trusted."""

from __future__ import annotations

from typing import Final

from dashboards.boards import parts
from dashboards.model.board import Board, Row
from dashboards.model.panel import Panel
from dashboards.model.query import Query
from dashboards.queries import oncall, pipeline

__all__ = ["BOARD"]


def _pulse(title: str, query: Query) -> Panel:
    return Panel(
        title=title,
        kind="time",
        query=query,
        about=f"{query.sentence} The band is where it usually lies.",
        width=8,
        height=7,
        band=("low", "high"),
        empty="Nothing was sent in this range.",
    )


BOARD: Final = Board(
    uid=parts.ONCALL,
    title="On call",
    about="What needs somebody, the fleet against its usual, what changed, and the pipeline.",
    variables=parts.VIEWED,
    links=(parts.CLUSTERS, parts.CONTENT, parts.QUOTAS, parts.PIPELINE),
    rows=(
        Row(
            "Needs somebody",
            (
                Panel(
                    title="Open incidents",
                    kind="table",
                    query=oncall.OPEN_INCIDENTS,
                    width=24,
                    height=10,
                    empty="Nothing is open. What opens appears here with its sentence.",
                ),
            ),
        ),
        Row(
            "Fleet, against what is usual for this hour",
            (
                _pulse("Requests", oncall.REQUESTS),
                _pulse("Tokens out", oncall.TOKENS),
                _pulse("Errors", oncall.ERRORS),
                _pulse("Refused for rate", oncall.THROTTLED),
                _pulse("Short outputs", oncall.SHORT),
                _pulse("Flagged", oncall.FLAGGED),
            ),
        ),
        Row(
            "What changed",
            (
                Panel(
                    title="Accounts unlike their day before",
                    kind="table",
                    query=oncall.CHANGED,
                    width=14,
                    empty="No account sent 50 requests in the last hour.",
                ),
                Panel(
                    title="Held back",
                    kind="table",
                    query=oncall.HELD,
                    width=10,
                    empty="Nothing was held back.",
                ),
            ),
        ),
        Row(
            "Can you trust this page?",
            (
                Panel(
                    title="Pipeline",
                    kind="strip",
                    query=pipeline.HEALTH,
                    width=24,
                    height=6,
                    series="partition",
                    empty="No worker stored anything in this range: all clear means nothing here.",
                ),
            ),
        ),
    ),
)
