"""On which line of a TOML text everything stands: `tomllib` reads values, this finds their places.

Used for the refusals of a policy, which name the line. A scan of a text that `tomllib` has accepted
(so it may assume a valid one): comments, bare, quoted and dotted keys, tables, arrays of tables,
inline tables, arrays over many lines, strings of all four kinds.

The path of a value is its keys and places from the root, as ("routes", 1, "orgs", 0); its line is
that of its key, of its table's header (the first that names it), or of its first character in an
array. Reference: TOML 1.0.0, https://toml.io/en/v1.0.0.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

__all__ = ["Path", "line_of", "locate"]

Path = tuple[str | int, ...]

_BLANK: Final = re.compile(r"[ \t]*")
_FILL: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE: Final = re.compile(r"[^,\]}#\n\r]+")
_STRINGS: Final = (
    # Up to two quotes more than the three that end it belong to the string.
    re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


def locate(text: str) -> dict[Path, int]:
    """Line (from 1) of every value and table of a valid TOML text, by path."""
    scan = _Scan(text)
    scan.document()
    return scan.lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """Line of `path`, or where it is not written of what would hold it; 0 at the root."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


class _Scan:
    """One pass from left to right; every method takes a place and returns the place behind."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[Path, int] = {}
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._sizes: dict[Path, int] = {}  # of arrays of tables: how many so far

    def document(self) -> None:
        table: Path = ()
        at = _end(_FILL, self.text, 0)
        while at < len(self.text):
            if self.text[at] == "[":
                table, at = self._header(at)
            else:
                at = self._pair(at, table)
            at = _end(_FILL, self.text, at)

    def _header(self, at: int) -> tuple[Path, int]:
        """`[a.b]` or `[[a.b]]`: the path of the table it opens."""
        many = self.text.startswith("[[", at)
        line = self._line(at)
        keys, end = self._keys(at + 1 + many)
        path: Path = ()
        for place, key in enumerate(keys, start=1):
            path = (*path, key)
            last = place == len(keys)
            if last and many:
                self._sizes[path] = self._sizes.get(path, 0) + 1
            self.lines.setdefault(path, line)
            if path in self._sizes:
                path = (*path, self._sizes[path] - 1)
                self.lines.setdefault(path, line)
        return path, end + 1 + many

    def _pair(self, at: int, table: Path) -> int:
        """`a.b = value`."""
        line = self._line(at)
        keys, at = self._keys(at)
        path = table
        for key in keys:
            path = (*path, key)
            self.lines.setdefault(path, line)
        return self._value(_end(_BLANK, self.text, at + 1), path)

    def _keys(self, at: int) -> tuple[list[str], int]:
        """The parts of a key, and the place of the first character behind it."""
        keys = []
        while True:
            at = _end(_BLANK, self.text, at)
            if self.text[at] in "\"'":
                end = self._string(at)
                keys.append(str(tomllib.loads(f"key = {self.text[at:end]}")["key"]))
            else:
                end = _end(_BARE_KEY, self.text, at)
                keys.append(self.text[at:end])
            at = _end(_BLANK, self.text, end)
            if self.text[at] != ".":
                return keys, at
            at += 1

    def _value(self, at: int, path: Path) -> int:
        first = self.text[at]
        if first in "\"'":
            return self._string(at)
        if first == "[":
            return self._array(at, path)
        if first == "{":
            return self._inline(at, path)
        return _end(_BARE_VALUE, self.text, at)

    def _array(self, at: int, path: Path) -> int:
        place = 0
        at = _end(_FILL, self.text, at + 1)
        while self.text[at] != "]":
            item = (*path, place)
            self.lines[item] = self._line(at)
            at = _end(_FILL, self.text, self._value(at, item))
            if self.text[at] == ",":
                at = _end(_FILL, self.text, at + 1)
            place += 1
        return at + 1

    def _inline(self, at: int, path: Path) -> int:
        at = _end(_BLANK, self.text, at + 1)
        while self.text[at] != "}":
            at = _end(_BLANK, self.text, self._pair(at, path))
            if self.text[at] == ",":
                at = _end(_BLANK, self.text, at + 1)
        return at + 1

    def _string(self, at: int) -> int:
        for form in _STRINGS:
            if found := form.match(self.text, at):
                return found.end()
        raise ValueError(f"line {self._line(at)}: a string that does not end")

    def _line(self, at: int) -> int:
        return bisect_right(self._starts, at)


def _end(form: re.Pattern[str], text: str, at: int) -> int:
    """Where the longest match of `form` at this place ends; `at` itself when there is none."""
    found = form.match(text, at)
    return found.end() if found else at
