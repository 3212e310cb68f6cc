"""Pieces that every page of the console shares: names, severities, cards, tables, the frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Incident, Status, calls, is_open
from dashboards.live.when import clock
from dashboards.live.words import behind, chance, doubts, duration, window
from streams.policy.coordination import COORDINATED

__all__ = [
    "Rendered",
    "account_path",
    "card",
    "choice",
    "facts",
    "frame",
    "incident_path",
    "kind_name",
    "level",
    "live_line",
    "metric_name",
    "named",
    "severity",
    "side",
    "state_line",
    "table",
    "timeline",
]

_LEVELS = {"critical": "high", "high": "high", "medium": "medium", "warning": "medium"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page's own part, and the pieces of it (by id) that are sent again when they change.

    `waiting`: some pieces still wait for the store; making the page again brings them.
    """

    whole: Html
    title: str
    pieces: Mapping[str, Html] = field(default_factory=dict)
    status: int = 200
    waiting: bool = False


def account_path(account_id: str) -> str:
    """Where an account's page is; names that a browser would resolve away travel as a query."""
    if account_id.strip(".") == "":
        return "/account/?id=" + quote(account_id, safe="")
    return "/account/" + quote(account_id, safe="")


def incident_path(incident_id: str) -> str:
    """Where an incident's page is."""
    return "/incident/" + quote(incident_id, safe="")


def named(sentence: str, account_id: str) -> Html:
    """A sentence with the account's name isolated, whichever direction the name is written in."""
    if not account_id:  # about several, or about the whole platform
        return tag("span", sentence)
    before, found, after = sentence.partition(account_id)
    return tag("span", before, tag("bdi", found) if found else None, after)


def level(name: str) -> str:
    """high, medium or low: the three colours of the bar."""
    return _LEVELS.get(name.lower(), "low")


def severity(name: str) -> Html:
    """The severity as a word; the bar beside it carries the same in colour."""
    return tag("span", name, class_=f"severity {level(name)}")


def state_line(incident: Incident) -> Html:
    """What kind, how sure, since when, whether it goes on."""
    ending: Child = incident["state"]
    if not is_open(incident):
        ending = ["resolved, last seen ", clock(incident["last_seen_at"])]
    odds = tag("strong", chance(incident["p_value"]))
    since: list[Child] = [" by chance, since ", clock(incident["started_at"]), ", "]
    kind = kind_name(incident["kind"])
    name = severity(incident["severity"])
    return tag("p", name, f", {kind}, ", odds, since, ending, class_="state")


def kind_name(kind: str) -> str:
    """template spam."""
    return kind.replace("_", " ")


def metric_name(metric: str, window_s: int) -> str:
    """requests in 5 minutes."""
    return f"{metric.replace('_', ' ')} in {window(window_s)}"


def card(heading: str, *children: Child, key: str, kind: str = "") -> Html:
    """A section with a quiet heading, addressable by its key."""
    title = tag("h2", heading, id=f"{key}-heading")
    kind = f"card {kind}".strip()
    return tag("section", title, *children, class_=kind, id=key, aria_labelledby=f"{key}-heading")


def facts(pairs: Sequence[tuple[str, Child]]) -> Html:
    """Names and values under each other."""
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs]
    return tag("dl", rows, class_="facts")


def table(head: Sequence[str], rows: Sequence[Sequence[Child]], *, text: int = 1) -> Html:
    """A table whose first `text` columns are words and the rest figures."""

    def cell(kind: str, index: int, content: Child) -> Html:
        scope = "col" if kind == "th" else None
        return tag(kind, content, class_=None if index < text else "number", scope=scope)

    header = tag("tr", [cell("th", index, name) for index, name in enumerate(head)])
    body = [tag("tr", [cell("td", index, c) for index, c in enumerate(row)]) for row in rows]
    whole = tag("table", tag("thead", header), tag("tbody", body))
    return tag("div", whole, class_="scroll", tabindex=0, role="group", aria_label="Table")


def timeline(steps: Iterable[tuple[int, Child]]) -> Html:
    """Moments (epoch ms) and what happened at each, in the order given."""
    items = [
        tag("li", tag("p", clock(at, seconds=True), class_="muted"), tag("p", what))
        for at, what in steps
    ]
    return tag("ol", items, class_="timeline")


