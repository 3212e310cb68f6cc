"""What there is to tell of a change, to whom, and in which order; no store, no clock.

Between what the feed brought and the outbox.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from streams.alerting.notify import words
from streams.alerting.notify.outbox import UNTOLD, Message, Told, message_id
from streams.alerting.people import covering
from streams.policy.model import Policy

__all__ = ["grouped", "messages", "order", "silenced"]

_RANKS: Final = ("", "medium", "high")
_EVENTS: Final = ("opened", "escalated", "resolved")


def messages(
    policy: Policy,
    row: Mapping[str, Any],
    event: str,
    told: Sequence[Message],
    console: str,
    now: int,
) -> Iterator[Message]:
    """Messages about an incident that `told` has not got yet, due now.

    `event` is "resolved" for an incident that is over for good, else empty: then it opens, or it
    has become more severe, or there is nothing to tell.
    """
    event = event or _event(row, told)
    if not event:
        return
    channels = {one.name: one for one in policy.channels}
    if event == "resolved":  # who heard of it hears of its end, whatever the hour
        names = {one.channel for one in told if one.state not in UNTOLD}
    else:  # the hour that counts is that of the change
        routes = policy.routes_of(row["severity"], row["kind"], row["org_id"], row["stored_ms"])
        names = {route.channel for route in routes}
    fields = words.values(row, event, console)
    known = {message.notification_id for message in told}
    for name in sorted(names & set(channels)):
        identity = message_id(row["incident_id"], event, row["severity"], name)
        if identity in known:
            continue
        yield Message(
            notification_id=identity,
            version=1,
            incident_id=row["incident_id"],
            event=event,
            channel=name,
            state="due",
            severity=row["severity"],
            account_id=row["account_id"],
            org_id=row["org_id"],
            kind=row["kind"],
            title=words.filled(channels[name].title, fields),
            body=words.filled(channels[name].body, fields),
            suppression_id="",
            attempts=0,
            next_at=now,
            error="",
            made_at=now,
            sent_at=0,
        )


def silenced(silences: Sequence[Mapping[str, Any]], message: Message) -> dict[str, Any]:
    """What becomes of a message that one of the silences holds back; nothing when none does."""
    silence = covering(silences, message.account_id, message.org_id, message.kind)
    return {"state": "silenced", "suppression_id": silence} if silence else {}


def grouped(clusters: Sequence[Told], message: Message) -> dict[str, Any]:
    """What becomes of a message about a member of a cluster that its channel was told of.

    One incident, not ten: the cluster's page lists its members. What is worse than the cluster is
    told all the same, and so is the end of what was told before.
    """
    for one in clusters if message.event != "resolved" else ():
        of_it = one.channel == message.channel and message.account_id in one.accounts
        if of_it and (one.high or message.severity != "high"):
            return {"state": "grouped", "suppression_id": one.incident_id}
    return {}


def order(message: Message) -> tuple[int, int, str]:
    """A key to sort by: what was made first, and of an incident its opening before its end."""
    return message.made_at, _EVENTS.index(message.event), message.notification_id


def _event(row: Mapping[str, Any], told: Sequence[Message]) -> str:
    before = [message for message in told if message.event != "resolved"]
    if not before:
        return "opened"
    highest = max(_rank(message.severity) for message in before)
    worse = _rank(row["severity"]) > highest and row["state"] != "resolved"
    return "escalated" if worse else ""


def _rank(severity: str) -> int:
    return _RANKS.index(severity) if severity in _RANKS else 0
