"""The page of one group that acts together: who is tied to whom, who acted when, who belongs."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Sequence
from typing import Any, Final

from dashboards.live.blind import Blind, blind_spans, hatched, legend, spoken
from dashboards.live.figures import figure
from dashboards.live.group import happened
from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Row, Status
from dashboards.live.parts import (
    Rendered,
    account_path,
    card,
    incident_path,
    level,
    live_line,
    table,
)
from dashboards.live.read import Reader
from dashboards.live.when import clock
from dashboards.live.words import chance, compact, count
from streams.coordination.picture import placed

__all__ = ["cluster_page", "common"]

_MOST_DRAWN: Final = 150  # members in the pictures
_MOST_TIES: Final = 1200
_MOST_LISTED: Final = 200
_DAY_MS: Final = 86_400_000
_LEAST_MS: Final = 3_600_000  # of the raster, around what happened


async def cluster_page(
    cluster_id: str, status: Status, reader: Reader, do: Html | None = None
) -> Rendered | None:
    """The page's own part, None when there is no such group; `do` are buttons for its incident."""
    cluster = await reader.cluster(cluster_id)
    if cluster is None:
        return None
    members, ties = await asyncio.gather(
        reader.members(cluster_id), reader.ties(cluster_id, _MOST_TIES)
    )
    present = [one for one in members if not one["left_at"]] or list(members)
    names = [one["account_id"] for one in present[:_MOST_DRAWN]]
    end = int(cluster["last_seen_at"])
    start = min(int(cluster["since"]), end - _LEAST_MS)
    start = max(start, end - _DAY_MS)
    partners = _partners(ties)
    acts, gaps, changes, graph = await asyncio.gather(
        reader.acts(names, start, end),
        blind_spans(reader, start, end),
        reader.changes(cluster_id),
        asyncio.to_thread(_graph, present, ties, partners, end),
    )
    shared = common(acts, max(int(cluster["within_s"]), 5) * 1000)
    pieces = {
        "live": live_line(status),
        "graph": graph,
        "raster": _raster(names, acts, shared, gaps, (start, end)),
        "members": _members(members, partners, shared, end),
        "ties-by": _objects(cluster),
        "chance": _numbers(cluster),
    }
    whole = tag(
        "div",
        pieces["live"],
        tag("h1", cluster["sentence"] or f"Cluster {cluster_id}", id="headline"),
        tag("div", _state(cluster), class_=f"incident {level(cluster['severity'])} detail"),
        tag("p", _links(cluster), class_="actions"),
        do,
        tag("div", pieces["graph"], pieces["raster"], class_="halves"),
        tag("div", pieces["members"], class_="wide-card"),
        tag("div", pieces["ties-by"], pieces["chance"], class_="halves"),
        happened(changes),
        _query(cluster),
        id="view",
    )
    return Rendered(whole, f"Cluster {cluster_id} · Usage Pulse", {"view": whole})


def common(acts: Sequence[Row], within_ms: int) -> dict[str, list[bool]]:
    """By account, for each of its moments in order: did another act within so many ms?"""
    times = sorted((int(one["at"]), str(one["account_id"])) for one in acts)
    moments = [at for at, _ in times]
    found: dict[str, list[bool]] = {}
    for at, account in times:
        low = bisect.bisect_left(moments, at - within_ms)
        high = bisect.bisect_right(moments, at + within_ms)
        others = any(times[place][1] != account for place in range(low, high))
        found.setdefault(account, []).append(others)
    return found


def _graph(
    members: Sequence[Row], ties: Sequence[Row], partners: dict[str, set[str]], end: int
) -> Html:
    shown = members[:_MOST_DRAWN]
    index = {one["account_id"]: place for place, one in enumerate(shown)}
    edges = [
        (index[tie["account_a"]], index[tie["account_b"]])
        for tie in ties
        if tie["account_a"] in index and tie["account_b"] in index
    ]
    places = placed(len(shown), edges)
    fresh = [int(one["joined_at"]) > end - _DAY_MS for one in shown]
    if all(fresh):
        fresh = [False] * len(shown)  # the group itself is new
    nodes = [
        {"name": one["account_id"], "x": x, "y": y, "fresh": new}
        for one, (x, y), new in zip(shown, places, fresh, strict=True)
    ]
    most = max((len(partners.get(one["account_id"], ())) for one in shown), default=0)
    words = (
        f"{count(len(shown))} accounts with {count(len(edges))} ties; the best connected one has "
        f"{count(most)} partners; {count(sum(fresh))} joined within a day."
    )
    picture = figure(
        {"kind": "graph", "nodes": nodes, "ties": edges}, words, key="graph", height=12
    )
    return card("Who is tied to whom; joined today stand out", picture, _cut(members), key="graph")


