"""What a person sees of a replay: one line with rate, lag and ETA, and the sums at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.replay import Summary
from streams.traffic.progress import Progress as Sent

__all__ = ["ReplayView", "summary_text"]

_PLAIN_EVERY_S = 5.0


class ReplayView:
    """A bar on a terminal, else a line every few seconds; `update` comes from any thread."""

    def __init__(self, console: Console, status: Callable[[], Mapping[str, Any]]) -> None:
        self._console = console
        self._status = status
        self._bar = Progress(
            TextColumn("{task.fields[line]}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("replay", total=1.0, line="starting")
        self._plain_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def update(self, sent: Sent) -> None:
        """How far the sender has come."""
        status = self._status()
        line = f"{sent.events:,} sent, {status['stored']:,} stored, {sent.rate:,.0f}/s"
        line += f", lag {status['lag']:,}"
        if self._console.is_terminal:
            self._bar.update(self._task, completed=sent.fraction or 0.0, line=line)
        elif time.monotonic() - self._plain_at >= _PLAIN_EVERY_S:
            self._plain_at = time.monotonic()
            left = "" if sent.eta_s is None else f", {sent.eta_s:,.0f} s left"
            self._console.print(line + left, soft_wrap=True)


def summary_text(summary: Summary) -> str:
    """The sums a person checks after a replay."""
    rate = summary.sent / summary.seconds if summary.seconds else 0.0
    lines = [
        f"{summary.sent:,} events sent from {summary.files} file{'s' * (summary.files != 1)}"
        f" in {summary.seconds:.1f} s ({rate:,.0f}/s)",
        f"  stored       {summary.stored:>12,}",
        f"  duplicates   {summary.duplicates:>12,}",
        f"  dead letters {summary.dead:>12,}",
        f"  late         {summary.late:>12,}  (counted)",
        f"  too late     {summary.too_late:>12,}  (stored, not scored)",
        f"  alerts       {summary.incidents:>12,}",
    ]
    return "\n".join(lines)
