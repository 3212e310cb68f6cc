"""What a message says: templates with the fields of an incident, checked before they are used."""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from detectors.wording import one_in

__all__ = ["BODY", "FIELDS", "TITLE", "filled", "problem", "values"]

#: Name of a field -> what it stands for.
FIELDS: Final[Mapping[str, str]] = {
    "sentence": "what happens, in one sentence",
    "event": "opened, escalated or resolved",
    "severity": "high or medium",
    "kind": "kind of the incident",
    "account": "the account, empty for a group or the platform",
    "org": "its organisation",
    "since": "start of the first window, UTC",
    "chance": "how rare that is, in words",
    "observed": "the number that was seen",
    "expected": "the number that is usual",
    "threshold": "the number below which nothing would have been said",
    "incident": "id of the incident",
    "link": "address of its page in the console",
}
TITLE: Final = "[{severity}] {event}: {sentence}"
BODY: Final = (
    "{sentence}\n\n{severity}, {kind}, since {since}, {chance}.\n"
    "Seen {observed}, usual {expected}, silent below {threshold}.\n{link}"
)


def problem(template: str) -> str:
    """What is wrong with a template, empty when nothing is."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        return f"{error}"
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in FIELDS:
            return f"names the field {{{name}}}, expected one of {', '.join(FIELDS)}"
        if form or conversion:
            return f"{{{name}}} takes no format"
    return ""


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The text; fields are put in as they are, what they contain is not read again."""
    return string.Formatter().vformat(template, (), dict(fields))


def values(incident: Mapping[str, Any], event: str, console: str) -> dict[str, str]:
    """The fields of an incident as rows of `incidents` have it; times are epoch ms.

    `console`: address of the console, empty when nobody may be sent there.
    """
    link = f"{console.rstrip('/')}/incident/{incident['incident_id']}" if console else ""
    since = datetime.fromtimestamp(int(incident["started_ms"]) / 1000, UTC)
    return {
        "sentence": _line(incident["sentence"]),
        "event": event,
        "severity": str(incident["severity"]),
        "kind": str(incident["kind"]).replace("_", " "),
        "account": _line(incident["account_id"]),
        "org": _line(incident["org_id"]),
        "since": since.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "chance": one_in(float(incident["p_value"])),
        "observed": f"{float(incident['peak_observed']):,.4g}",
        "expected": f"{float(incident['expected']):,.4g}",
        "threshold": f"{float(incident['threshold']):,.4g}",
        "incident": str(incident["incident_id"]),
        "link": link,
    }


def _line(text: Any) -> str:
    """One line without control characters: names come from events."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))
