"""The locator against `tomllib`: every value of every TOML text has its line, and the right one.

A writer draws a document and writes it in one of the many spellings TOML has, noting the line on
which it puts each key and item. That is the line that must be found; and the paths found must be
exactly those of the values that `tomllib` reads.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.policy.locate import Path, line_of, locate

BARE = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=4)
KEYS = BARE | st.text(alphabet='ab."#[]{}=\\ é\n', max_size=5)
PLAIN = (
    st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from([0.5, -1e3, "2026-06-15", "09:00:00", "2026-06-15 09:00:00"])
    | st.text(alphabet="ab\"'\\#[]{},= \n\t", max_size=6).map(lambda text: ("text", text))
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)
TABLES = st.dictionaries(
    KEYS,
    VALUES | st.lists(st.dictionaries(KEYS, PLAIN, max_size=2), min_size=1, max_size=3),
    max_size=4,
)


class Writer:
    """Writes tables as TOML; `lines` is where it put what."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[Path, int] = {}

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def here(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def fill(self) -> None:
        """Something that says nothing, lines included."""
        self.text += self.choose("", " ", "\n", "\n\n", " # a 'comment' [x\n", '\t\n#="""\n ')

    def document(self, tables: dict[str, Any]) -> None:
        """Plain values first, as they would otherwise fall into the last table."""
        self.fill_lines()
        late = {}
        for key, value in tables.items():
            if _tables(value) and self.choose(True, False):
                late[key] = value
            else:
                self.pair((), key, value)
        for key, value in late.items():
            many = isinstance(value, list)
            for place, part in enumerate(value if many else [value]):
                self.here((key,))
                path: Path = (key, place) if many else (key,)
                self.here(path)
                name = self.choose("", " ") + self.key(key) + self.choose("", "\t")
                self.text += f"[[{name}]]" if many else f"[{name}]"
                self.text += self.choose("", " # ]]") + "\n"
                for inner, inside in part.items():
                    self.pair(path, inner, inside)

    def fill_lines(self) -> None:
        self.text += self.choose("", "\n", "# [a]\n\n", " \t\n", "\r\n")

    def pair(self, path: Path, key: str, value: Any) -> None:
        self.inner_pair(path, key, value)
        self.text += self.choose("\n", " # = 1\n", "\r\n")
        self.fill_lines()

    def inner_pair(self, path: Path, key: str, value: Any) -> None:
        """`key = value`, or `key.inner = value` for a table of one."""
        self.here((*path, key))
        self.text += self.key(key)
        path = (*path, key)
        while isinstance(value, dict) and len(value) == 1 and self.choose(True, False):
            ((key, value),) = value.items()
            path = (*path, key)
            self.here(path)
            self.text += self.choose(".", " . ", "\t.") + self.key(key)
        self.text += self.choose("=", " = ", "\t= ")
        self.value(path, value)

    def value(self, path: Path, value: Any) -> None:
        if isinstance(value, dict):
            self.text += "{" + self.choose("", " ")
            for place, (key, inner) in enumerate(value.items()):
                self.text += self.choose(",", " , ") if place else ""
                self.inner_pair(path, key, inner)
            self.text += self.choose("", " ") + "}"
        elif isinstance(value, list):
            self.text += "["
            for place, inner in enumerate(value):
                self.fill()
                self.here((*path, place))
                self.value((*path, place), inner)
                self.fill()
                self.text += "," if place + 1 < len(value) else self.choose("", ",")
            self.fill()
            self.text += "]"
        elif isinstance(value, tuple):
            self.string(value[1])
        else:
            self.text += str(value).lower() if isinstance(value, bool) else str(value)

    def string(self, text: str) -> None:
        forms = [json.dumps(text), '"""' + json.dumps(text)[1:-1].replace("\\n", "\n") + '"""']
        forms.append('"""\n' + json.dumps(text)[1:-1].replace('\\"', '"\\\n  ') + '"""')
        if "'" not in text and "\n" not in text:
            forms.append(f"'{text}'")
        if "'''" not in text and not text.endswith("'"):
            forms.append(f"'''{text}'''")
        if text.endswith("'") and not text.endswith("'''") and "'''" not in text:
            forms.append(f"'''{text}'''")  # up to five quotes at the end
        self.text += self.choose(*forms)

    def key(self, key: str) -> str:
        forms = [json.dumps(key)]
        if key and all(character in "abcXYZ019_-" for character in key):
            forms.append(key)
        if "'" not in key and "\n" not in key:
            forms.append(f"'{key}'")
        return str(self.choose(*forms))


def _tables(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return bool(parts) and all(isinstance(part, dict) for part in parts)


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Of everything in what tomllib read."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths(part, (*path, key))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from paths(part, (*path, place))


@given(tables=TABLES, data=st.data())
def test_every_value_is_found_on_its_line(tables: dict[str, Any], data: st.DataObject) -> None:
    writer = Writer(data.draw)
    writer.document(tables)
    content = tomllib.loads(writer.text)
    found = locate(writer.text)
    assert set(found) == set(paths(content))
    assert found == writer.lines


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("[a.b]\nc = 1\n[a]\nd = 2", ("a",), 1),
        ("[a.b]\nc = 1\n[a]\nd = 2", ("a", "d"), 4),
        ("[[a]]\nx = 1\n[a.b]\ny = 1\n[[a]]\n[a.b]\ny = 2", ("a", 0, "b", "y"), 4),
        ("[[a]]\nx = 1\n[a.b]\ny = 1\n[[a]]\n[a.b]\ny = 2", ("a", 1, "b", "y"), 7),
        ("[[a]]\n[[a.b]]\n[[a.b]]\nz = 1\n[[a]]\n[[a.b]]\nz = 2", ("a", 0, "b", 1, "z"), 4),
        ("[[a]]\n[[a.b]]\n[[a.b]]\nz = 1\n[[a]]\n[[a.b]]\nz = 2", ("a", 1, "b", 0, "z"), 7),
        ("a = [\n  [1,\n   2],\n  [3]]", ("a", 0, 1), 3),
        ("a = [\n  [1,\n   2],\n  [3]]", ("a", 1, 0), 4),
        ('a = """x\n"""\nb = 1', ("b",), 3),
        ('a = """x\n""\\"""""\nb = 1', ("b",), 3),
        ("a = '''x\n'''''\nb = 1", ("b",), 3),
        ("a = {b.c = 1, d = [\n1]}\ne = 1", ("a", "b", "c"), 1),
        ("a = {b.c = 1, d = [\n1]}\ne = 1", ("a", "d", 0), 2),
        ('"\\u0061".b = 1', ("a", "b"), 1),
        ("a = 1\r\nb = 2\r\n", ("b",), 2),
        ("a = 1979-05-27 07:32:00 # x\nb = 2", ("b",), 2),
    ],
)
def test_spellings_that_are_easy_to_get_wrong(text: str, path: Path, line: int) -> None:
    tomllib.loads(text)
    found = locate(text)
    assert found[path] == line
    assert set(found) == set(paths(tomllib.loads(text)))


def test_what_is_not_written_is_where_it_would_be() -> None:
    lines = locate("a = 1\n[b]\n[b.c]\n")
    assert line_of(lines, ("b", "c", "d")) == 3
    assert line_of(lines, ("b", "x")) == 2
    assert line_of(lines, ("x",)) == 0
    assert line_of(lines, ()) == 0
