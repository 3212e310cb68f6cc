"""What a viewer of a board looks at, as it stands in the address: range, step, variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from dashboards.model.board import Board
from dashboards.model.macros import Span

__all__ = ["RANGES", "as_query", "length_ms", "viewed"]

#: Offered at the head of a board: as in the address, and in words.
RANGES: Final = (
    ("15m", "15 minutes"),
    ("1h", "hour"),
    ("6h", "6 hours"),
    ("24h", "24 hours"),
    ("7d", "7 days"),
    ("30d", "30 days"),
)
_LAST: Final = re.compile(r"(\d{1,4})([mhd])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}
_STEPS: Final = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400)
_POINTS: Final = 200  # of a chart at most
_LONGEST_MS: Final = 400 * 86_400_000
_LONGEST_VALUE: Final = 1024


def viewed(board: Board, query: Mapping[str, str], now: int) -> Span:
    """The span that `query` (of the address) asks for; nonsense means what the board shows first.

    `last=6h` ends now; `from` and `to` are epoch ms; `var-org=...` chooses.
    """
    end, length = now, board.span_s * 1000
    if last := length_ms(query.get("last", "")):
        length = last
    elif query.get("from", "").isdigit() and query.get("to", "").isdigit():
        start, until = int(query["from"]), int(query["to"])
        if start < until < 2 * now:
            end, length = until, until - start
    length = min(max(length, 60_000), _LONGEST_MS)
    step = next((one for one in _STEPS if length <= one * 1000 * _POINTS), _STEPS[-1])
    # Whole steps: the same question is asked again by the next viewer, and answered from memory.
    end = -(-end // (step * 1000)) * step * 1000
    chosen = {
        variable.name: query.get(f"var-{variable.name}", "")[:_LONGEST_VALUE]
        for variable in board.variables
    }
    return Span(end - length, end, step, chosen)


def length_ms(last: str) -> int | None:
    """6h -> 21,600,000; None for what is no length."""
    found = _LAST.fullmatch(last)
    return int(found[1]) * _SECONDS[found[2]] * 1000 or None if found else None


def as_query(query: Mapping[str, str]) -> str:
    """The part of an address that another board understands as well."""
    kept = {
        name: value
        for name, value in sorted(query.items())
        if value and (name in ("last", "from", "to") or name.startswith("var-"))
    }
    return urlencode(kept)
