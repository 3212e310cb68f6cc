"""The on-call page: the sentence first, what needs somebody, the fleet, and can it be trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from dashboards.live.against import blind
from dashboards.live.chart import Plot, chart
from dashboards.live.fleet import Fleet, read_fleet
from dashboards.live.html import Child, Html, tag
from dashboards.live.minutes import minutes_of
from dashboards.live.model import Incident, Row, Status, calls, is_open
from dashboards.live.parts import (
    Rendered,
    account_path,
    card,
    incident_path,
    live_line,
    table,
)
from dashboards.live.read import Reader
from dashboards.live.rows import LEAST, incident_row
from dashboards.live.series import Point, runs_outside, usual
from dashboards.live.shift import pages_this_shift
from dashboards.live.when import clock
from dashboards.live.words import compact, count, duration, number_word, verdict
from dashboards.model.thresholds import DEAD_SHARE
from streams.errors import StoreError

__all__ = ["overview", "title"]

_MOST_OPEN = 20
_MOST_RESOLVED = 5
_MOST_PARTS = 5
_FLEET_STEP = 5
_PATIENCE_S = 0.3
_CELLS = 60


async def overview(status: Status, reader: Reader) -> Rendered:
    """The page's own part; charts of incidents are left out where the store does not answer."""
    going_on = [incident for incident in status["incidents"] if is_open(incident)]
    opened = sorted((one for one in going_on if calls(one)), key=_severity)
    resolved = [incident for incident in status["incidents"] if not is_open(incident)]
    shown, closed = opened[:_MOST_OPEN], resolved[:_MOST_RESOLVED]
    trouble, rows = None, list[Row]()
    usual: Fleet | None = None
    pages: Html | None = None
    try:
        rows, usual, pages = await asyncio.gather(
            minutes_of(reader, status, [*shown, *closed], LEAST),
            _fleet_in_time(status, reader),
            pages_this_shift(status, reader),
        )
    except StoreError as error:
        trouble = str(error)
    said = verdict(status)
    kind = "detail" if said.trusted else "detail doubt"
    more = len(opened) - len(shown)
    by_account = {incident["account_id"]: incident for incident in reversed(going_on)}
    pieces = {
        "live": live_line(status, pages),
        "headline": tag("h1", said.heading, id="headline", aria_live="polite"),
        "detail": tag("p", said.detail, class_=kind, id="detail"),
        "incidents": _incidents(status, shown, more, closed, rows, trouble),
        "fleet": _fleet(status, usual),
        "hottest": _hottest(status, by_account),
        "trust": _trust(status),
    }
    left = tag("div", pieces["incidents"], pieces["hottest"])
    columns = tag("div", left, pieces["fleet"], class_="columns")
    top = [pieces["live"], pieces["headline"], pieces["detail"]]
    whole = tag("div", top, columns, pieces["trust"], id="view")
    return Rendered(whole, title(status), pieces)


async def _fleet_in_time(status: Status, reader: Reader) -> Fleet | None:
    """What needs somebody does not wait for a month of minutes: they follow with an update."""
    try:
        return await asyncio.wait_for(read_fleet(status, reader), _PATIENCE_S)
    except TimeoutError:
        return Fleet([], "What is usual for this hour is being read.")


def title(status: Status) -> str:
    """The tab's title: the number of open incidents can be read without looking at the page."""
    number = sum(1 for incident in status["incidents"] if calls(incident))
    return f"({number}) Usage Pulse" if number else "Usage Pulse"


def _row(status: Status, incident: Incident, rows: Sequence[Row]) -> Html:
    return incident_row(status, incident, rows, _parts(status, incident))


def _severity(incident: Incident) -> int:
    """The worst first; the newest of equals, as they come."""
    return {"high": 0, "medium": 1}.get(incident["severity"], 2)


