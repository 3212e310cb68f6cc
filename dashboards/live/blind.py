"""Spans in which the pipeline did not see: hatched in every chart over time, and said in words.

Stands between the table of gaps and the pages: charts take the spans, people read the sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dashboards.live.html import Child, Html, tag
from dashboards.live.read import Reader
from dashboards.live.when import clock, clock_text

__all__ = ["Blind", "blind_spans", "hatched", "legend", "spoken"]

_NAMED: Final = 4
_GAPS: Final = """
SELECT g.kafka_partition AS partition, toUnixTimestamp64Milli(g.started_at) AS started_at,
    toUnixTimestamp64Milli(g.ended_at) AS ended_at
FROM pipeline_gaps AS g FINAL
WHERE g.ended_at >= fromUnixTimestamp64Milli({start}, 'UTC')
    AND g.started_at <= fromUnixTimestamp64Milli({end}, 'UTC')
ORDER BY started_at, partition
LIMIT 200"""


@dataclass(frozen=True, slots=True)
class Blind:
    """One span (epoch ms) of one partition that was not seen, or not in time."""

    partition: int
    start: int
    end: int


async def blind_spans(reader: Reader, start: int, end: int) -> list[Blind]:
    """Those that reach into what is looked at (epoch ms), in order."""
    rows = await reader.ask(_GAPS, {"start": start, "end": end})
    return [
        Blind(int(row["partition"]), int(row["started_at"]), int(row["ended_at"])) for row in rows
    ]


def hatched(spans: Sequence[Blind], start: int, end: int) -> list[list[int]]:
    """What a chart from `start` to `end` hatches: joined, cut at its ends, and never too thin to
    be seen."""
    thin = max((end - start) // 150, 1)
    joined: list[list[int]] = []
    for one in sorted(spans, key=lambda span: span.start):
        left, right = max(one.start, start), min(max(one.end, one.start + thin), end)
        left = min(left, right - thin)  # a gap at the very end
        if joined and left <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], right)
        else:
            joined.append([left, right])
    return joined


def legend(spans: Sequence[Blind], *, key: str = "blind") -> Html:
    """The line above the charts; hidden where everything was seen."""
    parts: list[Child] = []
    for place, one in enumerate(spans[:_NAMED]):
        parts += ["; " if place else "", *_told(one)]
    if len(spans) > _NAMED:
        parts.append(f"; and {len(spans) - _NAMED} more")
    said: list[Child] = []
    if spans:
        mark = tag("i", class_="hatching", aria_hidden="true")
        said = [mark, " Blind ", parts, ": nothing there counts as all clear."]
    return tag("p", said, class_="muted blindness", id=key, hidden=not spans)


def spoken(spans: Sequence[Blind]) -> str:
    """The same for those who do not see a chart: times in UTC."""
    told = [
        f"{clock_text(one.start)} to {clock_text(one.end)} UTC on partition {one.partition}"
        for one in spans[:_NAMED]
    ]
    more = f" and {len(spans) - _NAMED} more" if len(spans) > _NAMED else ""
    return f"Blind {'; '.join(told)}{more}." if told else ""


def _told(one: Blind) -> list[Any]:
    return [clock(one.start), " to ", clock(one.end), f" on partition {one.partition}"]
