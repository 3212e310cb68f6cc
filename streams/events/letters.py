"""Dead letters: what could not be understood, with its bytes, its place and a reason to act on.

Beside the decoder; a refusal is a value here, never an exception that could stop the stream.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

__all__ = ["REASONS", "DeadLetter", "letter_id", "refusal"]

#: Reason codes and what each asks of the sender.
REASONS: Final = {
    "empty": "the message has no content",
    "not_utf8": "text that is not UTF-8",
    "not_json": "text that is not JSON",
    "not_an_object": "JSON, but not an object",
    "too_deep": "objects nested too deeply",
    "missing_field": "a required field is absent",
    "wrong_type": "a field holds another kind of value",
    "out_of_range": "a field's value lies outside its limits",
    "naive_time": "a time without an offset from UTC",
    "ts_ahead": "the event claims to come from the future",
    "ts_too_old": "the event is older than what is kept",
    "event_too_large": "one event is larger than 64 KiB",
    "message_too_large": "one message is larger than 1 MiB",
}

_EXPECTATION = re.compile(
    r"^Expected `([^`]*)`(?: (.*?))?(?:, got `[^`]*`)?(?: - at (?:`key` in )?`\$([^`]*)`)?$"
)
_MISSING = re.compile(r"missing required field `([^`]*)`")
_FIELD = re.compile(r"^(?:\[\d+\])?\.([A-Za-z_0-9]+)")
_KINDS: Final = {
    "int": "an integer",
    "str": "text",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "int | datetime": "epoch milliseconds or RFC 3339",
    "datetime": "epoch milliseconds or RFC 3339",
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused line (or whole message, line 0) of a partition."""

    offset: int
    line: int
    reason: str
    sentence: str
    content: bytes
    broker_time: int


def letter_id(stream_id: str, partition: int, letter: DeadLetter) -> str:
    """Identity of a dead letter: its place, so that a redelivery writes the same one."""
    place = f"{stream_id}\n{partition}\n{letter.offset}\n{letter.line}"
    return hashlib.blake2b(place.encode(), digest_size=8).hexdigest()


def refusal(line: bytes, error: Exception) -> tuple[str, str]:
    """Reason code and sentence for a line that the decoder refused with `error`."""
    if isinstance(error, RecursionError):
        return "too_deep", "expected an event, got objects nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not_utf8", f"expected UTF-8, got byte 0x{error.object[error.start]:02x} in a text"
    if isinstance(error, OverflowError):
        return "out_of_range", _beyond_64_bits(line)
    if not isinstance(error, msgspec.ValidationError):
        detail = str(error).removeprefix("JSON is malformed: ")
        return "not_json", f"expected one JSON object a line: {detail}"
    return _validation(line, str(error))


def _validation(line: bytes, text: str) -> tuple[str, str]:
    if missing := _MISSING.search(text):
        return "missing_field", f"field `{missing.group(1)}`: required, but absent"
    match = _EXPECTATION.match(text)
    path = match.group(3) if match else text.rpartition("at `$")[2].rstrip("`")
    field = _FIELD.match(path or "")
    if field is None:
        return (
            "not_an_object",
            f"expected a JSON object with the fields of an event, got {_clip(line)}",
        )
    name = field.group(1)
    got = _shown(line, name)
    if match is None:
        problem = text.split(" - at")[0].lower()
        if "rfc3339" in problem:
            problem = f"expected {_KINDS['datetime']}"
        return "out_of_range", f"field `{name}`: {problem}, got {got}"
    kind = _KINDS.get(match.group(1), match.group(1))
    limit = match.group(2) or ""
    reason = "out_of_range" if limit else "wrong_type"
    where = "" if path == f".{name}" or path.endswith(f"].{name}") else " inside it"
    if "`key` in" in text:
        where = " as a key of it"
    return (
        reason,
        f"field `{name}`: expected {kind}{' ' + limit if limit else ''}{where}, got {got}",
    )


def _beyond_64_bits(line: bytes) -> str:
    """The one number without limits of its own in the schema is a time."""
    name = next(name for name in ("ts", "account_created_at") if not _fits(_shown(line, name)))
    return f"field `{name}`: expected {_KINDS['datetime']}, got {_shown(line, name)}"


def _fits(shown: str) -> bool:
    digits = shown.rstrip("…")
    return not digits.lstrip("-").isdigit() or -(2**63) <= int(digits) < 2**63


def _shown(line: bytes, name: str) -> str:
    try:
        value: Any = msgspec.json.decode(line, type=dict[str, msgspec.Raw])[name]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, RecursionError):
        return "another value"
    return _clip(bytes(value))


def _clip(content: bytes, limit: int = 60) -> str:
    text = content[: limit + 1].decode("utf-8", "replace")
    return text if len(content) <= limit else text[:limit] + "…"
