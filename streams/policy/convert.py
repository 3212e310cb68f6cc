"""Values of TOML as the types of the policy's dataclasses, with every mismatch told.

One description of a field serves all: its type hint and the limits in its metadata are what a file
is held to here, what the JSON schema says (`streams.policy.schema`) and what the default file shows
(`streams.policy.template`).

Limits: `above` (exclusive), `low`, `high` (inclusive) of numbers; `some`: a text must not be empty,
in lists every text; `hint`: added to a refusal of the number; `known`: names of a vocabulary
("detector", "kind", "severity").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from datetime import date, datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints

from streams.policy.locate import Path
from streams.policy.problems import nearest

__all__ = [
    "Complain",
    "Vocabulary",
    "converted",
    "hints",
    "required",
    "shown",
    "table",
    "value_or_none",
]

Vocabulary = Mapping[str, Sequence[str]]
Complain = Callable[[Path, str], None]

_WORDS: dict[Any, str] = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    date: "a date as 2027-12-31",
}


class _Wrong(Exception):
    """Not a value of the type; the complaint was made already."""


def hints(cls: type[Any]) -> dict[str, Any]:
    """Types of a dataclass's fields, resolved."""
    found = get_type_hints(cls)
    return {item.name: found[item.name] for item in fields(cls)}


def required(item: Field[Any]) -> bool:
    """The field has no default."""
    return item.default is MISSING and item.default_factory is MISSING


def table(
    cls: type[Any],
    content: object,
    path: Path,
    vocabulary: Vocabulary,
    complain: Complain,
    *,
    others: Sequence[str] = (),
) -> tuple[dict[str, Any], bool]:
    """Values of one table of the file for the dataclass `cls`, and whether all of it was right.

    Keys named in `others` are the caller's to read. Complains of every unknown key, wrong type,
    value out of range and missing key, and leaves them out.
    """
    if not isinstance(content, dict):
        complain(path, f"expected a table, got {shown(content)}")
        return {}, False
    kinds = hints(cls)
    own = {item.name: item for item in fields(cls) if item.name not in others}
    good, values = True, {}
    for name, value in content.items():
        if name in others:
            continue
        if name not in own:
            complain((*path, name), f"unknown key; {nearest(name, [*own, *others])}")
            good = False
            continue
        try:
            limits = own[name].metadata.get("limits", {})
            values[name] = converted(
                value, kinds[name], (*path, name), complain, limits, vocabulary
            )
        except _Wrong:
            good = False
    for name, item in own.items():
        if required(item) and name not in content:
            complain(path, f"{name} is missing ({item.metadata['about']})")
            good = False
    return values, good


def value_or_none(value: object, kind: Any, path: Path, complain: Complain) -> Any:
    """`converted` without limits; None after a complaint."""
    try:
        return converted(value, kind, path, complain, {}, {})
    except _Wrong:
        return None


def converted(
    value: object,
    kind: Any,
    path: Path,
    complain: Complain,
    limits: Mapping[str, Any],
    vocabulary: Vocabulary,
) -> Any:
    """`value` as `kind`; raises `_Wrong` after the complaint.

    Raises:
        TypeError: a type that no file can hold: a mistake in a dataclass, not in a file.
    """
    if get_origin(kind) is tuple:
        return _list(value, kind, path, complain, limits, vocabulary)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if value in choices:
            return value
        raise _wrong(complain, path, f"one of {', '.join(map(str, choices))}", value)
    if kind not in _WORDS:
        raise TypeError(f"{path}: no file can hold a {kind}")
    result = _plain(value, kind)
    if result is None:
        raise _wrong(complain, path, _WORDS[kind], value)
    _check(result, value, path, complain, limits, vocabulary)
    return result


def _plain(value: object, kind: type) -> Any:
    """A single value, None where it is of another type; true is no number, a time is no date."""
    if kind is bool:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool | datetime):
        return None
    if kind is float:
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    return value if isinstance(value, kind) else None


def _list(
    value: object,
    kind: Any,
    path: Path,
    complain: Complain,
    limits: Mapping[str, Any],
    vocabulary: Vocabulary,
) -> tuple[Any, ...]:
    inner = get_args(kind)
    if not isinstance(value, list):
        raise _wrong(complain, path, "a list", value)
    endless = len(inner) == 2 and inner[1] is Ellipsis
    if not endless and len(value) != len(inner):
        raise _wrong(complain, path, f"a list of {len(inner)}", value)
    found, good = [], True
    for place, part in enumerate(value):
        one = inner[0] if endless else inner[place]
        try:
            found.append(converted(part, one, (*path, place), complain, limits, vocabulary))
        except _Wrong:
            good = False
    if not good:
        raise _Wrong
    return tuple(found)


def _check(
    value: Any,
    given: object,
    path: Path,
    complain: Complain,
    limits: Mapping[str, Any],
    vocabulary: Vocabulary,
) -> None:
    if "known" in limits and value not in vocabulary[limits["known"]]:
        among = vocabulary[limits["known"]]
        complain(path, f"unknown {limits['known']} {value!r}; {nearest(value, among)}")
        raise _Wrong
    if limits.get("some") and not value.strip():
        raise _wrong(complain, path, "a text that is not empty", value)
    low, high = limits.get("low", limits.get("above", -math.inf)), limits.get("high", math.inf)
    if isinstance(value, int | float) and not isinstance(value, bool):
        below = value <= low if "above" in limits else value < low
        if below or value > high:
            first = f"above {low:,}" if "above" in limits else f"from {low:,}"
            hint = f" ({limits['hint']})" if "hint" in limits else ""
            raise _wrong(complain, path, f"a number {first}, at most {high:,}{hint}", given)


def _wrong(complain: Complain, path: Path, expected: str, got: object) -> _Wrong:
    complain(path, f"expected {expected}, got {shown(got)}")
    return _Wrong()


def shown(value: object) -> str:
    """A value of the file in a refusal, in one short line."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, date) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
