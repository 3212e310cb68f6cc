"""The page `/health`: is the watcher itself well, and if not, what is off, since when, what to do.

Stands beside the first page's strip "can you trust this page?": that one tells the last minutes in
figures, this one holds every part to its limit. What makes the first page withhold its all clear is
off here as well. The store is asked with a time limit; without it the page still comes.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from dashboards.live.checks import Check, State, checklist, named, ordered
from dashboards.live.health_partitions import other_partitions
from dashboards.live.health_people import budget, channels
from dashboards.live.health_store import gaps_of, store_check, stored_checks
from dashboards.live.health_worker import own_checks, quiet_so_far
from dashboards.live.html import Child, Html, tag
from dashboards.live.lanes import lanes, partitions_table
from dashboards.live.model import Status
from dashboards.live.parts import Rendered, card, facts, live_line
from dashboards.live.read import Reader
from dashboards.live.stored import Stored, read_stored
from dashboards.live.when import clock
from dashboards.live.words import number_word, verdict

__all__ = ["checks_of", "headline", "health_page"]

#: Distributions whose versions are told: ours, and what the stream and the store stand on.
_PARTS: Final = (
    ("Usage Pulse", "usage-pulse"),
    ("Faust", "faust-streaming"),
    ("aiokafka", "aiokafka"),
)


async def health_page(status: Status, reader: Reader) -> Rendered:
    """The page's own part; it comes whether or not the store answers."""
    stored = await read_stored(status, reader)
    checks, gaps = checks_of(status, stored), gaps_of(status, stored)
    said = headline(status, checks)
    pieces = {
        "live": live_line(status),
        "headline": tag("h1", said, id="headline"),
        "detail": _detail(status, checks),
        "checks": card("What was checked, what is off first", checklist(checks), key="checks"),
        "day": lanes(status, stored, gaps),
        "partitions": partitions_table(status, stored, gaps),
        "runs": _runs(status, stored),
    }
    off = sum(check.state == "off" for check in checks)
    title = f"({off} off) Health · Usage Pulse" if off else "Health · Usage Pulse"
    return Rendered(tag("div", *pieces.values(), id="view"), title, pieces)


def checks_of(status: Status, stored: Stored) -> list[Check]:
    """Every check; the store first, for without it the others know little."""
    return [
        store_check(status, stored),
        *own_checks(status),
        *other_partitions(status, stored),
        *stored_checks(status, stored),
        *channels(stored),
        budget(stored),
    ]


def headline(status: Status, checks: Sequence[Check]) -> str:
    """What a colleague would say aloud: the first thing that is off, or that nothing is."""
    first = ordered(checks)[0]
    if first.state == "off":
        return first.said
    if first.state == "watch":
        return f"Nothing is off; to watch: {named(checks, 'watch')}."
    if quiet_so_far(status):
        return verdict(status).heading
    if first.state == "unknown":
        number = sum(check.state == "unknown" for check in checks)
        return f"Nothing is off; {number_word(number)} check{'s' * (number > 1)} without an answer."
    return "All is well."


def _detail(status: Status, checks: Sequence[Check]) -> Html:
    """Names without numbers, so that a screen reader speaks when a state changes, not a figure."""
    told: list[tuple[str, State]] = [
        ("Off", "off"),
        ("To watch", "watch"),
        ("Not known", "unknown"),
    ]
    parts = [f"{words}: {names}." for words, found in told if (names := named(checks, found))]
    said = verdict(status)
    off = any(check.state == "off" for check in checks)
    pulse = "Pulse says" if off else "Pulse can be trusted"
    link = tag("a", pulse if said.trusted else "Pulse withholds its all clear", href="/")
    sentence: list[Child] = [" ".join(parts), " ", link, f": “{said.heading}”"]
    kind = "detail doubt" if off or not said.trusted else "detail"
    return tag("p", sentence, class_=kind, id="detail", aria_live="polite")


def _runs(status: Status, stored: Stored) -> Html:
    """What this worker is."""
    ruling = status.get("policy")
    pairs: list[tuple[str, Child]] = [
        ("Mode", status["mode"]),
        ("Started", clock(status["started"], seconds=True, date=True)),
        *((name, found) for name, found in _versions()),
        ("Python", platform.python_version()),
        ("ClickHouse", stored.version or "not known while it does not answer"),
        ("Policy", tag("bdi", ruling["version"]) if ruling and ruling["version"] else "not known"),
    ]
    machines = tag(
        "p",
        "For machines: ",
        [[tag("a", path, href=path), " "] for path in ("/healthz", "/livez", "/metrics")],
        class_="muted",
    )
    return card("What runs here", facts(pairs), machines, key="runs")


@lru_cache(maxsize=1)  # of installed files
def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for name, distribution in _PARTS:
        try:
            found.append((name, version(distribution)))
        except PackageNotFoundError:  # run from a source tree
            found.append((name, "not installed as a package"))
    return tuple(found)
