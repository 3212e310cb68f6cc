"""The list of accounts: the busiest of a range, or those whose name or organisation is searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dashboards.live.account_list import ANY, ORDERS, PAGE, Asked, Found, asked, find
from dashboards.live.against import blind
from dashboards.live.chart import Plot, spark
from dashboards.live.html import Child, Html, tag
from dashboards.live.lists import beyond, form, pager, search
from dashboards.live.model import Row, Status
from dashboards.live.parts import (
    Rendered,
    account_path,
    card,
    choice,
    incident_path,
    live_line,
    table,
)
from dashboards.live.read import Reader
from dashboards.live.series import MINUTE
from dashboards.live.viewed import RANGES
from dashboards.live.when import clock
from dashboards.live.words import compact, count

__all__ = ["accounts_page"]

_HEAD: Final = (
    *("Account", "Organisation", "requests", "usual", "tokens out", "errors", "429s"),
    *("open incidents", "last seen", "requests, against its usual"),
)


async def accounts_page(query: Mapping[str, str], status: Status, reader: Reader) -> Rendered:
    """The page's own part; the list is sent again when it changes."""
    what = asked(query)
    # The range ends with the stream: a replay of last month is looked at as if it were now.
    end = (status["watermark"] or status["now"]) // MINUTE * MINUTE + MINUTE
    found = await find(what, end, reader)
    pieces = {
        "live": live_line(status),
        "headline": tag("h1", _sentence(what, found), id="headline", aria_live="polite"),
        "accounts": _list(status, what, found),
    }
    whole = tag(
        "div",
        pieces["live"],
        pieces["headline"],
        tag("p", _detail(what), class_="detail"),
        _form(what),
        pieces["accounts"],
        id="view",
    )
    return Rendered(whole, "Accounts · Usage Pulse", pieces)


def _sentence(what: Asked, found: Found) -> str:
    which = f" like “{what.text}”" if what.text else ""
    which += f" of “{what.org}”" if what.org else ""
    span = dict(RANGES).get(what.span, what.span)
    when = "" if what.span == ANY else f" in the last {span}"
    if not found.number:
        return f"No account{which} sent anything{when}."
    noun = "account" if found.number == 1 else "accounts"
    return f"{count(found.number)} {noun}{which} sent something{when}."


def _detail(what: Asked) -> str:
    first = dict(ORDERS)[what.order]
    said = f"Most {first} first." if what.order != "last" else "Those seen last first."
    if what.span == ANY:
        return f"{said} The small charts are of the last 24 hours."
    return f"{said} Usual: what each sent on average in as long a time before."


def _form(what: Asked) -> Html:
    ranges = [
        ("", "last hour; a search: any time"),
        *((short, f"last {words}") for short, words in RANGES),
        (ANY, "any time"),
    ]
    org = tag("input", name="org", value=what.org, placeholder="all", maxlength=256, size=14)
    fields: list[Child] = [
        search("Account", what.text, "part of its name"),
        tag("label", "Organisation ", org),
        choice("Range", "last", ranges, what.last),
        choice("First", "order", ORDERS, what.order),
    ]
    return form("/accounts", fields, "/accounts" if what.text or what.org else None)


def _list(status: Status, what: Asked, found: Found) -> Html:
    if not found.rows:
        return card("Accounts", *_nothing(what), key="accounts")
    rows = [_row(status, found, row) for row in found.rows]
    return card(
        "Accounts",
        table(_HEAD, rows, text=2),
        pager(what.page, PAGE, len(rows), found.number, what.address),
        key="accounts",
    )


def _row(status: Status, found: Found, row: Row) -> list[Child]:
    name = str(row["account_id"])
    link = tag("a", tag("bdi", name), href=account_path(name), data_line=True)
    past = found.pasts.get(name)
    hot = "outside" if past and past.unusual else None
    incident = found.incidents.get(name)
    opened: Child = "–"
    if incident:
        path = incident_path(str(incident["incident_id"]))
        opened = tag("a", count(incident["incidents"]), href=path, class_="outside")
    picture: Child = None
    if past:
        plot = Plot(
            points=past.points,
            unit="requests",
            label=f"{name}: requests",
            band=past.band,
            outside=past.outside,
            blind=blind(status),
        )
        picture = spark(plot)
    return [
        link,
        tag("bdi", found.orgs.get(name, "")),
        tag("span", count(row["requests"]), class_=hot),
        "too new" if past is None or past.usual is None else count(round(past.usual)),
        compact(row["tokens"]),
        count(row["errors"]),
        count(row["throttled"]),
        opened,
        clock(row["last_seen"]),
        picture,
    ]


def _nothing(what: Asked) -> list[Child]:
    would = (
        "What would stand here: the accounts that sent something, with their requests against "
        "their usual, tokens out, errors, open incidents and when they were last seen."
    )
    parts: list[Child] = [tag("p", would, class_="muted empty")]
    if what.page > 1:
        return [beyond(what.page, what.address)]
    if what.span != ANY:
        longer = tag("a", "Look at any time", href=what.address(last=ANY, p=""))
        parts.append(tag("p", longer, " instead.", class_="muted"))
    return parts
