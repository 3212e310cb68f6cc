"""The tables of the consoles' speed: every panel that is slow, boards whole, and the sums."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.table import Table

__all__ = ["PANEL_MS", "panel_rows", "panel_table", "quantile"]

PANEL_MS: Final = 300
_RANGES: Final = {"first": "range it opens with", "longest": "30 days"}


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def panel_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Lines of the table of all figures: what, measured, unit, to reach."""
    asked = [*found["panels"], *found["rules"]]
    for name, words in _RANGES.items():
        chosen = [one for one in asked if one["range"] == name]
        wall = _all(chosen, "seconds")
        cpu = _all(chosen, "cpu_s")
        yield (
            f"panels of {found['events']:,} events, {words}",
            f"{1e3 * statistics.median(wall):.0f} / {1e3 * quantile(wall, 0.95):.0f}",
            f"ms, p50 / p95; CPU {1e3 * quantile(cpu, 0.95):.0f} at p95",
            f"<= {PANEL_MS} (p95)",
        )


def panel_table(found: Mapping[str, Any]) -> Table:
    """One line a panel and a line a board, medians and p95 in ms, CPU beside."""
    grid = Table(title=f"Panels over {found['events']:,} events, ms", title_justify="left")
    for name in ("board", "panel", "range", "choice"):
        grid.add_column(name)
    for name in ("median", "p95", "CPU", "rows"):
        grid.add_column(name, justify="right")
    for one in [*found["panels"], *found["rules"], *found["boards"]]:
        grid.add_row(
            one["board"].removeprefix("pulse-"),
            one["panel"] or "the whole page",
            one["range"],
            one["choice"],
            f"{1e3 * statistics.median(one['seconds']):.0f}",
            f"{1e3 * quantile(one['seconds'], 0.95):.0f}",
            f"{1e3 * statistics.median(one['cpu_s']):.0f}",
            f"{one['rows']:,}" if one["panel"] else "",
        )
    return grid


def _all(several: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [value for one in several for value in one[name]]
