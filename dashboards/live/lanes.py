"""The last day of every partition: a strip of cells each, and a table of where each stands.

Between stored rows (`ingest_log`, `pipeline_gaps`), the worker's status and the page `/health`.
Cells are drawn by the server, so the strip needs no script; each lane is told in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dashboards.live.blind import Blind, legend
from dashboards.live.checks import mark
from dashboards.live.health_partitions import age_state, partition_state
from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Status
from dashboards.live.parts import card, table
from dashboards.live.stored import DAY_MS, LANE_MS, Stored
from dashboards.live.when import clock, clock_text, milliseconds
from dashboards.live.words import compact, count, duration
from dashboards.model.thresholds import DELAY_S

__all__ = ["lanes", "partitions_table"]

_MOST: Final = 32
_STATES: Final = ("seen", "slow", "behind")
_LEGEND: Final = (
    ("seen", "stored in time"),
    ("slow", f"{DELAY_S.warning:g} s late or more"),
    ("behind", f"{DELAY_S.alarm:g} s late or more"),
    ("silent", "nothing stored"),
    ("blind", "blind"),
)
_MINUTES: Final = LANE_MS // 60_000


def lanes(status: Status, stored: Stored, gaps: Sequence[Blind]) -> Html:
    """A line a partition: 72 cells of twenty minutes, the last one still running."""
    until = -(-status["now"] // LANE_MS) * LANE_MS
    start = until - DAY_MS
    cells: dict[int, dict[int, str]] = {
        part["partition"]: {} for part in (*status["partitions"], *status.get("rebuilding", []))
    }
    for row in stored.lanes or []:
        at = milliseconds(row["time"]) or 0
        cells.setdefault(int(row["partition"]), {})[at] = _STATES[int(row["state"])]
    for gap in gaps:
        lane = cells.setdefault(gap.partition, {}) if gap.partition >= 0 else {}
        first = max(gap.start, start) // LANE_MS * LANE_MS
        lane |= dict.fromkeys(range(first, min(gap.end, until - 1) + 1, LANE_MS), "blind")
    key, heading = "day", "The last 24 hours, by partition"
    if stored.lanes is None:
        told = "Not known: the store did not say what was stored when."
        return card(heading, tag("p", told, class_="muted doubt"), key=key)
    if not cells:
        told = "Nothing was stored in the last 24 hours. What would stand here: a line a partition."
        return card(heading, tag("p", told, class_="muted empty"), key=key)
    drawn = [
        _lane(number, cells[number], [gap for gap in gaps if gap.partition == number], start, until)
        for number in sorted(cells)[:_MOST]
    ]
    more = len(cells) - _MOST
    middle = start + DAY_MS // 2
    return card(
        heading,
        tag("ul", drawn, class_="lanes"),
        tag("p", [clock(at) for at in (start, middle, until)], class_="axis-times"),
        tag("p", f"and {count(more)} more partitions", class_="muted") if more > 0 else None,
        _legend(),
        legend(gaps, key="health-blind"),
        key=key,
    )


def _lane(
    number: int, cells: Mapping[int, str], gaps: Sequence[Blind], start: int, until: int
) -> Html:
    kinds = [cells.get(at, "silent") for at in range(start, until, LANE_MS)]
    told = [f"{kinds.count(kind)} {words}" for kind, words in _LEGEND if kind in kinds]
    spans = [f"{clock_text(gap.start)} to {clock_text(gap.end)} UTC" for gap in gaps[:3]]
    blind = f"; blind {', '.join(spans)}" if spans else ""
    text = f"Partition {number}: of {len(kinds)} spans of {_MINUTES} minutes, "
    text += f"{', '.join(told)}{blind}."
    strip = tag(
        "div",
        [tag("i", class_=kind) for kind in kinds],
        class_="cells",
        role="img",
        aria_label=text,
    )
    return tag("li", tag("span", number, class_="lane", aria_hidden="true"), strip)


def _legend() -> Html:
    words: list[Child] = [f"A cell is {_MINUTES} minutes, the worst of them counts: "]
    for kind, name in _LEGEND:
        words += [tag("span", tag("i", class_=kind, aria_hidden="true"), name, class_="key"), " "]
    return tag("p", words, class_="muted legend keys-of-cells")


def partitions_table(status: Status, stored: Stored, gaps: Sequence[Blind]) -> Html:
    """Where each partition stands: this worker's from its memory, the others' from the store."""
    rows: dict[int, list[Child]] = {}
    known = {int(row["partition"]): row for row in stored.partitions or []}
    taken = {int(row["partition"]): int(row["taken"]) for row in stored.snapshots or []}
    now = status["now"]
    for part in status["partitions"]:
        number, row = part["partition"], known.pop(part["partition"], None)
        rows[number] = [
            number,
            mark(partition_state(status, part)),
            "this one",
            count(part["lag"]),
            *_reached(status, part["watermark"]),
            count(part["accounts"]),
            f"{compact(part['bytes'])}B" if "bytes" in part else "–",
            _ago(now, taken.get(number)),
            _ago(now, row["last_stored"] if row else None),
            _unseen(gaps, number, now),
        ]
    for number, row in known.items():
        watermark = int(row["watermark"]) or None
        rows[number] = [
            number,
            mark(age_state(status, watermark)),
            tag("bdi", row["reader"] or "another"),
            "–",
            *_reached(status, watermark),
            "–",
            "–",
            _ago(now, taken.get(number)),
            _ago(now, row["last_stored"]),
            _unseen(gaps, number, now),
        ]
    for coming in status.get("rebuilding", []):
        number = coming["partition"]
        reached = _reached(status, None)
        missing: list[Child] = [number, mark("watch"), "this one, rebuilding", "–", *reached]
        rows[number] = [*missing, "–", "–", _ago(now, taken.get(number)), "–", "–"]
    key = "partitions"
    if not rows:
        told = "This worker holds no partition, and the store knows of none in the last 24 hours."
        return card("Partitions", tag("p", told, class_="muted empty"), key=key)
    head = (
        *("Partition", "State", "Worker", "messages behind", "scored up to", "behind the clock"),
        *("accounts", "memory", "snapshot", "last batch", "blind in 24 h"),
    )
    shown = [rows[number] for number in sorted(rows)[: 2 * _MOST]]
    more = len(rows) - len(shown)
    return card(
        "Partitions",
        table(head, shown, text=3),
        tag("p", f"and {count(more)} more", class_="muted") if more > 0 else None,
        key=key,
    )


def _reached(status: Status, watermark: int | None) -> tuple[Child, Child]:
    if not watermark:
        return "–", "–"
    replay = status["mode"] == "replay"
    age = "–" if replay else duration(max(status["now"] - watermark, 0))
    return clock(watermark, seconds=True), age


def _ago(now: int, at: int | None) -> str:
    if not at:
        return "–"
    return f"{duration(now - at)} ago" if now - at >= 1000 else "just now"


def _unseen(gaps: Sequence[Blind], number: int, now: int) -> str:
    """How long a partition was blind; spans that overlap count once."""
    total, reached = 0, now - DAY_MS
    for gap in sorted((one for one in gaps if one.partition == number), key=lambda one: one.start):
        total += max(gap.end - max(gap.start, reached), 0)
        reached = max(reached, gap.end)
    return duration(total) if total else "none"
