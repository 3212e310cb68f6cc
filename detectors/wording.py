"""Numbers as a person reads them first: used by the sentences of the explanations."""

from __future__ import annotations

import math

__all__ = ["age", "amount", "one_in", "series_name", "since", "window_name"]

_SERIES = {
    "prompt_tokens": "input tokens",
    "completion_tokens": "output tokens",
    "throttled": "throttled requests",
}


def amount(value: float) -> str:
    """
    >>> [amount(x) for x in (0.0, 0.04, 0.4, 1.0, 12.34, 96.5, 1240.0)]
    ['0', 'under 0.1', '0.4', '1', '12', '96', '1,240']
    """
    if 0.0 < value < 0.1:
        return "under 0.1"
    if value < 10.0:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:,.0f}"


def window_name(seconds: int) -> str:
    """
    >>> [window_name(s) for s in (60, 300, 3600, 7200, 45)]
    ['1 minute', '5 minutes', '1 hour', '2 hours', '45 seconds']
    """
    for unit, name in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % unit == 0:
            number = seconds // unit
            return f"{number} {name}" + ("s" if number != 1 else "")
    raise ValueError(f"a window in whole seconds, got {seconds}")


def age(hours: int) -> str:
    """How long ago an hour ended that `hours` whole hours have followed.

    >>> [age(h) for h in (0, 1, 30, 72)]
    ['in the hour before', '1 hour ago', '30 hours ago', '3 days ago']
    """
    if hours == 0:
        return "in the hour before"
    if hours < 48:
        return f"{hours} hour{'s' if hours != 1 else ''} ago"
    return f"{round(hours / 24)} days ago"


def one_in(p_value: float) -> str:
    """
    >>> [one_in(p) for p in (0.2, 2.5e-7, 3e-12, 1e-20, 1e-300)]
    ['1 in 5', '1 in 4 million', '1 in 333 billion', '1 in 10^20', 'less than 1 in 10^300']
    """
    if p_value <= 1e-300:
        return "less than 1 in 10^300"
    odds = 1.0 / p_value
    if odds >= 1e15:
        return f"1 in 10^{math.floor(math.log10(odds) + 0.5)}"
    for unit, name in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")):
        if odds >= unit:
            return f"1 in {odds / unit:,.0f}{name}"
    return f"1 in {odds:,.0f}"


def series_name(series: str) -> str:
    """
    >>> [series_name(s) for s in ("requests", "prompt_tokens", "throttled")]
    ['requests', 'input tokens', 'throttled requests']
    """
    return _SERIES.get(series, series)


def since(hours: float) -> str:
    """
    >>> [since(h) for h in (0.0, 0.2, 1.0, 5.4)]
    ['just now', '12 minutes ago', '60 minutes ago', '5 hours ago']
    """
    if hours < 1 / 60:
        return "just now"
    if hours < 1.5:
        minutes = round(hours * 60)
        return f"{minutes} minute{'s' if minutes != 1 else ''} ago"
    return f"{round(hours)} hours ago"
