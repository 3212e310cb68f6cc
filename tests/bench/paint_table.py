"""Lines of the bench's table about the console's pages."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.bench.panel_table import quantile

__all__ = ["PAINT_MS", "paint_rows"]

PAINT_MS: Final = 1000


def paint_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """What, measured, unit, to reach: each page cold and warm, and all of them."""
    for temper in ("cold", "warm"):
        every: list[float] = []
        for page, times in found["pages"].items():
            every += times[temper]["paint"]
            yield (
                f"first paint of {page}, {temper}",
                _both(times[temper]["paint"]),
                f"ms, p50 / p95; whole after {_both(times[temper]['whole'])}",
                f"<= {PAINT_MS:,}",
            )
        yield f"first paint of any page, {temper}", _both(every), "ms, p50 / p95", "<= 1,000 (p95)"


def _both(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} / {quantile(values, 0.95):,.0f}"
