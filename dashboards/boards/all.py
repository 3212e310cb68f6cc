"""Every board, in the order of the console's menu."""

from __future__ import annotations

from dashboards.boards import account, clusters, content, oncall, pipeline, quality, quotas
from dashboards.model.board import Board

__all__ = ["all_boards", "board"]


def all_boards() -> tuple[Board, ...]:
    """All of them."""
    return (
        oncall.BOARD,
        account.BOARD,
        clusters.BOARD,
        content.BOARD,
        quotas.BOARD,
        quality.BOARD,
        pipeline.BOARD,
    )


def board(uid: str) -> Board:
    """The board of this uid; a KeyError when there is none."""
    for one in all_boards():
        if one.uid == uid:
            return one
    raise KeyError(uid)
