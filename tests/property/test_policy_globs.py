"""Patterns: they match as a shell's do, and two that share a name are known to."""

from __future__ import annotations

import fnmatch
from itertools import product

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from streams.policy import globs

NAMES = st.text(alphabet="abcd-", max_size=5)
PARTS = st.sampled_from(
    ["a", "b", "-", "*", "?", "[ab]", "[!ab]", "[a-c]", "[!a-c]", "[!ac]", "[", "]"]
)
PATTERNS = st.lists(PARTS, max_size=5).map("".join)
SHORT = st.lists(PARTS, max_size=2).map("".join)
#: Any two short patterns that share a name share one of these: four letters are enough for both,
#: and these letters for every set above to be told from every other.
WITNESSES = ["".join(letters) for n in range(5) for letters in product("abcd-[]!", repeat=n)]


@given(pattern=PATTERNS, name=NAMES)
def test_one_pattern_matches_as_in_a_shell(pattern: str, name: str) -> None:
    assume(pattern)
    assert globs.matches([pattern], name) == fnmatch.fnmatchcase(name, pattern)


@given(one=PATTERNS, other=PATTERNS, name=NAMES)
def test_patterns_with_a_name_in_common_meet(one: str, other: str, name: str) -> None:
    if globs.matches([one], name) and globs.matches([other], name):
        assert globs.meet(one, other)
    assert globs.meet(one, other) == globs.meet(other, one)
    assert globs.meet(one, one)
    assert globs.meet(one, "*")


@given(one=SHORT, other=SHORT)
@example(one="[a-c]", other="[!ac]")
@example(one="[!a-c]", other="d")
def test_patterns_that_meet_have_a_name_in_common(one: str, other: str) -> None:
    found = any(
        fnmatch.fnmatchcase(name, one) and fnmatch.fnmatchcase(name, other) for name in WITNESSES
    )
    assert globs.meet(one, other) == found


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("a.c", "abc"), ("a\\*", "a*"), ("(a|b)", "a"), ("A", "a"), ("a", "a\n"), ("a", "ab")],
)
def test_what_means_something_elsewhere_means_nothing_here(pattern: str, name: str) -> None:
    assert not globs.matches([pattern], name)


def test_no_pattern_is_no_restriction() -> None:
    assert globs.matches([], "anything")
    assert globs.meet_any([], ["a"])
    assert globs.meet_any(["b", "a*"], ["c", "*z"])
    assert not globs.meet_any(["b", "a*"], ["c", "z*"])
