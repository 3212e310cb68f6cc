"""A policy file: read, checked as a whole, refused as a whole.

`load` for a file, `parse` for a text (the policy log keeps texts). Every problem of the file is
told at once, each with its line; only a text that is no TOML at all stops at its first.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path as File
from typing import Any, Final

from detectors.base import Detector, all_detectors
from streams.policy import rules
from streams.policy.convert import Vocabulary, shown, table
from streams.policy.coordination import SIGNALS, CoordinationPolicy, ExtraKind, KnownGroup
from streams.policy.locate import Path, line_of, locate
from streams.policy.model import (
    SEVERITIES,
    Allow,
    Budget,
    Cohort,
    DetectorPolicy,
    IncidentPolicy,
    Policy,
    default_policy,
    known_kinds,
)
from streams.policy.parameters import parameters
from streams.policy.problems import PolicyError, Problem, nearest
from streams.policy.routes import Channel, Route

__all__ = ["content_of", "load", "named_lines", "parse", "vocabulary"]

#: Tables that may stand once, and those that may stand many times.
_SINGLE: Final[dict[str, type[Any]]] = {"budget": Budget, "incidents": IncidentPolicy}
_MANY: Final[dict[str, type[Any]]] = {
    "cohorts": Cohort,
    "allow": Allow,
    "known_groups": KnownGroup,
    "channels": Channel,
    "routes": Route,
}
#: Those that a store may have something to say about (`streams.policy.population`).
_MATCHING: Final = ("cohorts", "allow", "known_groups", "routes")
_TABLES: Final = ("detectors", "coordination", *_SINGLE, *_MANY)
_TOP: Final = ("fdr",)
_KNOWN: Final = (*_TOP, *_TABLES)

#: A policy is written by people; what is larger than this is another file.
MAX_BYTES: Final = 4 * 1024 * 1024


def load(file: File, *, today: date | None, detectors: Sequence[Detector] | None = None) -> Policy:
    """The policy of `file`; `today` as for `parse`.

    Raises:
        PolicyError: it cannot be read, or something in it is wrong: all of it, with lines.
    """
    return parse(content_of(file), str(file), today=today, detectors=detectors)


def content_of(file: File) -> str:
    """The text of a policy file.

    Raises:
        PolicyError: it cannot be read, is no text or far too large.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        said = f"cannot be read: {error.strerror or error}"
        raise PolicyError(str(file), [Problem(0, "", said)]) from None
    if len(content) > MAX_BYTES:
        said = f"expected at most {MAX_BYTES:,} bytes: is this a policy?"
        raise PolicyError(str(file), [Problem(0, "", said)])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyError(str(file), [Problem(line, "", "expected UTF-8 text")]) from None


def parse(
    text: str,
    source: str,
    *,
    today: date | None,
    detectors: Sequence[Detector] | None = None,
) -> Policy:
    """The policy that `text` states; `source` stands in front of the refusals.

    `today` (UTC) is what expiry dates are compared with; None compares them with nothing, for a
    policy that is history. `detectors` are those the program has (default: all).

    Raises:
        PolicyError: something is wrong.
    """
    found = all_detectors() if detectors is None else detectors
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(source, [_no_toml(str(error), text)]) from None
    return _Reading(content, text, source, found).policy(today)


def named_lines(text: str) -> dict[str, int]:
    """Lines of the cohorts, excuses and routes of a valid file, by their titles."""
    content, lines = tomllib.loads(text), locate(text)
    return {
        _MANY[name](**item).title: line_of(lines, (name, place))
        for name in _MATCHING
        for place, item in enumerate(content.get(name, []))
    }


def vocabulary(detectors: Sequence[Detector]) -> Vocabulary:
    """The names that a policy may use."""
    return {
        "detector": tuple(detector.NAME for detector in detectors),
        "kind": known_kinds(detectors),
        "severity": SEVERITIES,
        "signal": SIGNALS,
    }


def _no_toml(message: str, text: str) -> Problem:
    """tomllib's words, with its line in front: "Invalid value (at line 3, column 8)"."""
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    said = message[: place.start()] if place else message
    return Problem(line, "", f"not valid TOML: {said[:1].lower()}{said[1:]}")


