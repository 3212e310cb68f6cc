"""The page of one incident: sentence, chart, numbers, what happened, the query behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from dashboards.live.against import against_usual, drawn, span
from dashboards.live.chart import chart
from dashboards.live.cluster import cluster_page
from dashboards.live.group import DETECTOR
from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Incident, Row, Status, is_open, speaks
from dashboards.live.parts import (
    account_path,
    card,
    facts,
    kind_name,
    level,
    live_line,
    metric_name,
    named,
    state_line,
    table,
    timeline,
)
from dashboards.live.people import actions, messages, said
from dashboards.live.read import Reader
from dashboards.live.series import MINUTE
from dashboards.live.when import clock
from dashboards.live.words import chance, count, headline, size

__all__ = ["find", "incident_page"]

_LEAST = 90 * MINUTE


async def find(
    incident_id: str, status: Status, reader: Reader
) -> tuple[Incident, Row | None] | None:
    """The incident as the worker holds it and as the store does; a row may follow seconds later."""
    row = await reader.incident(incident_id)
    for incident in status["incidents"]:
        if incident["incident_id"] == incident_id:
            return incident, row
    return (cast(Incident, row), row) if row else None


async def incident_page(
    incident: Incident,
    row: Row | None,
    status: Status,
    reader: Reader,
    *,
    writable: bool = False,
) -> Html:
    """The page's own part; with `writable`, with buttons."""
    people = await reader.people(incident["incident_id"])
    do = actions(incident, row["org_id"] if row else "", people) if writable else None
    if incident["detector"] == DETECTOR:
        cluster = await reader.cluster_of(incident["incident_id"])
        group = await cluster_page(cluster, status, reader, do)
        if group is not None:
            return group.whole
    done = await reader.said(incident["incident_id"])
    told = await reader.told(incident["incident_id"])
    account = incident["account_id"]
    start, end = span(status, incident, _LEAST)
    rows = await reader.minutes(account, start, end)
    gaps = await reader.gaps(row["kafka_partition"], start, end) if row else []
    findings = await reader.findings(incident["incident_id"])
    plot = against_usual(status, incident, rows, _LEAST, gaps)
    heading = f"{metric_name(drawn(incident), incident['window_s'])} against the usual"
    picture = card(
        heading[0].upper() + heading[1:],
        chart(plot, key="incident", height=280),
        tag("p", _CAPTION, class_="muted"),
        key="picture",
    )
    left = tag("div", picture, _numbers(incident, row), _query(incident, findings))
    right = tag(
        "div",
        _happened(incident, row, findings),
        said(done, people),
        messages(told),
        _seen_by(findings),
        _drivers(findings),
        _listed(findings),
    )
    return tag(
        "div",
        live_line(status),
        tag("h1", named(headline(incident["sentence"]), account), id="headline"),
        tag("div", state_line(incident), class_=f"incident {level(incident['severity'])} detail"),
        tag(
            "p",
            tag("a", "Account ", tag("bdi", account), href=account_path(account), class_="button"),
            " ",
            tag("a", "All incidents", href="/incidents", class_="button"),
            class_="actions",
        ),
        do,
        tag("div", left, right, class_="columns"),
        id="view",
    )


_CAPTION = (
    "Sums over whole minutes; the detector looks every few seconds and can see a little more. "
    "Pale: what held for nine in ten moments before. Dashed: the value below which nothing would "
    "have happened."
)


#: In place of a threshold that is no amount to hold against what was seen.
_ANY = "not a matter of the amount"


def _numbers(incident: Incident, row: Row | None) -> Html:
    pairs: list[tuple[str, Child]] = [
        ("Observed, at its peak", count(incident["observed"])),
        ("Kind", kind_name(incident["kind"])),
        ("Usual", size(incident["expected"])),
        ("Silent below", size(incident["threshold"]) if speaks(incident) else _ANY),
        ("What was counted", metric_name(incident["metric"], incident["window_s"])),
        ("By chance", f"{chance(incident['p_value'])} (p = {incident['p_value']:.2g})"),
        ("First window", clock(incident["started_at"], seconds=True, date=True)),
        ("Last seen", clock(incident["last_seen_at"], seconds=True, date=True)),
    ]
    if row:
        pairs.append(("Findings", count(row["findings"])))
        if row["org_id"]:
            pairs.append(("Organisation", tag("bdi", row["org_id"])))
        pairs.append(("Policy", row["policy_version"]))
        pairs.append(("Partition", row["kafka_partition"]))
    pairs.append(("Incident", tag("code", incident["incident_id"])))
    return card("The numbers", facts(pairs), key="numbers")


