"""What must hold between the parts of a policy, beyond the type and range of each value.

Called by `streams.policy.load`, also for a file with other problems: a rule is checked as far as
the values that it needs are right. What only a store can tell, such as a cohort that matches
nobody, stands in `streams.policy.population`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from itertools import combinations
from typing import Any

import pyarrow as pa

from streams.events.columns import EVENT_SCHEMA
from streams.policy import globs
from streams.policy.coordination import SIGNALS, CoordinationPolicy
from streams.policy.hours import Hours, hours_of, zone
from streams.policy.locate import Path
from streams.policy.model import DetectorPolicy, channel_of
from streams.policy.problems import nearest
from streams.policy.routes import Route, channel_problems

__all__ = ["Part", "broken", "coordination"]

Found = Generator[tuple[Path, str], None, None]


@dataclass(frozen=True, slots=True)
class Part:
    """One table of the file: the keys it gives, those that are right, the whole if all are."""

    path: Path
    given: frozenset[str]
    values: Mapping[str, Any]
    item: Any  # None: something in it was refused already

    @property
    def title(self) -> str:
        return f"{self.path[0]} #{int(self.path[1]) + 1}"


def broken(
    detectors: Mapping[str, DetectorPolicy],
    many: Mapping[str, Sequence[Part]],
    today: date | None,
) -> Found:
    """Every rule that does not hold: the path it is about, and a sentence."""
    yield from _detectors(detectors)
    yield from _unique(many["cohorts"])
    yield from _somebody(many["cohorts"], ("accounts", "orgs", "use_cases"))
    for name in ("allow", "known_groups"):
        yield from _somebody(many[name], ("accounts", "orgs"))
        if today is not None:
            yield from _expired(many[name], today)
    yield from _unique(many["known_groups"])
    yield from _channels(many["channels"])
    yield from _unique(many["routes"])
    if today is not None:  # a policy of the past may come from a program without channels
        yield from _known_channels(many["routes"], many["channels"])
    spans = yield from _spans(many["routes"])
    yield from _overlaps(many["routes"], spans)


def coordination(policy: CoordinationPolicy | None) -> Found:
    """Rules between the keys of [coordination]; none of them where it was refused already."""
    if policy is None:
        return
    path: Path = ("coordination",)
    if policy.kept > policy.found:
        yield (
            (*path, "kept"),
            f"expected at most found ({policy.found:g}), got {policy.kept:g}: a member would leave "
            "as it joins",
        )
    if policy.high_chance > policy.chance:
        yield (
            (*path, "high_chance"),
            f"expected at most chance ({policy.chance:g}), got {policy.high_chance:g}",
        )
    if policy.enabled and not policy.fields:
        yield (*path, "kinds"), "no kind is named: there is nothing that accounts could share"
    for name, repeated in _repeated(policy.kinds):
        yield (*path, "kinds", repeated), f"{name!r} is named twice"
    seen: set[str] = set(SIGNALS)
    for place, kind in enumerate(policy.extra):
        if kind.name in seen:
            yield (*path, "extra", place, "name"), f"{kind.name!r} is the name of a kind already"
        seen.add(kind.name)
        if not _is_text(kind.field):
            yield (
                (*path, "extra", place, "field"),
                f"{kind.field!r} is no text that accounts could share",
            )


def _is_text(field: str) -> bool:
    """Of the event's own fields texts only; who sent it and its own id are shared by nobody."""
    if field in ("account_id", "event_id"):
        return False
    if field not in EVENT_SCHEMA.names:
        return True  # of those kept in `extra`
    kind = EVENT_SCHEMA.field(field).type
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))


def _repeated(names: Sequence[str]) -> list[tuple[str, int]]:
    return [(name, place) for place, name in enumerate(names) if name in names[:place]]


def _detectors(detectors: Mapping[str, DetectorPolicy]) -> Found:
    usual = [name for name in detectors if channel_of(name) == "usual"]
    if usual and not any(detectors[name].enabled for name in usual):
        yield (
            ("detectors",),
            "no detector of established accounts is enabled: nothing would ever alarm about them",
        )