class _Reading:
    """One pass over the content of a file; at the end `problems` is empty or raised."""

    def __init__(
        self, content: dict[str, Any], text: str, source: str, detectors: Sequence[Detector]
    ) -> None:
        self.content = content
        self.source = source
        self.detectors = {detector.NAME: detector for detector in detectors}
        self.vocabulary = vocabulary(detectors)
        self.lines = locate(text)
        self.problems: list[Problem] = []

    def complain(self, path: Path, sentence: str) -> None:
        self.problems.append(Problem(line_of(self.lines, path), _name(path), sentence))

    def policy(self, today: date | None) -> Policy:
        for name in self.content:
            if name not in _KNOWN:
                self.complain((name,), f"unknown key; {nearest(name, _KNOWN)}")
        own = {name: value for name, value in self.content.items() if name in _TOP}
        parts, _ = table(Policy, own, (), self.vocabulary, self.complain, others=_TABLES)
        for name, cls in _SINGLE.items():
            parts[name] = self._part(cls, self.content.get(name, {}), (name,)).item
        many = {name: self._many(cls, (name,)) for name, cls in _MANY.items()}
        parts["coordination"] = self._coordination()
        parts["detectors"] = self._detectors()
        for path, sentence in rules.broken(parts["detectors"], many, today):
            self.complain(path, sentence)
        for path, sentence in rules.coordination(parts["coordination"]):
            self.complain(path, sentence)
        if self.problems:
            raise PolicyError(self.source, self.problems)
        parts |= {name: tuple(part.item for part in found) for name, found in many.items()}
        return Policy(**parts)

    def _part(self, cls: type[Any], content: object, path: Path) -> rules.Part:
        values, good = table(cls, content, path, self.vocabulary, self.complain)
        given = frozenset(content) if isinstance(content, dict) else frozenset()
        return rules.Part(path, given, values, cls(**values) if good else None)

    def _many(self, cls: type[Any], path: Path) -> list[rules.Part]:
        content: Any = self.content
        for name in path:
            content = content.get(name, {})
        content = content or []
        if not isinstance(content, list):
            header = ".".join(map(str, path))
            self.complain(path, f"expected [[{header}]], a list of tables, got {shown(content)}")
            return []
        return [self._part(cls, part, (*path, place)) for place, part in enumerate(content)]

    def _coordination(self) -> CoordinationPolicy | None:
        """None where something in it is wrong."""
        content = self.content.get("coordination", {})
        values, good = table(
            CoordinationPolicy,
            content,
            ("coordination",),
            self.vocabulary,
            self.complain,
            others=("extra",),
        )
        extra = (
            self._many(ExtraKind, ("coordination", "extra")) if isinstance(content, dict) else []
        )
        if not good or any(part.item is None for part in extra):
            return None
        return CoordinationPolicy(**values, extra=tuple(part.item for part in extra))

    def _detectors(self) -> dict[str, DetectorPolicy]:
        """An entry for every detector, with its defaults where the file is silent."""
        found = dict(default_policy(list(self.detectors.values())).detectors)
        content = self.content.get("detectors", {})
        if not isinstance(content, dict):
            self.complain(("detectors",), f"expected tables, got {shown(content)}")
            return found
        for name, part in content.items():
            path: Path = ("detectors", name)
            if name in found:
                found[name] = self._detector(self.detectors[name], part, path, found[name])
            else:
                self.complain(path, f"unknown detector; {nearest(name, found)}")
        return found

    def _detector(
        self, detector: Detector, content: object, path: Path, default: DetectorPolicy
    ) -> DetectorPolicy:
        values, _ = table(
            DetectorPolicy, content, path, self.vocabulary, self.complain, others=("parameters",)
        )
        if isinstance(content, dict) and "parameters" in content:
            inner = (*path, "parameters")
            own = parameters(detector, content["parameters"], inner, self.complain)
            values["parameters"] = own
        return replace(default, **values)


def _name(path: Path) -> str:
    """A path for people: "detectors.burst.share", "routes #2.orgs"; places count from 1.

    >>> _name(("routes", 1, "orgs", 0)), _name(())
    ('routes #2.orgs #1', '')
    """
    text = ""
    for part in path:
        text += f" #{part + 1}" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
