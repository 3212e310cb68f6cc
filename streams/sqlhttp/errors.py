"""What goes wrong with a query, in ClickHouse's own form: code, name, message and HTTP status.

Clients read the code from a header and the text from the body, so the codes are ClickHouse's.
"""

from __future__ import annotations

import re

from streams.errors import PulseError

__all__ = ["SqlError", "from_engine"]

#: The codes that are ours to raise; the engine's own come with their names.
_NAMES = {
    36: "BAD_ARGUMENTS",
    48: "NOT_IMPLEMENTED",
    62: "SYNTAX_ERROR",
    73: "UNKNOWN_FORMAT",
    81: "UNKNOWN_DATABASE",
    89: "UNKNOWN_COMPRESSION_METHOD",
    115: "UNKNOWN_SETTING",
    159: "TIMEOUT_EXCEEDED",
    164: "READONLY",
    194: "REQUIRED_PASSWORD",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    307: "TOO_MANY_BYTES",
    394: "QUERY_WAS_CANCELLED",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
    1001: "STD_EXCEPTION",
}

#: exceptionCodeToHTTPStatus.cpp; every other code is a 500.
_STATUS = {
    **dict.fromkeys((6, 25, 26, 27, 36, 38, 41, 43, 53, 62, 69, 72, 117, 427, 44, 10, 15), 400),
    **dict.fromkeys((167, 168, 675, 676), 400),
    194: 401,
    **dict.fromkeys((192, 193, 497, 516), 403),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115, 145), 404),
    159: 408,
    307: 413,
    89: 415,
    202: 429,
    48: 501,
}

_CODE = re.compile(r"\A(?:Code: (\d+)\. )?(?:DB::Exception: )?")
_TAIL = re.compile(r"(?: \(version [^)]*\)\.?)?(?:\s*\(([A-Z][A-Z0-9_]+)\))?\s*\Z")
#: The guard hands the text to a formatting function; its name is none of the person's business.
_INNER = re.compile(r":? In scope SELECT formatQuerySingleLine\(.*", re.DOTALL)


class SqlError(PulseError):
    """A query that is refused or failed; `code` and `name` are ClickHouse's."""

    def __init__(self, code: int, message: str, name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.name = name or _NAMES.get(code, "UNKNOWN_EXCEPTION")

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse gives this code."""
        return _STATUS.get(self.code, 500)

    def text(self, version: str) -> str:
        """The body of the response."""
        return f"Code: {self.code}. DB::Exception: {self}. ({self.name}) (version {version})\n"


def from_engine(text: str) -> SqlError:
    """The error behind the text of chDB's exception, without the layers that passed it on."""
    code, name = 0, ""
    body = text.strip()
    while found := _CODE.match(body):
        if not found.group():
            break
        code = int(found[1] or code)
        body = body[found.end() :]
    while (tail := _TAIL.search(body)) and tail.group():
        name = tail[1] or name
        body = body[: tail.start()].rstrip(" .")
    return SqlError(code or 1001, _INNER.sub("", body).rstrip(" ."), name)
