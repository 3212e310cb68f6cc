"""Moments as markup: written in UTC by the server, turned into the viewer's zone by the page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dashboards.live.html import Html, tag

__all__ = ["clock", "clock_text", "iso", "milliseconds"]


def iso(at: float) -> str:
    """Epoch milliseconds as RFC 3339 in UTC; years nobody can mean are clamped."""
    seconds = min(max(at / 1000, 0.0), 4_102_444_800.0)
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def clock_text(at: float, *, seconds: bool = False) -> str:
    """14:31 or 14:31:05, in UTC."""
    return iso(at)[11 : 19 if seconds else 16]


def clock(at: float | None, *, seconds: bool = False, date: bool = False) -> Html:
    """A `<time>`: the viewer's zone once the page's script ran, UTC on hover."""
    if at is None:
        return tag("span", "–")
    moment = iso(at)
    text = (moment[:10] + " " if date else "") + clock_text(at, seconds=seconds) + " UTC"
    hover = moment[:10] + " " + moment[11:19] + " UTC"
    extra = {"data_seconds": seconds, "data_date": date}
    return tag("time", text, datetime=moment, title=hover, data_ms=int(at), **extra)


def milliseconds(value: Any) -> int | None:
    """Epoch ms of a time as rows of the store carry it; None for none."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return int(value) * 1000  # a DateTime without a zone comes as seconds