def _parts(status: Status, whole: Incident) -> Html | None:
    """What the members of a cluster do on their own: a line with links."""
    parts = [one for one in status["incidents"] if one.get("part_of") == whole["incident_id"]]
    if not parts:
        return None
    links: list[Child] = []
    for one in parts[:_MOST_PARTS]:
        path = incident_path(one["incident_id"])
        links += [", " if links else " ", tag("a", one["account_id"], href=path)]
    many = "have incidents of their own" if len(parts) > 1 else "has an incident of its own"
    who = f"{number_word(len(parts)).capitalize()} of its members {many}:"
    more = len(parts) - _MOST_PARTS
    return tag("p", who, links, f" and {count(more)} more" if more > 0 else None, class_="muted")


def _incidents(
    status: Status,
    opened: Sequence[Incident],
    more: int,
    resolved: Sequence[Incident],
    rows: Sequence[Row],
    trouble: str | None,
) -> Html:
    parts: list[Child] = []
    if trouble:
        parts.append(tag("p", "Charts are missing: " + trouble, class_="muted"))
    if opened:
        parts.append(tag("ol", [_row(status, one, rows) for one in opened], class_="incidents"))
    else:
        would = (
            "Nothing is open. What would stand here: an account's own sentence, such as “acct-0417 "
            "sent 1,240 requests in 5 minutes; its highest so far was 96”, how likely that is by "
            "chance, since when, and its chart against what is usual for it."
        )
        parts.append(tag("p", would, class_="muted empty"))
    if more > 0:
        parts.append(tag("p", f"and {count(more)} more", class_="muted"))
    if resolved:
        parts.append(tag("h3", "Resolved lately"))
        parts.append(
            tag("ol", [_row(status, one, rows) for one in resolved], class_="incidents done")
        )
    return card("Open incidents", *parts, key="incidents")


def _fleet(status: Status, fleet: Fleet | None) -> Html:
    points = _rates(status)
    band = usual(points)
    plot = Plot(
        points=points,
        unit="events a second",
        label="Events a second over the last ten minutes",
        band=band,
        outside=runs_outside(points, band) if band else (),
        blind=blind(status),
    )
    lines: list[Child] = []
    if fleet is not None:
        lines = [
            fleet.lines(blind(status)),
            tag("p", fleet.against, class_="muted legend"),
        ]
    accounts, stored = compact(status["accounts"]), compact(status["stored"])
    return card(
        "Fleet, against what is usual for this hour",
        lines,
        tag("p", tag("strong", compact(status["rate"])), " events a second now", class_="figure"),
        chart(plot, key="fleet", height=120, seconds=True),
        tag(
            "div",
            tag("p", tag("strong", accounts), tag("span", "accounts known"), class_="pair"),
            tag("p", tag("strong", stored), tag("span", "events stored"), class_="pair"),
            class_="pairs",
        ),
        key="fleet",
    )


