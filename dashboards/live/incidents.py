"""The list of all incidents: narrowed by a form, cut into pages, walked with the keyboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from dashboards.live.html import Child, Html, tag
from dashboards.live.incident_list import PAGE, STATES, Asked, Found, asked, find
from dashboards.live.lists import beyond, form, pager, search
from dashboards.live.minutes import minutes_of
from dashboards.live.model import Incident, Row, Status, is_open
from dashboards.live.parts import Rendered, card, choice, kind_name, live_line
from dashboards.live.read import Reader
from dashboards.live.rows import LEAST, incident_row
from dashboards.live.viewed import RANGES
from dashboards.live.words import count, number_word

__all__ = ["incidents_page"]

_EMPTY = (
    "What would stand here: a sentence such as “acct-0417 sent 1,240 requests in 5 minutes; its "
    "highest so far was 96”, how likely that is by chance, since when, who has it, and whether it "
    "was a true alarm."
)


async def incidents_page(query: Mapping[str, str], status: Status, reader: Reader) -> Rendered:
    """The page's own part; the list and its counts are sent again when they change."""
    what = asked(query)
    found = await find(what, status["now"], reader)
    shown = [cast(Incident, row) for row in found.rows]
    minutes = await minutes_of(reader, status, shown, LEAST)
    number = found.number(what.state)
    pieces = {
        "live": live_line(status),
        "headline": tag("h1", _sentence(what, number), id="headline", aria_live="polite"),
        "detail": tag("p", _order(what), class_="detail", id="detail"),
        "states": _states(what, found),
        "incidents": _list(status, what, found, minutes, number),
    }
    whole = tag(
        "div",
        pieces["live"],
        pieces["headline"],
        pieces["detail"],
        pieces["states"],
        _form(what, found),
        pieces["incidents"],
        id="view",
    )
    return Rendered(whole, f"({number}) Incidents · Usage Pulse", pieces)


def _sentence(what: Asked, number: int) -> str:
    words = {"any": "", "open": "untouched ", "grouped": "cluster members’ "}
    state = words.get(what.state, what.state + " ")
    kind = f"{kind_name(what.kind)} " if what.kind else ""
    noun = "incident" if number == 1 else "incidents"
    text = f"{number_word(number).capitalize()} {state}{kind}{noun}"
    if what.severity:
        text += f" of severity {what.severity}"
    if what.org:
        text += f" of {what.org}"
    if what.text:
        text += f" about “{what.text}”"
    span_name = dict(RANGES).get(what.last)
    return text + (f" in the last {span_name}." if span_name else ".")


def _order(what: Asked) -> str:
    if what.state in ("unresolved", "open", "acknowledged", "grouped"):
        return "The worst first, then the newest."
    return "The newest first." if what.state == "resolved" else "Unresolved first, then the newest."


def _states(what: Asked, found: Found) -> Html:
    """Tabs: one state each, with how many there are under the same form."""
    items = [
        tag(
            "li",
            tag(
                "a",
                words,
                " ",
                tag("span", count(found.number(state)), class_="muted"),
                href=what.address(state="" if state == "unresolved" else state, p=""),
                aria_current="true" if state == what.state else None,
            ),
        )
        for state, words in STATES
    ]
    return tag("nav", tag("ul", items), class_="tabs", id="states", aria_label="State")


def _form(what: Asked, found: Found) -> Html:
    severities = [("", "any"), *((one, one) for one in found.severities)]
    kinds = [("", "any"), *((one, kind_name(one)) for one in found.kinds)]
    ranges = [("", "any time"), *((short, f"last {words}") for short, words in RANGES)]
    orgs = [tag("option", value=one) for one in found.orgs]
    org = tag("input", name="org", value=what.org, list="orgs", placeholder="all", size=12)
    fields: list[Child] = [
        search("Search", what.text, "account or words"),
        choice("Severity", "severity", severities, what.severity),
        choice("Kind", "kind", kinds, what.kind),
        tag("label", "Organisation ", org, tag("datalist", orgs, id="orgs")),
        choice("Since", "last", ranges, what.last),
    ]
    clear = Asked(state=what.state).address() if what.narrowed else None
    state = tag("input", type="hidden", name="state", value=what.state)
    return form("/incidents", fields, clear, state if what.state != "unresolved" else None)


def _list(status: Status, what: Asked, found: Found, minutes: Sequence[Row], number: int) -> Html:
    if not found.rows:
        return card("Incidents", *_nothing(what, found, number), key="incidents")
    lines = [incident_row(status, cast(Incident, row), minutes, _people(row)) for row in found.rows]
    return card(
        "Incidents",
        tag("ol", lines, class_="incidents"),
        pager(what.page, PAGE, len(lines), number, what.address),
        key="incidents",
    )


def _nothing(what: Asked, found: Found, number: int) -> list[Child]:
    if number:  # beyond the last page
        return [beyond(what.page, what.address)]
    parts: list[Child] = []
    elsewhere = [
        tag("li", tag("a", f"{count(found.number(state))} {words}", href=what.address(state=state)))
        for state, words in (("unresolved", "unresolved"), ("resolved", "resolved"))
        if found.number(state)
    ]
    if what.narrowed:
        clear = tag("a", "Clear the form", href=Asked(state=what.state).address())
        parts.append(tag("p", "Nothing matches. ", clear, " to see all.", class_="muted empty"))
    else:
        parts.append(tag("p", "None. " + _EMPTY, class_="muted empty"))
    if elsewhere:
        parts.append(tag("ul", elsewhere, class_="elsewhere"))
    return parts


def _people(row: Row) -> Html:
    """Who has it, and whether it was right."""
    parts: list[Child] = []
    if row["owner"]:
        parts.append(["owner ", tag("bdi", row["owner"])])
    if row["acknowledged_by"]:
        parts.append(["acknowledged by ", tag("bdi", row["acknowledged_by"])])
    if row["resolved_by"]:
        parts.append(["resolved by ", tag("bdi", row["resolved_by"])])
    if not parts and is_open(cast(Incident, row)):
        parts.append("nobody has it yet")
    if row["label"]:
        word = {"true": "true alarm", "false": "false alarm"}.get(row["label"], "not sure")
        parts.append([tag("strong", word), ", says ", tag("bdi", row["labelled_by"])])
    if row["org_id"]:
        parts.append(["of ", tag("bdi", row["org_id"])])
    listed: list[Child] = []
    for index, part in enumerate(parts):
        listed.append([" · " if index else "", part])
    return tag("p", listed, class_="state people")
