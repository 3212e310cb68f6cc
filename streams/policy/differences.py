"""Two policies side by side: every difference in words. Behind `pulse policy diff`.

A change of the budget or of the shares moves thresholds of detectors that nobody touched, so those
are told as well: as 1 in N account-hours, before and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from detectors.wording import amount
from streams.policy.budget import thresholds
from streams.policy.explain import odds
from streams.policy.explain_lists import allowed_in_words
from streams.policy.model import Budget, Policy, channel_of
from streams.policy.template import comments_of, toml_value
from streams.policy.version import content

__all__ = ["Difference", "differences"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One line: the part of the policy, what of it, and what happened to it."""

    part: str  # budget, detectors, incidents, coordination, cohorts, allow, known_groups, ...
    name: str
    sentence: str

    def __str__(self) -> str:
        return ": ".join(text for text in (self.part, self.name, self.sentence) if text)


def differences(old: Policy, new: Policy) -> list[Difference]:
    """What changes when `new` follows `old`; empty exactly when their versions are the same."""
    found: list[Difference] = []
    if old.fdr != new.fdr:
        found.append(Difference("fdr", "", _change(old.fdr, new.fdr)))
    found += _fields("budget", "", old.budget, new.budget)
    found += _fields("incidents", "", old.incidents, new.incidents)
    found += _fields("coordination", "", old.coordination, new.coordination, without=("extra",))
    found += _named("coordination", old.coordination.extra, new.coordination.extra)
    for name in sorted({*old.detectors, *new.detectors}):
        found += _detector(name, old, new)
    found += _thresholds(old, new)
    found += _named("cohorts", old.cohorts, new.cohorts)
    found += _allow(old, new)
    found += _named("known_groups", old.known_groups, new.known_groups)
    found += _named("channels", old.channels, new.channels)
    found += _named("routes", old.routes, new.routes)
    return found


def _fields(
    part: str, name: str, old: Any, new: Any, without: Sequence[str] = ()
) -> Iterator[Difference]:
    for item in fields(old):
        if item.name in without:
            continue
        before, after = getattr(old, item.name), getattr(new, item.name)
        if _normal(before) != _normal(after):
            yield Difference(part, name, f"{item.name} {_change(before, after)}")


def _detector(name: str, old: Policy, new: Policy) -> Iterator[Difference]:
    before, after = old.detectors.get(name), new.detectors.get(name)
    if before is None or after is None:
        yield Difference("detectors", name, "new" if before is None else "gone")
        return
    if before.enabled != after.enabled:
        yield Difference("detectors", name, f"switched {'on' if after.enabled else 'off'}")
    if before.share != after.share:
        yield Difference("detectors", name, f"share {_change(before.share, after.share)}")
    comments = comments_of(type(after.parameters))
    for item in fields(after.parameters):
        values = getattr(before.parameters, item.name), getattr(after.parameters, item.name)
        if values[0] != values[1]:
            about = f" ({comments[item.name]})" if comments.get(item.name) else ""
            said = f"parameter {item.name} {_change(*values)}{about}"
            yield Difference("detectors", name, said)


def _thresholds(old: Policy, new: Policy) -> Iterator[Difference]:
    """By detector, where it counts in both; unknown for pages per shift, which need traffic."""
    if not _same_unit(old.budget, new.budget):
        return
    for name in new.detectors:
        channel = channel_of(name)
        before = old.combination(channel).get(name, 0.0)
        after = new.combination(channel).get(name, 0.0)
        if not before or not after:
            continue
        first, second = thresholds(old.budget, channel), thresholds(new.budget, channel)
        for severity in ("high", "medium"):
            p_old = getattr(first, severity) * before
            p_new = getattr(second, severity) * after
            if abs(p_new / p_old - 1.0) > 1e-9:
                # Of cold accounts the rarity depends on how many are cold; the ratio does not.
                rare = f" from {odds(p_old)} -> {odds(p_new)} account-hours,"
                said = f"alone alarms {severity}{rare if channel == 'usual' else ''}"
                yield Difference("thresholds", name, f"{said} {_times(p_new / p_old)}")


def _same_unit(old: Budget, new: Budget) -> bool:
    return old.unit == new.unit == "false_alarms_per_1000_account_days"


def _times(ratio: float) -> str:
    """
    >>> _times(2.0), _times(0.5)
    ('2 times as often', '2 times as rarely')
    """
    often = ratio >= 1.0
    factor = ratio if often else 1.0 / ratio
    shown = f"{factor:.2f}".rstrip("0").rstrip(".") if factor < 10.0 else amount(factor)
    return f"{shown} times as {'often' if often else 'rarely'}"


def _named(part: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Difference]:
    before = {item.name: item for item in old}
    after = {item.name: item for item in new}
    for name in sorted({*before, *after}):
        if name not in before:
            yield Difference(part, name, f"new: {_spelt(after[name])}")
        elif name not in after:
            yield Difference(part, name, f"gone: {_spelt(before[name])}")
        else:
            yield from _fields(part, name, before[name], after[name])


def _spelt(item: Any) -> str:
    """The keys of a table that say something."""
    given = {
        part.name: getattr(item, part.name)
        for part in fields(item)
        if part.name != "name" and getattr(item, part.name) not in ((), "")
    }
    return ", ".join(f"{name} = {toml_value(value)}" for name, value in given.items())


def _allow(old: Policy, new: Policy) -> Iterator[Difference]:
    """Entries have no names: one about the same accounts, orgs and detectors is the same one."""
    before, after = _entries(old), _entries(new)
    for key in sorted({*before, *after}):
        gone = [entry for entry in before.get(key, []) if entry not in after.get(key, [])]
        come = [entry for entry in after.get(key, []) if entry not in before.get(key, [])]
        for one, other in zip(gone, come, strict=False):
            changes = [
                f"{name} {_change(one[name], other[name])}"
                for name in ("owner", "reason", "expires")
                if one[name] != other[name]
            ]
            yield Difference("allow", _short(one), ", ".join(changes))
        for entry in come[len(gone) :]:
            said = f"new, until {entry['expires']}: {allowed_in_words(entry)}"
            yield Difference("allow", "", said)
        for entry in gone[len(come) :]:
            yield Difference("allow", "", f"gone: {allowed_in_words(entry)}")


def _entries(policy: Policy) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for item in policy.allow:
        entry = {name: _normal(value) for name, value in content(item).items()}
        key = repr([entry["accounts"], entry["orgs"], entry["detectors"]])
        found.setdefault(key, []).append(entry)
    return found


def _short(entry: Mapping[str, Any]) -> str:
    return ", ".join((*entry["accounts"], *entry["orgs"]))


def _normal(value: Any) -> Any:
    """The order of a list of names says nothing."""
    return sorted(value) if isinstance(value, list | tuple) else value


def _change(before: object, after: object) -> str:
    return f"{_value(before)} -> {_value(after)}"


def _value(value: object) -> str:
    return value if isinstance(value, str) else toml_value(value)