def _raster(
    names: Sequence[str],
    acts: Sequence[Row],
    shared: dict[str, list[bool]],
    gaps: Sequence[Blind],
    span: tuple[int, int],
) -> Html:
    moments: dict[str, list[int]] = {name: [] for name in names}
    for one in acts:
        moments[one["account_id"]].append(int(one["at"]))
    lanes = [
        {"name": name, "x": sorted(moments[name]), "common": shared.get(name, [])}
        for name in names
        if moments[name]
    ]
    together = sum(sum(marks) for marks in shared.values())
    words = (
        f"{count(len(acts))} actions of {count(len(lanes))} accounts; {count(together)} of them "
        "within moments of another member's."
    )
    if not acts:
        empty = tag("p", "No action of a member is stored for this span.", class_="muted")
        return card("Who acted when", empty, key="raster")
    content = {"kind": "raster", "lanes": lanes, "blind": hatched(gaps, *span)}
    picture = figure(content, f"{words} {spoken(gaps)}".strip(), key="raster", height=12)
    heading = "Who acted when; moments in common stand out"
    return card(heading, picture, legend(gaps), key="raster")


def _cut(members: Sequence[Row]) -> Html | None:
    if len(members) <= _MOST_DRAWN:
        return None
    return tag("p", f"The first {_MOST_DRAWN} of {count(len(members))}.", class_="muted")


def _partners(ties: Sequence[Row]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for tie in ties:
        found.setdefault(tie["account_a"], set()).add(tie["account_b"])
        found.setdefault(tie["account_b"], set()).add(tie["account_a"])
    return found


def _members(
    members: Sequence[Row],
    partners: dict[str, set[str]],
    shared: dict[str, list[bool]],
    end: int,
) -> Html:
    rows: list[list[Child]] = []
    for one in members[:_MOST_LISTED]:
        name = one["account_id"]
        new = int(one["joined_at"]) > end - _DAY_MS
        state: Child = "left" if one["left_at"] else "joined today" if new else "member"
        rows.append(
            [
                tag("a", tag("bdi", name), href=account_path(name)),
                tag("bdi", one["org_id"]),
                clock(one["joined_at"], date=True),
                tag("bdi", one["join_reason"]),
                tag("span", state, class_="outside" if new and not one["left_at"] else None),
                count(sum(shared.get(name, []))),
                count(len(partners.get(name, ()))),
                compact(one["requests"]),
                compact(one["tokens"]),
            ]
        )
    head = ("Account", "Org", "Joined", "Why", "State", "Moments in common", "Partners")
    heads = (*head, "Requests, a day", "Tokens, a day")
    note = None
    if len(members) > _MOST_LISTED:
        note = tag("p", f"The first {_MOST_LISTED} of {count(len(members))}.", class_="muted")
    return card("Members", table(heads, rows, text=5), note, key="members")


def _objects(cluster: Row) -> Html:
    rows: list[list[Child]] = [
        [kind, tag("bdi", value), count(number)]
        for kind, value, number in zip(
            cluster["object_kinds"],
            cluster["object_values"],
            cluster["object_accounts"],
            strict=True,
        )
    ]
    if not rows:
        return card("What they share", tag("p", "Only their timing.", class_="muted"), key="shared")
    head = ("Kind", "Value", "Members")
    return card("What they share, what says most first", table(head, rows, text=2), key="shared")


def _numbers(cluster: Row) -> Html:
    pairs: list[tuple[str, Any]] = [
        ("Members", count(cluster["members"])),
        ("Ties", count(cluster["ties"])),
        ("Joint actions", count(cluster["coincidences"])),
        ("Within", f"{cluster['within_s']} s"),
        ("One after the other by", f"{cluster['lag_s']} s" if cluster["lag_s"] else "at once"),
        ("Independent signs", count(cluster["independent"])),
        ("By chance", chance(float(cluster["p_value"]))),
        ("Policy", cluster["policy_version"]),
    ]
    rows: list[list[Child]] = [[name, value] for name, value in pairs]
    return card("The numbers", table(("", ""), rows), key="numbers")


def _state(cluster: Row) -> Html:
    signs = ", ".join(str(kind).replace("_", " ") for kind in cluster["kinds"])
    parts: list[Child] = [
        tag("span", cluster["severity"] or "not alarmed", class_=f"severity {cluster['severity']}"),
        f", {cluster['state']}, ",
        tag("strong", chance(float(cluster["p_value"]))),
        " by chance, since ",
        clock(cluster["since"], date=True),
        f". Signs: timing{', ' + signs if signs else ''}.",
    ]
    if cluster["held"]:
        parts.append(f" Does not alarm: {cluster['held']}.")
    if cluster["known_group"]:
        parts.append([" Known group ", tag("bdi", cluster["known_group"]), " of "])
        parts.append(tag("bdi", cluster["owner"]))
    return tag("p", parts, class_="state")


def _links(cluster: Row) -> Child:
    links: list[Child] = [tag("a", "All clusters", href="/board/clusters", class_="button")]
    if cluster["incident_id"]:
        path = incident_path(cluster["incident_id"])
        links.insert(0, [tag("a", "Its incident", href=path, class_="button main"), " "])
    return links


def _query(cluster: Row) -> Html | None:
    if not cluster["sql"]:
        return None
    return card(
        "The query behind these numbers",
        tag("pre", tag("code", cluster["sql"]), tabindex=0, id="sql"),
        tag("button", "Copy query", type="button", data_copy="sql", class_="button"),
        key="query",
    )
