"""Numbers as a colleague would say them, and the sentence that heads the page.

Stands between the status of a worker and everything a person reads: the page and the terminal say
the same thing because both take their words from here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from dashboards.live.model import Gap, Status, calls

__all__ = [
    "Verdict",
    "behind",
    "chance",
    "compact",
    "count",
    "doubts",
    "duration",
    "faults",
    "headline",
    "number_word",
    "recent_gaps",
    "size",
    "verdict",
    "window",
]

#: Event time may lag this far behind the clock before "all clear" is withheld (live modes only).
BEHIND_MS = 60_000
#: A span without sight keeps "all clear" away for as long as the hottest windows can reach into it.
GAP_MEMORY_MS = 60 * 60_000

_NUMBERS = (
    *("no", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_SCALES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
#: How a finding's sentence ends: how rare that is by its own detector, and who else saw something.
_ODDS = re.compile(r"; [^;]*account-hours like it show as much(; also [^;]*)?$")
#: Below this a p-value tells about the model's tail, not about the world.
_SMALLEST_CHANCE = 1e-9


def count(value: float) -> str:
    """1240 -> 1,240; fractions keep one digit, and what is not a number is a dash."""
    if not math.isfinite(value):
        return "–"
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}"


def size(value: float) -> str:
    """`count`, but what is neither nothing nor a tenth is not called 0.0."""
    return "under 0.1" if 0 < value < 0.1 else count(value)


def headline(sentence: str) -> str:
    """What happened, without how rare the detector finds it: that stands in the line below.

    >>> headline("a sent 9 requests; its highest was 2; 1 in 30 account-hours like it show as much")
    'a sent 9 requests; its highest was 2'
    """
    found = _ODDS.search(sentence)
    return sentence[: found.start()] if found else sentence


def number_word(number: int) -> str:
    """Two, twelve, 13, 1,240: as it stands in a sentence."""
    return _NUMBERS[number] if number < len(_NUMBERS) else count(number)


def compact(value: float) -> str:
    """412345 -> 412k, 1900000 -> 1.9M; below 10,000 every digit."""
    if not math.isfinite(value) or abs(value) < 10_000:
        return count(value)
    for scale, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * scale:
            short = value / scale
            return f"{short:.1f}{letter}" if abs(short) < 9.95 else f"{short:.0f}{letter}"
    return count(value)


def duration(milliseconds: float | None) -> str:
    """A span in the largest unit that keeps it readable: 18 ms, 0.9 s, 12 min, 3 h, 4 days."""
    if milliseconds is None or not math.isfinite(milliseconds):
        return "–"
    size = abs(milliseconds)
    if size < 100:
        return f"{milliseconds:.0f} ms"
    if size < 9_950:
        return f"{milliseconds / 1000:.1f} s"
    if size < 120_000:
        return f"{milliseconds / 1000:.0f} s"
    if size < 7_200_000:
        return f"{milliseconds / 60_000:.0f} min"
    if size < 172_800_000:
        return f"{milliseconds / 3_600_000:.0f} h"
    return f"{milliseconds / 86_400_000:.0f} days"


def window(seconds: float) -> str:
    """The name of a window: 1 minute, 5 minutes, 1 hour, 24 hours."""
    for size, name in ((3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            number = int(seconds // size)
            return f"{number} {name}" + ("" if number == 1 else "s")
    return f"{count(seconds)} seconds"


def chance(p_value: float) -> str:
    """A p-value as odds: 1.1e-5 -> "1 in 90,000"."""
    if not math.isfinite(p_value) or p_value < 0:
        return "chance unknown"
    if p_value < _SMALLEST_CHANCE:
        return "less than 1 in a billion"
    odds = 1 / p_value
    if odds < 1.5:
        return "nothing unusual"
    # One digit: how far out in the tail a model sees is not known better than that.
    odds = round(odds, -math.floor(math.log10(odds)))
    for scale, name in _SCALES:
        if odds >= scale:
            return f"1 in {odds / scale:.0f} {name}"
    return f"1 in {odds:,.0f}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The heading of the page, the line below it, and whether an all clear can be believed."""

    heading: str
    detail: str
    trusted: bool


def verdict(status: Status) -> Verdict:
    """What to say first. "All clear." only where the pipeline saw everything in time."""
    found = doubts(status)
    number = sum(1 for incident in status["incidents"] if calls(incident))
    watching = f"Watching {count(status['accounts'])} account" + _plural(status["accounts"])
    if number:
        word = number_word(number).capitalize()
        needs = "incident needs" if number == 1 else "incidents need"
        return Verdict(f"{word} {needs} you.", _sentences(watching, *found), not found)
    if found:
        return Verdict("Quiet, but not all clear.", _sentences(*found, watching), False)
    if not status["stored"] and not status["accounts"]:
        return Verdict("Waiting for the first events.", _FIRST, False)
    return Verdict("All clear.", _sentences(watching, _WOULD_APPEAR), True)


_FIRST = "Broker and store answer; nothing has arrived on the topic of events yet."
_WOULD_APPEAR = "An account that leaves its own usual range appears here within seconds"


def faults(status: Status) -> list[str]:
    """Why this worker cannot do its work now; empty when it can."""
    found = []
    if not status["store"]["ok"]:
        found.append(status["store"]["sentence"] or "The store does not answer")
    if not status["broker"]["ok"]:
        found.append(status["broker"]["sentence"] or "The broker does not answer")
    return found


def behind(status: Status) -> int:
    """How far (ms) scoring is behind the clock where that is too far; 0 where it keeps up.

    A replay has no clock to be behind of.
    """
    watermark = status["watermark"]
    if watermark is None or status["mode"] == "replay":
        return 0
    late = status["now"] - watermark
    return late if late > BEHIND_MS else 0


def doubts(status: Status) -> list[str]:
    """Why an all clear is withheld; empty where it can be believed."""
    found = faults(status)
    if late := behind(status):
        found.append(f"Scoring is {duration(late)} behind: what happened since is not judged yet")
    return found + [gap["sentence"] for gap in recent_gaps(status)]


def recent_gaps(status: Status) -> list[Gap]:
    """Spans without sight that the hottest windows still reach into."""
    reference = (status["watermark"] if status["mode"] == "replay" else None) or status["now"]
    return [
        gap
        for gap in status["gaps"]
        if gap["ended_at"] is None or reference - gap["ended_at"] < GAP_MEMORY_MS
    ]


def _sentences(*parts: str) -> str:
    return " ".join(part if part.endswith((".", "!", "?")) else part + "." for part in parts)


def _plural(number: float) -> str:
    return "" if number == 1 else "s"
