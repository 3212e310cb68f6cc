"""What a message says: templates with the fields of an incident, checked before they are used."""

from __future__ import annotations

import difflib
import math
import re
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from detectors.wording import amount, one_in

__all__ = ["BODY", "FIELDS", "TITLE", "example", "filled", "problem", "values"]

#: Name of a field -> what it stands for.
FIELDS: Final[Mapping[str, str]] = {
    "sentence": "what happens, in one sentence",
    "event": "opened, escalated or resolved",
    "severity": "high or medium",
    "kind": "kind of the incident",
    "account": "the account, empty for a group or the platform",
    "org": "its organisation",
    "since": "start of the first window, UTC",
    "until": "when it was last seen, UTC",
    "chance": "how rare that is, in words",
    "observed": "the number that was seen",
    "expected": "the number that is usual",
    "threshold": "the number below which nothing would have been said",
    "incident": "id of the incident",
    "link": "address of its page in the console",
}
TITLE: Final = "[{severity}] {event}: {sentence}"
BODY: Final = (
    "{sentence}\n\n{severity}, {kind}, since {since}, last seen {until}; by chance {chance}.\n"
    "Seen {observed}, usual {expected}, silent below {threshold}.\n{link}"
)
_BRACKETS: Final = str.maketrans("<>", "‹›")
_CALL: Final = re.compile(r"@(?=(?:everyone|here|channel|all)\b)", re.IGNORECASE)


def problem(template: str) -> str:
    """What is wrong with a template, empty when nothing is."""
    if not template.strip():
        return "expected a text that is not empty"
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        return f"{error} (a brace of your own is written twice)"
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, n=1)
            known = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(FIELDS)}"
            return f"names the field {{{name}}}; {known}"
        if form or conversion:
            return f"{{{name}}} takes no format"
    return ""


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The text; fields are put in as they are, what they contain is not read again."""
    return string.Formatter().vformat(template, (), dict(fields)).strip()


def values(incident: Mapping[str, Any], event: str, console: str) -> dict[str, str]:
    """The fields of an incident as rows of `incidents` have it; times are epoch ms.

    `console`: address of the console, empty when nobody may be sent there.
    """
    name = str(incident["incident_id"])
    return {
        "sentence": _line(incident["sentence"]),
        "event": event,
        "severity": str(incident["severity"]),
        "kind": str(incident["kind"]).replace("_", " "),
        "account": _line(incident["account_id"]),
        "org": _line(incident["org_id"]),
        "since": _moment(int(incident["started_ms"])),
        "until": _moment(int(incident["last_seen_ms"])),
        "chance": one_in(float(incident["p_value"])),
        "observed": _number(float(incident["peak_observed"])),
        "expected": _number(float(incident["expected"])),
        "threshold": _number(float(incident["threshold"])),
        "incident": name,
        "link": f"{console.rstrip('/')}/incident/{quote(name, safe='')}" if console else "",
    }


def example(now_ms: int) -> dict[str, str]:
    """Fields of a message that tries a channel out."""
    return {
        "sentence": "This is a test of Usage Pulse: nothing has happened",
        "event": "test",
        "severity": "none",
        "kind": "test",
        "account": "acct-example",
        "org": "org-example",
        "since": _moment(now_ms),
        "until": _moment(now_ms),
        "chance": one_in(0.5),
        "observed": "1",
        "expected": "1",
        "threshold": "2",
        "incident": "test",
        "link": "",
    }


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _number(value: float) -> str:
    return amount(value) if math.isfinite(value) else "unknown"


def _line(text: Any) -> str:
    """One line that says no more than it shows: names come from events.

    Control characters and those that turn the direction of writing become spaces. What chats read
    as a call to everybody, a mention or a link is broken up: nobody pages a team by a name.

    >>> _line("a\\u202eb <!channel>\\n"), _line("team@example.org"), "@here" in _line("@here")
    ('a b ‹!channel› ', 'team@example.org', False)
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return _CALL.sub("@\u2060", shown.translate(_BRACKETS))
