"""An incident against what is usual for its account: the plot that the list and its page share."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.live.chart import Plot
from dashboards.live.group import DETECTOR
from dashboards.live.model import Incident, Row, Status, speaks
from dashboards.live.parts import metric_name
from dashboards.live.series import IN_MINUTES, MINUTE, metric_of, usual, window_sums
from dashboards.live.words import count

__all__ = ["against_usual", "blind", "drawable", "drawn", "span", "subject"]

_MOST_BEFORE = 12 * 60 * MINUTE
_AFTER = 15 * MINUTE
#: What its members sent in so long is drawn for a cluster, whose own window may be a second.
_GROUP_WINDOW_S = 300


def subject(incident: Incident) -> str:
    """Whose minutes are drawn: the account's, or all of a cluster's members'."""
    return incident["account_id"] or incident["incident_id"]


def drawable(incident: Incident) -> bool:
    """Whether there are minutes to draw; the whole platform has none of its own."""
    return bool(incident["account_id"]) or incident["detector"] == DETECTOR


def span(status: Status, incident: Incident, least: int) -> tuple[int, int]:
    """What to read (epoch ms): before the incident three times its own length, or `least`.

    One window more than is drawn, so that the first sum is whole.
    """
    start, end = _limits(status, incident, least)
    return start - _window(incident) * 1000, end


def against_usual(
    status: Status,
    incident: Incident,
    rows: Sequence[Row],
    least: int,
    gaps: Sequence[tuple[int, int]] = (),
) -> Plot:
    """The incident's metric summed over its window, from the rows that `span` names.

    Requests, without a threshold, where the minutes do not hold what was counted.
    """
    metric, window_s = drawn(incident), _window(incident)
    counted = metric == incident["metric"] and speaks(incident)
    whose = subject(incident)
    minutes = [(int(r["at"]), metric_of(r, metric)) for r in rows if r["account_id"] == whose]
    start, end = _limits(status, incident, least)
    points = window_sums(minutes, start, end, window_s, status["watermark"]) if minutes else []
    return Plot(
        points=points,
        unit=metric_name(metric, window_s),
        label=f"{incident['account_id'] or 'its members'}: {metric_name(metric, window_s)}",
        band=usual([point for point in points if point[0] <= incident["started_at"]]),
        threshold=incident["threshold"] if counted else None,
        threshold_label=f"silent below {count(incident['threshold'])}",
        outside=[(incident["started_at"], incident["last_seen_at"] + MINUTE)],
        blind=[*blind(status), *gaps],
    )


def drawn(incident: Incident) -> str:
    """The metric that the chart of an incident shows."""
    return incident["metric"] if incident["metric"] in IN_MINUTES else "requests"


def _window(incident: Incident) -> int:
    return incident["window_s"] if incident["account_id"] else _GROUP_WINDOW_S


def blind(status: Status) -> list[tuple[int, int]]:
    """Spans the worker knows it did not see."""
    return [(gap["started_at"], gap["ended_at"] or status["now"]) for gap in status["gaps"]]


def _limits(status: Status, incident: Incident, least: int) -> tuple[int, int]:
    started, seen = incident["started_at"], incident["last_seen_at"]
    before = min(max(3 * (seen - started), least), _MOST_BEFORE)
    # Nothing is known beyond the watermark: zeros there would pretend an end.
    reached = max(status["watermark"] or seen, seen)
    return started - before, min(seen + _AFTER, reached + MINUTE)
