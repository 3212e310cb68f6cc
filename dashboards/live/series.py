"""Minutes of an account as a chart needs them: dense, summed over a window, with a usual range.

Stands between the rows of `account_minute` and the charts; pure functions of their arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "IN_MINUTES",
    "MINUTE",
    "Point",
    "metric_of",
    "quantile",
    "runs_outside",
    "usual",
    "window_sums",
]

#: Metrics whose minutes are stored; others cannot be drawn from `account_minute`.
IN_MINUTES = frozenset(
    {
        *("requests", "prompt_tokens", "completion_tokens", "tokens"),
        *("errors", "throttled", "short_outputs"),
    }
)

#: Milliseconds in a minute.
MINUTE = 60_000

#: Epoch milliseconds and a value.
Point = tuple[int, float]


def metric_of(row: Mapping[str, float], metric: str) -> float:
    """One of IN_MINUTES in a row of `account_minute`; tokens are those in and out."""
    if metric == "tokens":
        return float(row["prompt_tokens"]) + float(row["completion_tokens"])
    return float(row[metric])


def window_sums(
    minutes: Iterable[Point], start: int, end: int, window_s: int, watermark: int | None = None
) -> list[Point]:
    """Sums over the last `window_s` seconds at the end of every minute in [start, end).

    Minutes without a row count zero. The minute that is still running at `watermark` is left out
    where it would only pretend a fall.
    """
    values = dict(minutes)
    steps = max(1, round(window_s / 60))
    first = start // MINUTE * MINUTE
    total = sum(values.get(first - step * MINUTE, 0.0) for step in range(1, steps))
    points: list[Point] = []
    for minute in range(first, end, MINUTE):
        total += values.get(minute, 0.0)
        points.append((minute + MINUTE, total))
        total -= values.get(minute - (steps - 1) * MINUTE, 0.0)
    running = watermark is not None and bool(points) and points[-1][0] > watermark
    if running and len(points) > 1 and points[-1][1] < points[-2][1]:
        points.pop()
    return points


def usual(points: Sequence[Point]) -> tuple[float, float] | None:
    """The range that holds nine values in ten, or None with less than half an hour of history."""
    values = sorted(value for _, value in points)
    if len(values) < 30:
        return None
    return quantile(values, 0.05), quantile(values, 0.95)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear interpolation between the closest ranks of sorted values."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def runs_outside(
    points: Sequence[Point], band: tuple[float, float], least: int = 3
) -> list[tuple[int, int]]:
    """Spans of `least` or more points in a row outside the band: one is noise, a run is news."""
    spans: list[tuple[int, int]] = []
    run: list[int] = []
    for at, value in (*points, (0, band[0])):
        if band[0] <= value <= band[1]:
            if len(run) >= least:
                spans.append((run[0], run[-1]))
            run = []
        else:
            run.append(at)
    return spans
