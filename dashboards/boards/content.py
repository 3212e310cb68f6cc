"""The board on content and policy: categories by cohort, short against long, known campaigns."""

from __future__ import annotations

from typing import Final

from dashboards.boards import parts
from dashboards.model.board import Board, Row
from dashboards.model.panel import Panel
from dashboards.queries import content

__all__ = ["BOARD"]

BOARD: Final = Board(
    uid=parts.CONTENT,
    title="Content and policy",
    about="What is asked for: moderation categories by cohort, short-form and long-form output.",
    variables=parts.VIEWED,
    links=(parts.ONCALL, parts.QUOTAS),
    rows=(
        Row(
            "Categories",
            (
                Panel(
                    title="Flagged, by category",
                    kind="time",
                    query=content.BY_CATEGORY,
                    width=16,
                    height=9,
                    series="category",
                    empty="No event carried moderation scores.",
                ),
                Panel(
                    title="Short-form against long-form",
                    kind="bars",
                    query=content.BY_LENGTH,
                    width=8,
                    height=9,
                    empty="Nothing was flagged.",
                ),
                Panel(
                    title="By approved use case",
                    kind="table",
                    query=content.BY_COHORT,
                    width=24,
                    empty="Nothing was flagged.",
                ),
            ),
        ),
        Row(
            "Seen before",
            (
                Panel(
                    title="Medical spam",
                    kind="time",
                    query=content.MEDICAL,
                    empty="No request scored as medical spam.",
                ),
                Panel(
                    title="Political persuasion",
                    kind="time",
                    query=content.POLITICAL,
                    empty="No request scored as political persuasion.",
                ),
                Panel(
                    title="Who carries it",
                    kind="table",
                    query=content.ACCOUNTS,
                    width=24,
                    empty="No account has three flagged requests.",
                ),
            ),
        ),
    ),
)
