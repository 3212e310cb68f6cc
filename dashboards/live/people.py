"""What people can do about an incident, and what they did: buttons, silence, story, messages."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Incident, Row
from dashboards.live.parts import card, kind_name, timeline
from dashboards.live.sessions import PLACE_OF_NAME, PLACE_OF_WORD, WORD

__all__ = ["SPANS", "actions", "messages", "said"]

#: How long a silence may be asked for here: hours, and in words.
SPANS = ((1, "1 hour"), (8, "8 hours"), (24, "a day"), (168, "a week"))


def actions(incident: Incident, org_id: str, row: Row | None) -> Html:
    """The buttons; `row` is what people said so far."""
    by = tag(
        "label",
        "as ",
        tag(
            "input",
            name="by",
            value=PLACE_OF_NAME,
            required=True,
            maxlength=100,
            size=10,
            autocomplete="username",
            placeholder="your name",
        ),
    )
    label = row["label"] if row else ""
    buttons: list[Child] = [
        _button("acknowledge", "Acknowledge", main=not (row and row["acknowledged_by"])),
        _button("label:true", "True alarm", pressed=label == "true"),
        _button("label:false", "False alarm", pressed=label == "false"),
        _button("label:unsure", "Not sure", pressed=label == "unsure"),
        _button("assign", "Take it"),
        _button("resolve", "Resolve"),
    ]
    form = _form(incident, [buttons, by])
    return tag("div", form, _silence(incident, org_id), class_="do", id="do")


def _form(incident: Incident, inside: Child) -> Html:
    return tag(
        "form",
        tag("input", type="hidden", name=WORD, value=PLACE_OF_WORD),
        tag("input", type="hidden", name="incident_id", value=incident["incident_id"]),
        inside,
        method="post",
        action="/act",
        class_="actions",
    )


def _button(value: str, words: str, *, main: bool = False, pressed: bool | None = None) -> Html:
    return tag(
        "button",
        words,
        type="submit",
        name="do",
        value=value,
        class_="button main" if main else "button",
        aria_pressed=None if pressed is None else str(pressed).lower(),
    )


def _silence(incident: Incident, org_id: str) -> Html:
    account = incident["account_id"]
    whose: list[Child] = [
        tag("option", "this account, this kind", value="account-kind"),
        tag("option", "this account, whatever it does", value="account"),
    ]
    if org_id:
        whose.append(tag("option", "its whole organisation, this kind", value="org-kind"))
    spans = [tag("option", words, value=hours) for hours, words in SPANS]
    inside: list[Child] = [
        tag("input", type="hidden", name="account_id", value=account),
        tag("input", type="hidden", name="org_id", value=org_id),
        tag("input", type="hidden", name="kind", value=incident["kind"]),
        tag("label", "Silence ", tag("select", whose, name="scope")),
        tag("label", "for ", tag("select", spans, name="hours")),
        tag(
            "label",
            "because ",
            tag("input", name="reason", required=True, maxlength=300, size=30),
        ),
        tag("label", "as ", tag("input", name="by", value=PLACE_OF_NAME, required=True, size=10)),
        _button("silence", "Silence"),
        tag(
            "p",
            "Incidents open all the same and are counted; only nobody is told.",
            class_="muted",
        ),
    ]
    return tag("details", tag("summary", "Silence…"), _form(incident, inside))


def said(rows: Sequence[Row], row: Row | None) -> Html | None:
    """What people did, newest last."""
    if not rows and not (row and row["label"]):
        return None
    steps = [(one["at"], _deed(one)) for one in rows]
    label = None
    if row and row["label"]:
        label = tag(
            "p", "Labelled ", tag("strong", row["label"]), " by ", tag("bdi", row["labelled_by"])
        )
    return card("What people did", timeline(steps), label, key="said")


def _deed(one: Row) -> Child:
    return [
        tag("bdi", one["by"]),
        f" {one['action']}",
        [" to ", tag("bdi", one["owner"])] if one["owner"] else None,
        [": ", tag("bdi", one["note"])] if one["note"] else None,
    ]


def messages(rows: Sequence[Row]) -> Html | None:
    """Who was told, and whether it arrived."""
    if not rows:
        return None
    steps = [(one["made_at"], _message(one)) for one in rows]
    return card("Who was told", timeline(steps), key="told")


def _message(one: Row) -> Child:
    return [
        f"{kind_name(one['event'])} → ",
        tag("bdi", one["channel"]),
        ": ",
        tag("span", one["state"], class_="outside" if one["state"] == "failed" else None),
        f" ({one['error']})" if one["error"] else "",
    ]
