"""Who is told: channels, which are where messages go, and routes, which say what goes to which.

Part of a policy (`streams.policy.model`); followed by the notifier (`streams.alerting.notify`). A
channel's address carries secrets, so a policy only names the variable or the file that holds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from streams.alerting.notify import words
from streams.policy import globs
from streams.policy.hours import Hours, hours_of, zone
from streams.policy.keys import key as _key

__all__ = ["Channel", "Route", "channel_problems"]

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET: Final = "an address carries secrets and never stands in a policy"
_FIELDS: Final = ", ".join(words.FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where messages go. Its address is one that Apprise knows, as slack://... or mailto://..."""

    name: str = _key("what routes call it", some=True)
    url_env: str = _key("environment variable that holds its address", "")
    url_file: str = _key("file that holds its address; one of the two", "")
    title: str = _key(f"of its messages; fields are {_FIELDS}", words.TITLE)
    body: str = _key("likewise; fields stand in braces", words.BODY)

    @property
    def whereabouts(self) -> str:
        """Where its address is to be found, in words."""
        return f"the environment's {self.url_env}" if self.url_env else f"file {self.url_file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where alerts go. No two routes may send the same alert to different channels."""

    name: str = _key("for people", some=True)
    severities: tuple[str, ...] = _key("none named: all", (), known="severity")
    kinds: tuple[str, ...] = _key("kinds of incident; none named: all", (), known="kind")
    orgs: tuple[str, ...] = _key("patterns of organisation ids", (), some=True)
    hours: str = _key("as 09:00-17:00, or over midnight 22:00-06:00; empty: always", "")
    time_zone: str = _key("of the hours, as Europe/Berlin", "UTC", some=True)
    channel: str = _key("name of the channel that gets them", some=True)

    @property
    def title(self) -> str:
        """What a refusal calls it."""
        return f"routes {self.name!r}"

    def matches(self, severity: str, kind: str, org_id: str, at_ms: int) -> bool:
        """An alert of this kind at this time (epoch ms) goes here."""
        return (
            (not self.severities or severity in self.severities)
            and (not self.kinds or kind in self.kinds)
            and globs.matches(self.orgs, org_id)
            and self.span().hold(at_ms)
        )

    def span(self) -> Hours:
        """Its hours; a ValueError where they are none (a loaded policy has none such)."""
        return hours_of(self.hours, zone(self.time_zone))


def channel_problems(given: Channel) -> list[tuple[str, str]]:
    """What is wrong with a channel: the key, and a sentence that repeats nothing of an address."""
    found = []
    if bool(given.url_env.strip()) == bool(given.url_file.strip()):
        both = "both" if given.url_env.strip() else "neither"
        found.append(("", f"expected one of url_env and url_file, got {both}"))
    if given.url_env.strip() and not _VARIABLE.fullmatch(given.url_env):
        found.append(("url_env", f"expected the name of an environment variable; {_SECRET}"))
    if given.url_env.startswith("PULSE_"):
        found.append(("url_env", "expected another name: PULSE_... are settings of the program"))
    if "://" in given.url_file:
        found.append(("url_file", f"expected the path of a file; {_SECRET}"))
    for name, template in (("title", given.title), ("body", given.body)):
        if wrong := words.problem(template):
            found.append((name, wrong))
    if "\n" in given.title:
        found.append(("title", "expected one line"))
    return found