def _unique(parts: Sequence[Part]) -> Found:
    first: dict[str, Part] = {}
    for part in parts:
        if (name := part.values.get("name")) is None:
            continue
        if name in first:
            yield (*part.path, "name"), f"{name!r} is the name of {first[name].title} already"
        first.setdefault(name, part)


def _somebody(parts: Sequence[Part], lists: Sequence[str]) -> Found:
    """An empty list is no restriction, so without any the table would be about everybody."""
    for part in parts:
        refused = part.given - set(part.values)
        if not any(part.values.get(name) or name in refused for name in lists):
            expected = ", ".join(lists[:-1]) + " or " + lists[-1]
            yield part.path, f"names nobody: expected {expected}"


def _expired(parts: Sequence[Part], today: date) -> Found:
    for part in parts:
        if (last := part.values.get("expires")) is not None and today > last:
            days = (today - last).days
            owner = part.values.get("owner", "its owner")
            yield (
                (*part.path, "expires"),
                f"expired {last}, {days} day{'s' if days != 1 else ''} ago: remove the entry, or "
                f"let {owner} renew it",
            )


def _channels(parts: Sequence[Part]) -> Found:
    yield from _unique(parts)
    for part in parts:
        if part.item is not None:
            for name, sentence in channel_problems(part.item):
                yield (*part.path, name) if name else part.path, sentence


def _known_channels(routes: Sequence[Part], channels: Sequence[Part]) -> Found:
    known = [part.values["name"] for part in channels if "name" in part.values]
    for part in routes:
        name = part.values.get("channel")
        if name is not None and name not in known:
            expected = nearest(name, known) if known else "no [[channels]] stand in this file"
            yield (*part.path, "channel"), f"unknown channel {name!r}; {expected}"


def _spans(parts: Sequence[Part]) -> Generator[tuple[Path, str], None, dict[Path, Hours]]:
    """Hours of the routes that have right ones."""
    spans: dict[Path, Hours] = {}
    for part in parts:
        where, text = part.values.get("time_zone", "UTC"), part.values.get("hours", "")
        found = None
        try:
            found = zone(where)
        except ValueError as error:
            yield (*part.path, "time_zone"), f"{error}, got {where!r}"
        try:
            span = hours_of(text, found or UTC)
        except ValueError as error:
            yield (*part.path, "hours"), f"{error}, got {text!r}"
        else:
            if found is not None:
                spans[part.path] = span
    return spans


def _overlaps(parts: Sequence[Part], spans: Mapping[Path, Hours]) -> Found:
    whole = [part for part in parts if part.item is not None and part.path in spans]
    for first, second in combinations(whole, 2):
        one: Route = first.item
        other: Route = second.item
        meet = one.channel != other.channel and _same(one, other)
        if meet and spans[first.path].meet(spans[second.path]):
            yield (
                second.path,
                f"overlaps with {first.title} ({one.name!r}): {_shared(one, other)} would go to "
                f"{one.channel!r} and to {other.channel!r}",
            )


def _same(one: Route, other: Route) -> bool:
    """Some severity, kind and org is in both, whatever the hour."""
    return (
        _meet(one.severities, other.severities)
        and _meet(one.kinds, other.kinds)
        and globs.meet_any(one.orgs, other.orgs)
    )


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    return not one or not other or not set(one).isdisjoint(other)


def _shared(one: Route, other: Route) -> str:
    """The alerts that both would take, in words."""
    severities = _both(one.severities, other.severities)
    kinds = _both(one.kinds, other.kinds)
    words = [" and ".join(severities), "alerts"]
    words += [f"of kind {', '.join(kinds)}"] if kinds else []
    return " ".join(word for word in words if word)


def _both(one: Sequence[str], other: Sequence[str]) -> list[str]:
    if not one or not other:
        return list(one or other)
    return [name for name in one if name in other]