def _rates(status: Status) -> list[Point]:
    """Events a second in steps of five seconds; seconds without a row had no event."""
    known = {int(at) // 1000: float(events) for at, events in status["rates"]}
    step = _FLEET_STEP
    # The running step is left out: it would pretend a fall.
    last = status["now"] // 1000 // step * step
    first = max(last - 600, -(-status["started"] // 1000 // step) * step, min(known, default=last))
    return [
        ((at + step) * 1000, sum(known.get(second, 0.0) for second in range(at, at + step)) / step)
        for at in range(first // step * step, last, step)
    ]


def _hottest(status: Status, incidents: Mapping[str, Incident]) -> Html:
    rows: list[list[Child]] = []
    for hot in status["hottest"][:15]:
        name = tag("a", tag("bdi", hot["account_id"]), href=account_path(hot["account_id"]))
        incident = incidents.get(hot["account_id"])
        mark: Child = None
        if incident:
            path = incident_path(incident["incident_id"])
            mark = [" ", tag("a", "incident", href=path, class_="outside")]
        usually = "warming up" if hot["usual_5m"] is None else count(hot["usual_5m"])
        now = tag("span", count(hot["requests_5m"]), class_="outside" if incident else None)
        rows.append(
            [[name, mark], count(hot["requests_1m"]), now, usually, compact(hot["tokens_5m"])]
        )
    if not rows:
        empty = tag("p", "No account has sent anything in the last minutes.", class_="muted empty")
        return card("Hottest accounts", empty, key="hottest")
    head = ("Account", "1 minute", "5 minutes", "usual in 5 minutes", "tokens in 5 minutes")
    return card("Hottest accounts, by requests", table(head, rows), key="hottest")


def _trust(status: Status) -> Html:
    seen = status["stored"] + status["duplicates"] + status["dead"]
    share = status["dead"] / seen * 100 if seen else 0.0
    delay, alert = status["delay_ms"], status["alert_ms"]
    store, broker = status["store"], status["broker"]
    write = "not yet" if store["write_ms"] is None else duration(store["write_ms"])
    late = f"{count(status['late'])} / {count(status['too_late'])}"
    figures = [
        (duration(delay["p99"]) if delay else "–", "event to stored, p99", False),
        (duration(alert["p99"]) if alert else "none yet", "tick to alert, p99", False),
        (count(status["lag"]), "messages behind", False),
        (
            f"{count(status['dead'])} ({share:.1g} %)",
            "dead letters",
            share > DEAD_SHARE.warning * 100,
        ),
        (count(status["duplicates"]), "duplicates, counted once", False),
        (late, "late / too late to count", status["too_late"] > 0),
        (write if store["ok"] else "failing", "store write", not store["ok"]),
        ("answers" if broker["ok"] else "failing", "broker", not broker["ok"]),
    ]
    strip = [
        tag(
            "p",
            tag("strong", value, class_="outside" if bad else None),
            tag("span", name),
            class_="pair",
        )
        for value, name, bad in figures
    ]
    gaps = [tag("li", clock(gap["started_at"]), " ", gap["sentence"]) for gap in status["gaps"][:5]]
    return card(
        "Can you trust this page? Last ten minutes of the pipeline",
        tag("div", strip, class_="strip"),
        _cells(status),
        tag("ul", gaps, class_="gaps") if gaps else None,
        _partitions(status),
        tag("p", tag("a", "Every check, with its limit", href="/health"), class_="elsewhere"),
        key="trust",
    )


def _cells(status: Status) -> Html:
    """Sixty spans of ten seconds: seen, silent, or blind."""
    step = 10_000
    end = status["now"] // step * step
    busy = {int(at) // step for at, events in status["rates"] if events > 0}
    cells, seen, hidden = [], 0, 0
    for index in range(_CELLS):
        start = end - (_CELLS - index) * step
        unseen = any(a < start + step and b > start for a, b in blind(status))
        kind = "blind" if unseen else "seen" if start // step in busy else "silent"
        seen, hidden = seen + (kind == "seen"), hidden + unseen
        cells.append(tag("i", class_=kind))
    text = f"Of the last 60 spans of ten seconds, {seen} saw events and {hidden} were blind."
    legend = tag("p", "green: events stored; empty: none; hatched: blind", class_="muted legend")
    return tag("div", tag("div", cells, class_="cells", role="img", aria_label=text), legend)


def _partitions(status: Status) -> Html:
    rows: list[list[Child]] = [
        [
            part["partition"],
            count(part["lag"]),
            count(part["next_offset"]),
            count(part["accounts"]),
            clock(part["watermark"] or None, seconds=True),
        ]
        for part in status["partitions"]
    ]
    head = ("Partition", "messages behind", "next offset", "accounts", "scored up to")
    summary = f"{len(rows)} partition" + ("" if len(rows) == 1 else "s")
    body = table(head, rows) if rows else tag("p", "This worker holds none.", class_="muted")
    return tag("details", tag("summary", summary), body, id="partitions")