def _happened(incident: Incident, row: Row | None, findings: Sequence[Row]) -> Html:
    steps: list[tuple[int, str]] = []
    if findings:
        first, peak = findings[-1], _peak(incident, findings)
        steps.append((first["window_end"], "Opened: " + _figure(first)))
        if peak is not first:
            steps.append((peak["window_end"], "Highest: " + _figure(peak)))
    else:
        steps.append((incident["started_at"], "First window of the incident"))
    if row and row["reopened"]:
        steps.append((incident["last_seen_at"], f"Reopened {count(row['reopened'])} times so far"))
    if is_open(incident):
        steps.append((incident["last_seen_at"], f"Last seen; {incident['state']}"))
    else:
        ended = row["resolved_at"] if row and row["resolved_at"] else incident["last_seen_at"]
        steps.append((ended, "Resolved: nothing unusual for long enough"))
    told = timeline(sorted(steps, key=lambda step: step[0]))
    return card("What happened", told, key="happened")


def _peak(incident: Incident, findings: Sequence[Row]) -> Row:
    """The finding that counted most of what the incident is about; tokens are no requests."""
    about = (incident["metric"], incident["window_s"])
    same = [one for one in findings if (one["metric"], one["window_s"]) == about]
    return max(same or findings, key=lambda finding: float(finding["observed"]))


def _figure(finding: Row) -> str:
    return f"{count(finding['observed'])} {metric_name(finding['metric'], finding['window_s'])}"


def _strongest(findings: Sequence[Row]) -> Row:
    return min(findings, key=lambda finding: float(finding["p_value"]))


def _seen_by(findings: Sequence[Row]) -> Html | None:
    """What each detector made of the strongest finding."""
    parts = json.loads(_strongest(findings)["parts"] or "{}") if findings else {}
    if not parts:
        return None
    pairs = [(kind_name(name), chance(float(p))) for name, p in parts.items()]
    return card("Who saw it", facts(pairs), key="seen")


def _drivers(findings: Sequence[Row]) -> Html | None:
    """The numbers that made the score of the strongest finding."""
    if not findings:
        return None
    strongest = _strongest(findings)
    numbers = json.loads(strongest["drivers"] or "{}")
    if not numbers:
        return None
    pairs = [(str(name).replace("_", " "), _number(value)) for name, value in numbers.items()]
    return card("What drove it", facts(pairs), key="drivers")


def _number(value: object) -> str:
    if not isinstance(value, int | float):
        return "–"
    return count(value) if value == 0 or abs(value) >= 0.1 else f"{value:.2g}"


def _listed(findings: Sequence[Row]) -> Html:
    if not findings:
        wait = "No finding is stored for it yet; rows follow within seconds."
        return card("Findings", tag("p", wait, class_="muted"), key="findings")
    rows: list[list[Child]] = [
        [
            clock(finding["window_end"], seconds=True),
            finding["detector"],
            _figure(finding),
            chance(float(finding["p_value"])),
        ]
        for finding in findings[:20]
    ]
    note = None
    if len(findings) > len(rows):
        note = tag("p", f"The last {len(rows)} of {count(len(findings))}.", class_="muted")
    head = ("At", "Detector", "Observed", "By chance")
    return card("Findings", table(head, rows, text=3), note, key="findings")


def _query(incident: Incident, findings: Sequence[Row]) -> Html | None:
    if not findings:
        return None
    peak = _peak(incident, findings)
    returns: list[Child] = [
        f"Returns {count(peak['observed'])}: the finding of ",
        clock(peak["window_end"], seconds=True),
        ". Run it with pulse sql.",
    ]
    return card(
        "The query behind these numbers",
        tag("pre", tag("code", peak["sql"]), tabindex=0, id="sql"),
        tag("p", returns, class_="muted"),
        tag("button", "Copy query", type="button", data_copy="sql", class_="button"),
        key="query",
    )
