"""The board on quotas and use cases: what was approved, what happens, who lives at the limit."""

from __future__ import annotations

from typing import Final

from dashboards.boards import parts
from dashboards.model.board import Board, Row
from dashboards.model.panel import Panel
from dashboards.queries import quotas

__all__ = ["BOARD"]

BOARD: Final = Board(
    uid=parts.QUOTAS,
    title="Quotas and use cases",
    about="Approved against live: limits hugged, refusals ignored, use cases left.",
    variables=parts.VIEWED,
    links=(parts.ONCALL, parts.CONTENT),
    rows=(
        Row(
            "Quotas",
            (
                Panel(
                    title="Refused for rate",
                    kind="time",
                    query=quotas.THROTTLED,
                    width=10,
                ),
                Panel(
                    title="At the limit",
                    kind="table",
                    query=quotas.HUGGING,
                    width=14,
                    empty="Nobody reached 80 % of a quota.",
                ),
                Panel(
                    title="Hammering after 429",
                    kind="table",
                    query=quotas.RETRIES,
                    empty="Nobody was refused ten times.",
                ),
                Panel(
                    title="Many keys",
                    kind="table",
                    query=quotas.KEYS,
                    empty="No account used three keys.",
                ),
            ),
        ),
        Row(
            "Use cases",
            (
                Panel(
                    title="Approved use cases, live",
                    kind="table",
                    query=quotas.USE_CASES,
                    width=14,
                ),
                Panel(
                    title="Endpoints",
                    kind="time",
                    query=quotas.ENDPOINTS,
                    width=10,
                    series="endpoint",
                    stacked=True,
                ),
                Panel(
                    title="Left their approved use",
                    kind="table",
                    query=quotas.DRIFT,
                    width=24,
                    empty="Nobody left the approved profile.",
                ),
            ),
        ),
    ),
)
