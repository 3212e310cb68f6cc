"""A policy in words, second part: groups that act together, and everything that comes in lists.

Called by `streams.policy.explain`, whose plain data it puts into sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from detectors.wording import one_in

__all__ = ["allowed_in_words", "group_lines", "list_lines", "number", "span"]


def group_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What makes a group alarm."""
    policy = found["coordination"]
    if not policy["enabled"]:
        yield "Groups that act together: not looked for"
        return
    own = [f"{kind['name']} (field {kind['field']})" for kind in policy["extra"]]
    kinds = ", ".join([*policy["kinds"], *own])
    yield (
        f"Groups that act together: {policy['members']} accounts or more that share {kinds}, tied "
        f"by when they act on it; remembered for {span(86_400 * policy['memory_days'])}"
    )
    yield (
        f"  alarms when {one_in(policy['chance'])} such groups would act so close in time by "
        f"chance, high from {one_in(policy['high_chance'])}"
    )
    standing = policy["independent_kinds"]
    if standing > 1 and len(policy["kinds"]) + len(own) > 1:
        yield (
            f"  and when {standing} kinds speak that do not go together; improbable timing is one"
        )
    yield (
        f"  a member scores {number(policy['found'])} or more, and stays while it scores "
        f"{number(policy['kept'])}"
    )


def list_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Cohorts, allow-list, known groups, channels and routes."""
    yield (
        "Cohorts: none, everybody is judged with everybody." if not found["cohorts"] else "Cohorts"
    )
    for cohort in found["cohorts"]:
        yield (
            f"  {cohort['name']}: {_patterns(cohort)}; judged among themselves from "
            f"{cohort['min_accounts']:,} accounts on"
        )
    yield "Allow-list: empty, nobody is excused." if not found["allow"] else "Allow-list"
    for entry in found["allow"]:
        yield f"  {allowed_in_words(entry)}; {_left(entry['days_left'])}"
    if found["known_groups"]:
        yield "Known groups: shown with their owner, they do not alarm"
    for entry in found["known_groups"]:
        yield (
            f"  {entry['name']}: {_patterns(entry)}: {entry['reason']} ({entry['owner']}); "
            f"{_left(entry['days_left'])}"
        )
    if found["notification_channels"]:
        yield "Channels"
    for channel in found["notification_channels"]:
        routed = "" if channel["routes"] else "; beware: no route leads to it, it gets nothing"
        yield f"  {channel['name']}: its address is in {channel['address']}{routed}"
    yield "Routes: none, alerts are stored and shown." if not found["routes"] else "Routes"
    for route in found["routes"]:
        severities = " and ".join(route["severities"]) or "all"
        kinds = f" of kind {', '.join(route['kinds'])}" if route["kinds"] else ""
        orgs = f" of orgs {', '.join(route['orgs'])}" if route["orgs"] else ""
        when = f", {route['hours']} {route['time_zone']}" if route["hours"] else ", at any hour"
        yield f"  {route['name']}: {severities} alerts{kinds}{orgs}{when}, to {route['channel']}"


def allowed_in_words(entry: Mapping[str, Any]) -> str:
    """An entry of the allow-list without its date."""
    which = ", ".join(entry["detectors"]) or "all detectors"
    return f"{_patterns(entry)}, excused from {which}: {entry['reason']} ({entry['owner']})"


def _patterns(part: Mapping[str, Any]) -> str:
    names = {"accounts": "accounts", "orgs": "orgs", "use_cases": "use cases"}
    given = [f"{names[name]} {', '.join(part[name])}" for name in names if part.get(name)]
    return " and ".join(given)


def _left(days: int) -> str:
    if days < 0:
        return f"expired {-days} day{'s' * (days != -1)} ago"
    if days == 0:
        return "today is its last day"
    return f"{days:,} day{'s' * (days != 1)} left"


def span(seconds: float) -> str:
    """
    >>> [span(x) for x in (45, 600, 5400, 259200)]
    ['45 seconds', '10 minutes', '90 minutes', '3 days']
    """
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= unit * (2 if unit > 1 else 0):
            return f"{number(seconds / unit)} {name}s"
    raise ValueError(f"a span of at least nothing, got {seconds}")


def number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0") if value >= 1 else f"{value:g}"
