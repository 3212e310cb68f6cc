"""The table that `make bench` prints: what was measured, beside what it must reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from tests.bench.paint_table import paint_rows
from tests.bench.panel_table import panel_rows

__all__ = ["table"]


def table(result: dict[str, Any]) -> Table:
    """Everything in `result` that a person compares from run to run."""
    grid = Table(title="Usage Pulse, measured", title_justify="left")
    grid.add_column("figure")
    grid.add_column("measured", justify="right")
    grid.add_column("unit")
    grid.add_column("to reach", justify="right")
    for row in _rows(result):
        grid.add_row(*row)
    return grid


_EVENTS = "events / core-s"
_PLAIN = (
    ("end_to_end_ndjson", "end to end, 200 events a message", _EVENTS, ">= 100,000"),
    ("end_to_end_single", "end to end, one event a message", _EVENTS, ">= 70,000"),
    ("idiomatic_faust", "idiomatic Faust, one event a message", _EVENTS, ""),
    ("idiomatic_faust_ndjson", "idiomatic Faust, 200 events a message", _EVENTS, ""),
)
_RATIOS = (
    ("ndjson_ratio", "200 a message / idiomatic one a message", ">= 12"),
    ("single_ratio", "one a message / idiomatic one a message", ">= 8"),
    ("ndjson_ratio_same_messages", "200 a message / idiomatic 200 a message", ""),
)


def _rows(result: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for key, words, unit, goal in _PLAIN:
        if key in result:
            yield words, f"{result[key]:,.0f}", unit, goal
    for key, words, goal in _RATIOS:
        if key in result:
            yield words, f"{result[key]:.1f}", "times", goal
    for stage, cost in result.get("stages_us", {}).items():
        yield f"stage: {stage}", f"{cost:.2f}", "us / event", ""
    for count, rate in result.get("rate_by_accounts", {}).items():
        loss = result["rate_loss_by_accounts"][count]
        goal = "<= 25 %" if int(count) == 1_000_000 else ""
        yield f"rate at {int(count):,} accounts", f"{rate:,.0f}", f"{_EVENTS}, {-loss:+.0%}", goal
    if "bytes_per_account" in result:
        count = result["bytes_measured_at_accounts"]
        judged = result["bytes_of_detectors"]
        rest = f"{result['bytes_per_account'] - judged:,.0f}"
        yield f"memory at {count:,} accounts", rest, "bytes / account", "<= 2,048"
        yield "memory of the detectors", f"{judged:,}", "bytes / account", "<= 1,024"
        rebuilt = result["rebuild"]
        words = f"rebuild of {rebuilt['accounts']:,} accounts"
        yield words, f"{rebuilt['wall_s']:.1f}", "s", "<= 15"
    for key, words, goal in (("stored", "row", ""), ("alert", "alert", "<= 2 (p99)")):
        if "delay" in result:
            both = result["delay"][key]
            yield (
                f"event to {words} at 20,000 events/s",
                f"{both['p50_s']:.2f} / {both['p99_s']:.2f}",
                "s, p50 / p99",
                goal,
            )
    for way, words in (("woken", "here"), ("found", "by another worker")):
        if "notify" in result:
            both = result["notify"][way]
            yield (
                f"alert stored {words} to message at its channel",
                f"{both['p50_s']:.2f} / {both['p99_s']:.2f}",
                "s, p50 / p99",
                "<= 2 (p99)",
            )
    yield from _coordination(result)
    if "panels" in result:
        yield from panel_rows(result["panels"])
    if "first_paint" in result:
        yield from paint_rows(result["first_paint"])


def _coordination(result: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    if "signals_by_accounts" not in result:
        return
    rates = result["signals_by_accounts"]
    largest = str(max(int(name) for name in rates if name.isdigit()))
    for name, rate in rates.items():
        from_file, number = name.startswith("file "), name.removeprefix("file ")
        against = rates[f"file {largest}" if from_file else largest]
        words = "one viral object" if name == "viral" else f"{int(number):,} accounts"
        words += ", as from a file" if from_file else ""
        unit = f"signals / core-s, {rate / against - 1:+.0%}"
        yield f"coordination with {words}", f"{rate:,.0f}", unit, ">= 50,000, within 30 %"
    yield "coordination memory", f"{result['bytes_per_signal']:,.0f}", "bytes / signal", "<= 1,024"
