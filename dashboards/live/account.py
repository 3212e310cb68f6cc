"""The page of one account: its last day against its usual range, windows, incidents, findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from dashboards.live.against import blind
from dashboards.live.chart import Plot, chart
from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Incident, Row, Status, is_open
from dashboards.live.parts import (
    card,
    incident_path,
    level,
    live_line,
    metric_name,
    named,
    state_line,
    table,
)
from dashboards.live.read import Reader
from dashboards.live.series import MINUTE, Point, metric_of, usual, window_sums
from dashboards.live.when import clock
from dashboards.live.words import chance, compact, count, headline, window

__all__ = ["account_page"]

_DAY = 24 * 60 * MINUTE
_WINDOWS = (60, 300, 3600, 86_400)


async def account_page(account_id: str, status: Status, reader: Reader) -> Html | None:
    """The page's own part, or None for an account nobody has seen."""
    latest = await reader.latest_minute(account_id)
    if latest is None:
        return None
    # The day ends with the stream, not with the account: silence since its last minute is news.
    now = max(status["watermark"] or latest, latest) // MINUTE * MINUTE + MINUTE
    rows = await reader.minutes(account_id, now - 2 * _DAY, now)
    incidents = [cast(Incident, row) for row in await reader.incidents_of(account_id)]
    findings = await reader.findings_of(account_id)
    return tag(
        "div",
        live_line(status),
        tag("h1", _sentence(account_id, rows, incidents, now), id="headline"),
        tag("p", _quiet(latest, now), class_="detail"),
        _timeline("requests", rows, incidents, now, status),
        _timeline("tokens", rows, incidents, now, status),
        tag("div", _windows(rows, now), _incidents(incidents), class_="columns"),
        _findings(findings),
        id="view",
    )


def _sentence(
    account_id: str, rows: Sequence[Row], incidents: Sequence[Incident], now: int
) -> Html:
    opened = [incident for incident in incidents if is_open(incident)]
    if opened:
        return named(headline(opened[0]["sentence"]), account_id)
    requests = sum(float(row["requests"]) for row in rows if row["at"] >= now - _DAY)
    unit = "request" if requests == 1 else "requests"
    return named(f"{account_id} sent {count(requests)} {unit} in 24 hours", account_id)


def _quiet(latest: int, now: int) -> list[Child]:
    silent = now - latest - MINUTE
    if silent < 2 * MINUTE:
        return ["Active now."]
    return ["Silent since ", clock(latest + MINUTE, date=silent > _DAY), "."]


def _minutes(rows: Sequence[Row], metric: str) -> list[Point]:
    return [(int(row["at"]), metric_of(row, metric)) for row in rows]


def _timeline(
    metric: str, rows: Sequence[Row], incidents: Sequence[Incident], now: int, status: Status
) -> Html:
    """Five-minute sums of a day, its band from the day before where there is one."""
    start = now - _DAY
    minutes = _minutes(rows, metric)
    points = window_sums(minutes, start, now, 300, status["watermark"])[::-5][::-1]
    known = [at for at, _ in minutes]
    before = start - _DAY if known and known[0] < start - _DAY // 2 else start
    spans = [(o["started_at"], o["last_seen_at"] + MINUTE) for o in incidents]
    outside = [(max(a, start), b) for a, b in spans if b > start]
    calm_end = start if before < start else now
    calm = [
        point
        for point in window_sums(minutes, before, calm_end, 300)
        if not any(a <= point[0] <= b for a, b in spans) and point[0] >= (known or [0])[0]
    ]
    plot = Plot(
        points=points,
        unit=f"{metric} in 5 minutes",
        label=f"{metric.capitalize()} in 5 minutes over 24 hours",
        band=usual(calm),
        outside=outside,
        blind=blind(status),
    )
    heading = f"{metric.capitalize()} in 5 minutes, last 24 hours against its usual range"
    return card(heading, chart(plot, key=metric, height=170), key=f"timeline-{metric}")


def _windows(rows: Sequence[Row], now: int) -> Html:
    lines: list[list[Child]] = []
    for window_s in _WINDOWS:
        since = now - window_s * 1000
        inside = [row for row in rows if row["at"] >= since]
        requests = sum(float(row["requests"]) for row in inside)
        tokens = sum(metric_of(row, "tokens") for row in inside)
        errors = sum(float(row["errors"]) for row in inside)
        highest: Child = "–"
        if window_s < 86_400 and rows:
            earlier = window_sums(_minutes(rows, "requests"), now - _DAY, since, window_s)
            highest = count(max((value for _, value in earlier), default=0.0))
        lines.append([window(window_s), count(requests), highest, compact(tokens), count(errors)])
    head = ("Last", "requests", "highest before, 24 h", "tokens", "errors")
    return card("Windows", table(head, lines), key="windows")


def _incidents(incidents: Sequence[Incident]) -> Html:
    if not incidents:
        return card("Incidents", tag("p", "It never had one.", class_="muted"), key="incidents")
    items = [
        tag(
            "li",
            tag(
                "div",
                tag(
                    "h3",
                    tag(
                        "a",
                        named(headline(one["sentence"]), one["account_id"]),
                        href=incident_path(one["incident_id"]),
                    ),
                ),
                state_line(one),
            ),
            class_=f"incident {level(one['severity']) if is_open(one) else 'low'}",
        )
        for one in incidents
    ]
    return card("Incidents", tag("ol", items, class_="incidents"), key="incidents")


def _findings(findings: Sequence[Row]) -> Html | None:
    if not findings:
        return None
    rows: list[list[Child]] = [
        [
            clock(finding["window_end"], seconds=True, date=True),
            finding["detector"] + (f", no alert: {finding['held']}" if finding["held"] else ""),
            metric_name(finding["metric"], finding["window_s"]),
            count(finding["observed"]),
            count(finding["expected"]),
            count(finding["threshold"]),
            chance(float(finding["p_value"])),
        ]
        for finding in findings[:30]
    ]
    head = ("At", "Detector", "Counted", "observed", "usual", "silent below", "by chance")
    return card("Findings", table(head, rows, text=3), key="findings")
