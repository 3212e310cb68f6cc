"""One incident as a line of a list: its sentence, what is usual, how sure, its small chart.

Stands between incidents and the pages that list them (the first page, the list of all).
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.live.against import against_usual, drawable
from dashboards.live.chart import spark
from dashboards.live.group import DETECTOR, in_short
from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Incident, Row, Status, is_open, speaks
from dashboards.live.parts import incident_path, level, named, state_line
from dashboards.live.series import MINUTE
from dashboards.live.words import compact, headline, size

__all__ = ["LEAST", "incident_row"]

#: At least this much of an account's past stands before an incident in its small chart.
LEAST = 40 * MINUTE
#: What is usual must be so much for "times its usual" to say anything.
_LEAST_USUAL = 0.1
#: An account without a past is held against others like it.
_NEW = "new_account"


def incident_row(status: Status, incident: Incident, rows: Sequence[Row], *more: Child) -> Html:
    """The line as a list item; `rows` are minutes of its account, or of the members of its cluster,
    `more` stands below the words."""
    sentence = tag(
        "a",
        named(headline(incident["sentence"]), incident["account_id"]),
        href=incident_path(incident["incident_id"]),
    )
    words = tag(
        "div",
        tag("h3", sentence),
        tag("p", _usually(incident), class_="muted"),
        state_line(incident),
        more,
    )
    drawn = drawable(incident)
    picture = spark(against_usual(status, incident, rows, LEAST)) if drawn else None
    kind = level(incident["severity"]) if is_open(incident) else "low"
    return tag("li", words, picture, class_=f"incident {kind}")


def _usually(incident: Incident) -> str:
    if incident["detector"] == DETECTOR:
        return in_short(incident)
    observed, expected = incident["observed"], incident["expected"]
    usually = f"usual {size(expected)}"
    whose = "a new account's" if incident["kind"] == _NEW else "its"
    if expected >= _LEAST_USUAL and observed >= 1.5 * expected:
        usually = f"{compact(round(observed / expected))} times {whose} usual {size(expected)}"
    if speaks(incident):
        usually += f"; nothing would have been said below {size(incident['threshold'])}"
    return usually