def choice(name: str, field: str, values: Sequence[tuple[str, str]], chosen: str) -> Html:
    """A labelled list of (value, words) in a form; what is chosen is listed in any case."""
    listed = [*values] if chosen in dict(values) else [*values, (chosen, chosen)]
    options = [tag("option", words, value=v, selected=v == chosen) for v, words in listed]
    return tag("label", f"{name} ", tag("select", options, name=field))


def frame(status: Status, page: Rendered, *, place: str, view: str) -> Html:
    """The whole document around a page's own part."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", page.title),
        tag("link", rel="icon", href="/static/pulse.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href="/static/page.css"),
        tag("script", src="/static/page.js", defer=True),
        tag("script", src="/static/figures.js", defer=True),
    )
    lost = tag("p", id="lost", role="alert", hidden=True)
    body = tag(
        "body",
        tag("a", "Skip to the page", href="#main", class_="skip"),
        tag("div", side(status, place), class_="side"),
        tag("main", lost, page.whole, id="main", tabindex=-1),
        _KEYS,
        data_view=view,
    )
    return tag("html", head, body, lang="en")


def _badge(incidents: Sequence[Incident]) -> Html | None:
    number = len(incidents)
    return tag("span", number, class_="badge", aria_label=f"{number} open") if number else None


def _doubted(status: Status) -> Html | None:
    """A mark where the first page withholds its all clear."""
    if not doubts(status):
        return None
    return tag("span", "!", class_="badge", role="img", aria_label="something is off")


def side(status: Status, current: str) -> Html:
    """The places of the console; a figure where something is open."""
    calling = [incident for incident in status["incidents"] if calls(incident)]
    groups = [incident for incident in calling if incident["kind"] == COORDINATED]

    def place(page: str, name: str, path: str, *more: Child) -> Html:
        here = "page" if page == current else None
        return tag("li", tag("a", name, *more, href=path, aria_current=here))

    places = [
        place("pulse", "Pulse", "/"),
        place("incidents", "Incidents", "/incidents", _badge(calling)),
        place("accounts", "Accounts", "/accounts"),
        place("board/clusters", "Clusters", "/board/clusters", _badge(groups)),
        place("board/content", "Content", "/board/content"),
        place("board/quotas", "Quotas", "/board/quotas"),
        place("board/quality", "Quality", "/board/quality"),
        place("board/pipeline", "Pipeline", "/board/pipeline"),
        place("health", "Health", "/health", _doubted(status)),
        place("sql", "SQL", "/sql"),
    ]
    return tag(
        "nav",
        tag("p", "Usage Pulse", class_="brand"),
        tag("ul", places),
        tag("p", "press ? for keys", class_="hint"),
        aria_label="Places",
        id="nav",
    )


def live_line(status: Status, *more: Child) -> Html:
    """The mark in the corner: how far this page is behind the events, and more beside it."""
    delay, late = status["delay_ms"], behind(status)
    dot = tag("span", "○" if late else "●", aria_hidden="true", class_="dot")
    word = tag("strong", "catching up" if late else "live")
    gap = late or (delay["p50"] if delay else None)
    text: list[Child] = [dot, " ", word, f", {duration(gap)} behind" if gap is not None else ""]
    mark = tag("span", text, class_="live late" if late else "live")
    return tag("p", mark, tag("span", status["mode"], class_="mode"), more, id="live")


_KEYS = tag(
    "dialog",
    tag("h2", "Keys"),
    facts(
        [
            ("next, previous line of a list", tag("span", tag("kbd", "j"), " ", tag("kbd", "k"))),
            ("open it", tag("kbd", "Enter")),
            ("next, previous page", tag("span", tag("kbd", "]"), " ", tag("kbd", "["))),
            ("search", tag("kbd", "/")),
            ("back to Pulse", tag("kbd", "p")),
            ("incidents, accounts", tag("span", tag("kbd", "i"), " ", tag("kbd", "a"))),
            ("health", tag("kbd", "h")),
            ("read a chart", tag("span", tag("kbd", "←"), " ", tag("kbd", "→"))),
            ("close", tag("kbd", "Esc")),
        ]
    ),
    id="keys",
    aria_label="Keys",
)
