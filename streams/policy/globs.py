"""Patterns over names of accounts, organisations and use cases, as in a shell: `*`, `?`, `[a-z]`.

Upper and lower case differ, `*` crosses every character, a backslash is an ordinary one. An empty
list of patterns is no restriction: it matches every name. The same pattern runs in Python, in
ClickHouse (as an RE2 expression), and can be compared with another one: do they share a name?
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import product

__all__ = ["expression", "matches", "meet", "meet_any"]

#: A set of characters: closed ranges of code points, and whether it is all the others instead.
Characters = tuple[bool, tuple[tuple[int, int], ...]]
#: A pattern in parts; None is `*`.
Parts = tuple[Characters | None, ...]

_ANY: Characters = (True, ())
_LAST = sys.maxunicode


def matches(patterns: Sequence[str], name: str) -> bool:
    """One of `patterns` matches the whole of `name`, or there is no pattern at all.

    >>> matches(["acct-1*"], "acct-17"), matches([], "acct-17"), matches(["acct-?"], "acct-17")
    (True, True, False)
    """
    return not patterns or _compiled(tuple(patterns)).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(_union(patterns), re.DOTALL)


def expression(patterns: Sequence[str]) -> str:
    """For ClickHouse's `match`: matches what `matches` matches."""
    return f"(?s)^(?:{_union(patterns)})$" if patterns else ""


def _union(patterns: Sequence[str]) -> str:
    return "|".join("".join(map(_regex, _parts(pattern))) for pattern in patterns)


def _regex(part: Characters | None) -> str:
    if part is None:
        return ".*"
    negated, ranges = part
    if not ranges:
        return "."
    if not negated and len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return re.escape(chr(ranges[0][0]))
    inner = "".join(f"{_in_set(low)}-{_in_set(high)}" for low, high in ranges)
    return f"[{'^' if negated else ''}{inner}]"


def _in_set(code: int) -> str:
    """A character inside brackets, in a spelling that both Python and RE2 read."""
    return f"\\{chr(code)}" if chr(code) in "\\]^-[&~|" else chr(code)


@lru_cache(maxsize=1024)
def _parts(pattern: str) -> Parts:
    parts: list[Characters | None] = []
    place = 0
    while place < len(pattern):
        character = pattern[place]
        place += 1
        if character == "*":
            if not parts or parts[-1] is not None:
                parts.append(None)
        elif character == "?":
            parts.append(_ANY)
        elif character == "[" and (found := _bracket(pattern, place)) is not None:
            part, place = found
            parts.append(part)
        else:
            parts.append((False, ((ord(character), ord(character)),)))
    return tuple(parts)


def _bracket(pattern: str, start: int) -> tuple[Characters, int] | None:
    """The set that opened before `start` and where it ended; None where it is no set."""
    negated = pattern[start : start + 1] == "!"
    first = start + negated
    end = pattern.find("]", first + 1)
    if end < 0:
        return None
    inner, place, ranges = pattern[first:end], 0, []
    while place < len(inner):
        low = high = ord(inner[place])
        if inner[place + 1 : place + 2] == "-" and place + 2 < len(inner):
            high = ord(inner[place + 2])
            place += 2
        place += 1
        if low <= high:  # as in a shell, a range the wrong way round holds nothing
            ranges.append((low, high))
    if not ranges:
        return None
    return (negated, tuple(ranges)), end + 1


def meet(one: str, other: str) -> bool:
    """Some name matches both patterns.

    The two are walked together: a `*` either ends or takes what the other pattern takes next.

    >>> meet("acct-1*", "*-17"), meet("a*", "b*"), meet("[a-c]x", "[!a-b]?")
    (True, False, True)
    """
    left, right = _parts(one), _parts(other)
    waiting, seen = [(0, 0)], {(0, 0)}
    while waiting:
        i, j = waiting.pop()
        if i == len(left) and j == len(right):
            return True
        steps = []
        a = left[i] if i < len(left) else _ANY
        b = right[j] if j < len(right) else _ANY
        if a is None:
            steps.append((i + 1, j))
        if b is None:
            steps.append((i, j + 1))
        if i < len(left) and j < len(right) and _share(a or _ANY, b or _ANY):
            steps.append((i + (a is not None), j + (b is not None)))
        for step in steps:
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return False


def meet_any(some: Sequence[str], others: Sequence[str]) -> bool:
    """`meet` of two lists, of which an empty one matches every name."""
    return not some or not others or any(meet(a, b) for a, b in product(some, others))


def _share(one: Characters, other: Characters) -> bool:
    """Some character is in both: then an end of a range, its neighbour, or any other one is."""
    codes = {0, *(code for _, ranges in (one, other) for pair in ranges for code in pair)}
    near = {code + step for code in codes for step in (-1, 0, 1)}
    return any(_holds(one, c) and _holds(other, c) for c in near if 0 <= c <= _LAST)


def _holds(characters: Characters, code: int) -> bool:
    negated, ranges = characters
    return any(low <= code <= high for low, high in ranges) != negated
