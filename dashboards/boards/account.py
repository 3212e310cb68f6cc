"""The board of one account: its timeline against its usual, content, quota, story, peers."""

from __future__ import annotations

from typing import Final

from dashboards.boards import parts
from dashboards.model.board import Board, Row, Variable
from dashboards.model.panel import Panel
from dashboards.queries import account

__all__ = ["BOARD"]

BOARD: Final = Board(
    uid=parts.ACCOUNT,
    title="Account",
    about="Everything about one account: what it did, what is usual for it, what was said.",
    variables=(Variable(name="account", title="Account", query=account.ALL_ACCOUNTS),),
    links=(parts.ONCALL, parts.CLUSTERS),
    rows=(
        Row(
            "Timeline",
            (
                Panel(
                    title="Requests",
                    kind="time",
                    query=account.REQUESTS,
                    width=16,
                    height=9,
                    band=("low", "high"),
                    empty="It sent nothing in this range.",
                ),
                Panel(
                    title="Now",
                    kind="table",
                    query=account.WINDOWS,
                    width=8,
                    height=9,
                    empty="No snapshot has it yet.",
                ),
                Panel(
                    title="Tokens",
                    kind="time",
                    query=account.TOKENS,
                    width=8,
                ),
                Panel(
                    title="Errors, 429s, short outputs",
                    kind="time",
                    query=account.STATUS,
                    width=8,
                ),
                Panel(
                    title="Quota in use",
                    kind="time",
                    query=account.QUOTA,
                    width=8,
                ),
            ),
        ),
        Row(
            "What it sends",
            (
                Panel(
                    title="Templates",
                    kind="table",
                    query=account.TEMPLATES,
                    empty="Its events carry no template.",
                ),
                Panel(
                    title="Moderation",
                    kind="time",
                    query=account.MODERATION,
                    series="category",
                    empty="Nothing of it was scored.",
                ),
            ),
        ),
        Row(
            "Where from, and who else",
            (
                Panel(
                    title="Addresses, networks, keys, end users",
                    kind="time",
                    query=account.ADDRESSES,
                ),
                Panel(
                    title="Same templates elsewhere",
                    kind="table",
                    query=account.PEERS,
                    empty="Nobody else sends what it sends.",
                ),
            ),
        ),
        Row(
            "What was said about it",
            (
                Panel(
                    title="Incidents",
                    kind="table",
                    query=account.INCIDENTS,
                    width=24,
                    empty="Never an incident.",
                ),
            ),
        ),
    ),
)
