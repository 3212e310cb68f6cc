"""Words about a cluster's incident: the line on the first page, and what happened to the group."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.live.html import Html
from dashboards.live.model import Incident, Row
from dashboards.live.parts import card, timeline
from dashboards.live.words import count

__all__ = ["DETECTOR", "happened", "in_short"]

#: The detector of incidents that are about a cluster.
DETECTOR = "coordination"


def in_short(incident: Incident) -> str:
    """The line below the sentence on the first page."""
    joint, least = count(incident["observed"]), count(incident["threshold"])
    return f"{joint} joint actions; about {least} would have been enough"


def happened(changes: Sequence[Row]) -> Html | None:
    """Joins of one moment are one line."""
    steps: dict[tuple[int, str, str], list[str]] = {}
    for change in changes:
        reason = change["reason"] or change["other"]
        steps.setdefault((change["at"], change["what"], reason), []).append(change["account_id"])
    lines = [
        (at, f"{what.capitalize()}{_who(accounts)}{': ' + reason if reason else ''}")
        for (at, what, reason), accounts in steps.items()
    ]
    if not lines:
        return None
    told = timeline(sorted(lines, key=lambda line: line[0]))
    return card("What happened", told, key="happened")


def _who(accounts: Sequence[str]) -> str:
    named = [account for account in accounts if account]
    if not named:
        return ""
    return f" {named[0]}" if len(named) == 1 else f" {count(len(named))} accounts"
