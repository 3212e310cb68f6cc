"""The whole platform against what is usual for the hour: a few figures, each with its last hours.

Stands between `fleet_sums.py` and the first page. What is usual is read once an hour: where
nine in ten five-minute spans of the same hour of the day lay on up to 28 days before. A store that
is younger than three such days says so and shows where the last day lay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dashboards.live.chart import Plot, spark
from dashboards.live.fleet_sums import FLAGGED_NOW, FLAGGED_USUAL, NOW, USUAL
from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Row, Status
from dashboards.live.read import Reader
from dashboards.live.series import MINUTE, Point, quantile, runs_outside
from dashboards.live.words import compact, number_word

__all__ = ["Fleet", "Meter", "read_fleet"]

_SPAN: Final = 5 * MINUTE
_HOUR: Final = 60 * MINUTE
_DAY: Final = 24 * _HOUR
_SHOWN: Final = 6 * _HOUR
_DAYS: Final = 28
#: With fewer days behind it an hour of the day is not a usual of its own.
_LEAST_DAYS: Final = 3
#: And with less than an hour before the last one there is no usual at all.
_LEAST_SPANS: Final = 12
#: Spans in a row outside the usual that are news: one in ten lies there by chance. A single one is
#: where it is so many widths of the usual away from it, and this share of its middle.
_RUN: Final = 3
_FAR: Final = 2.0
_FAR_SHARE: Final = 0.1

#: Low, middle and high of what is usual.
Usual = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Figure:
    column: str
    name: str
    share: bool = False
    floor: float = 0.0  # so much above the usual is no news: single requests make it
    flagged: bool = False  # counted among the requests with moderation scores

    def text(self, value: float) -> str:
        if not self.share:
            return f"{compact(round(value, 1) if value < 100 else round(value))} /s"
        percent = value * 100
        return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


_FIGURES: Final = (
    _Figure("requests", "Requests"),
    _Figure("tokens", "Tokens out"),
    _Figure("failed", "Errors and 429s", share=True),
    _Figure("short", "Short outputs", share=True),
    _Figure("medical", "Medical spam", share=True, floor=0.002, flagged=True),
    _Figure("hate", "Hate, harassment", share=True, floor=0.002, flagged=True),
)


@dataclass(frozen=True, slots=True)
class Meter:
    """One figure: its value now, its last hours, and where it usually lies at their times.

    `bands` are spans (epoch ms) with the low and high of their hour; `difference` says how far it
    is outside now, empty where it is not.
    """

    name: str
    value: str
    unit: str
    points: Sequence[Point]
    bands: Sequence[tuple[int, int, float, float]]
    outside: Sequence[tuple[int, int]]
    difference: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """All figures, and in a sentence what they are held against."""

    meters: Sequence[Meter]
    against: str

    def lines(self, blind: Sequence[tuple[int, int]]) -> Html:
        """One figure a line, its words left and its picture right."""
        lines = []
        for meter in self.meters:
            words: list[Child] = [meter.name]
            if meter.difference:
                words += [" ", tag("span", meter.difference, class_="outside")]
            plot = Plot(
                points=meter.points,
                unit=meter.unit,
                label=f"{meter.name} in six hours",
                bands=meter.bands,
                outside=meter.outside,
                blind=blind,
            )
            said = tag("p", tag("strong", meter.value), tag("span", words), class_="pair")
            lines.append(tag("li", said, spark(plot)))
        return tag("ul", lines, class_="meters")


async def read_fleet(status: Status, reader: Reader) -> Fleet | None:
    """The last six hours against the usual; None where no minute of them is stored."""
    end = (status["watermark"] or status["now"]) // MINUTE * MINUTE
    whole = -(-end // _HOUR) * _HOUR
    asked = {
        "end": whole // 1000,
        "start": (whole - (_DAYS + 1) * _DAY) // 1000,
        "until": (whole - _DAY) // 1000,
        "hours": _SHOWN // _HOUR + 1,
    }
    day = {"start": (end - _DAY) // 1000, "end": end // 1000, "until": end // 1000}
    # All change with the minute or the hour they are named by, not before.
    rows, usual, flagged, usually_flagged = await asyncio.gather(
        *(
            reader.ask(sql, given, seldom=True)
            for sql, given in (
                (NOW, day),
                (USUAL, asked),
                (FLAGGED_NOW, day),
                (FLAGGED_USUAL, asked),
            )
        )
    )
    if not _shown(rows, end):
        return None
    meters = [
        meter
        for figure in _FIGURES
        for meter in _meters(
            figure,
            flagged if figure.flagged else rows,
            usually_flagged if figure.flagged else usual,
            whole,
            end,
        )
    ]
    before = [row for row in rows if int(row["at"]) * 1000 <= end - _HOUR]
    return Fleet(meters, _against(usual, before, 0 in _hours(usual)))


def _shown(rows: Sequence[Row], end: int) -> list[Row]:
    return [row for row in rows if int(row["at"]) * 1000 > end - _SHOWN]


def _hours(usual: Sequence[Row]) -> dict[int, Row]:
    return {int(row["hour"]): row for row in usual if int(row["days"]) >= _LEAST_DAYS}


def _meters(
    figure: _Figure, rows: Sequence[Row], usual: Sequence[Row], whole: int, end: int
) -> Sequence[Meter]:
    """The figure, or nothing where nothing of it is stored."""
    shown, hours = _shown(rows, end), _hours(usual)
    if not shown:
        return ()
    if 0 in hours:
        return (_meter(figure, shown, _by_hour(figure, hours, whole, end), "this hour"),)
    before = [row for row in rows if int(row["at"]) * 1000 <= end - _HOUR]
    return (_meter(figure, shown, _last_day(figure, before, end), "the last day"),)


Bands = Sequence[tuple[int, int, Usual]]


def _by_hour(figure: _Figure, hours: Mapping[int, Row], whole: int, end: int) -> Bands:
    found = []
    for hour, row in sorted(hours.items(), reverse=True):
        start = max(whole - (hour + 1) * _HOUR, end - _SHOWN)
        until = min(whole - hour * _HOUR, end)
        low, middle, high = (float(value) for value in row[figure.column])
        if start < until:
            found.append((start, until, (low, middle, high)))
    return found


def _last_day(figure: _Figure, rows: Sequence[Row], end: int) -> Bands:
    if len(rows) < _LEAST_SPANS:
        return []
    values = sorted(float(row[figure.column]) for row in rows)
    low, middle, high = (quantile(values, share) for share in (0.05, 0.5, 0.95))
    return [(end - _SHOWN, end, (low, middle, high))]


def _meter(figure: _Figure, rows: Sequence[Row], bands: Bands, than: str) -> Meter:
    points = [(int(row["at"]) * 1000, float(row[figure.column])) for row in rows]
    scale = 100.0 if figure.share else 1.0
    outside = _outside(points, bands, figure.floor)
    at, value = points[-1]
    usual = _usual_at(bands, at)
    difference = ""
    if usual is not None and any(end == at for _, end in outside):
        difference = _difference(figure, value, usual[1], than)
    return Meter(
        figure.name,
        figure.text(value),
        "per cent" if figure.share else "a second",
        [(at, value * scale) for at, value in points],
        [(start, until, low * scale, high * scale) for start, until, (low, _, high) in bands],
        outside,
        difference,
    )


def _usual_at(bands: Bands, at: int) -> Usual | None:
    """Of the span that ended at `at`."""
    return next((usual for start, until, usual in bands if start < at <= until), None)


def _outside(points: Sequence[Point], bands: Bands, floor: float) -> list[tuple[int, int]]:
    """Spans of points that are news, each held against the usual of its own hour."""
    near, far = list[Point](), list[Point]()
    for at, value in points:
        usual = _usual_at(bands, at)
        beyond = max(usual[0] - value, value - usual[2] - floor, 0.0) if usual else 0.0
        near.append((at, beyond))
        margin = max(_FAR * (usual[2] - usual[0]), _FAR_SHARE * usual[1]) if usual else 0.0
        far.append((at, max(beyond - margin, 0.0)))
    calm = (0.0, 0.0)
    return [*runs_outside(near, calm, least=_RUN), *runs_outside(far, calm, least=1)]


def _difference(figure: _Figure, value: float, middle: float, than: str) -> str:
    if figure.share:
        gap = (value - middle) * 100
        return f"{gap:+.0f} points on {than}" if abs(gap) >= 1 else f"{gap:+.1g} points on {than}"
    if middle <= 0:
        return f"usually none in {than}"
    times = value / middle
    if 0.5 < times < 1.5:
        return f"{(times - 1) * 100:+.0f} % on {than}"
    return f"x{times:.1f} on {than}" if times < 9.95 else f"x{times:,.0f} on {than}"


def _against(usual: Sequence[Row], before: Sequence[Row], by_hour: bool) -> str:
    days = max((int(row["days"]) for row in usual if int(row["hour"]) == 0), default=0)
    if by_hour:
        return f"Pale: nine in ten spans of five minutes at this hour on the last {days} days."
    if len(before) < _LEAST_SPANS:
        return "What is usual is known after two hours."
    hours = round(len(before) * _SPAN / _HOUR)
    known = (
        "No day before" if not days else f"Only {number_word(days)} day{'s' * (days > 1)} before"
    )
    return (
        f"Pale: nine in ten spans of five minutes in the {hours} hours before this one. {known} is "
        f"stored; from {number_word(_LEAST_DAYS)} on each hour is held against itself."
    )
