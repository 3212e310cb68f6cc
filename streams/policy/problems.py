"""What is wrong with a policy file: every place at once, as `file:line: name: sentence`.

Made while a policy is read (`streams.policy.load`); nothing of a file with a problem is used.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from streams.errors import UsageError

__all__ = ["PolicyError", "Problem", "nearest"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One line a person can act on; `line` counts from 1, 0 where it is about the whole file."""

    line: int
    name: str  # as "detectors.burst.share" or "routes #2.hours"
    sentence: str

    def __str__(self) -> str:
        return f"{self.name}: {self.sentence}" if self.name else self.sentence

    def at(self, source: str, mark: str = "") -> str:
        """With its place in front, as compilers write it: `file:line: mark name: sentence`."""
        return f"{source}:{self.line}: {mark}{self}" if self.line else f"{source}: {mark}{self}"


class PolicyError(UsageError):
    """A policy that is refused whole; `problems` in order of their lines."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(set(problems)))
        super().__init__("; ".join(self.lines()))

    def lines(self) -> list[str]:
        """One line a problem, for a terminal: `file:line: name: sentence`."""
        return [problem.at(self.source) for problem in self.problems]


def nearest(name: str, known: Iterable[str]) -> str:
    """How a refusal of an unknown name ends: the name that was probably meant, else all of them.

    >>> nearest("busrt", ["burst", "ramp"])
    "did you mean 'burst'?"
    >>> nearest("x", ["burst", "ramp"])
    'known are burst, ramp'
    """
    among = sorted(known)
    close = difflib.get_close_matches(name, among, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known are {', '.join(among)}" if among else "none is known here"
