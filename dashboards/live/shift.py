"""How many pages this shift has had, against what the policy allows: the mark in the corner."""

from __future__ import annotations

from typing import Final

from dashboards.live.html import Html, tag
from dashboards.live.model import Budget, Status
from dashboards.live.read import Reader
from dashboards.live.words import count

__all__ = ["pages_this_shift", "shift_pages"]

#: Where the policy's budget is not one of pages, shifts are those of the board on quality.
_HOURS: Final = 8.0
_PAGES: Final = """
SELECT uniqExact(incident_id) AS pages
FROM incident_log
WHERE started_at >= fromUnixTimestamp64Milli({since}, 'UTC')"""


async def shift_pages(status: Status, reader: Reader) -> tuple[int, Budget | None]:
    """Pages of this shift, and what the policy allows where it counts pages."""
    budget = status["policy"].get("budget") if "policy" in status else None
    length = round((budget["hours"] if budget else _HOURS) * 3_600_000)
    now = status["watermark"] or status["now"]
    rows = await reader.ask(_PAGES, {"since": now // length * length})
    return int(rows[0]["pages"]) if rows else 0, budget


async def pages_this_shift(status: Status, reader: Reader) -> Html:
    """A link to the board on quality; in the warning colour where the shift had too many."""
    pages, budget = await shift_pages(status, reader)
    noun = "page" if pages == 1 and not budget else "pages"
    text, over = f"{count(pages)} {noun} this shift", False
    told = "The policy's budget counts false alarms by account-days, not pages."
    if budget:
        text = f"{count(pages)} of {count(budget['pages'])} pages this shift"
        over = pages > budget["pages"]
        told = f"The policy allows {count(budget['pages'])} in {count(budget['hours'])} hours."
    return tag(
        "a",
        text,
        href="/board/quality",
        title=told,
        class_="mode outside" if over else "mode",
        id="pages",
    )
