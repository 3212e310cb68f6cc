"""The engine's own reading of a query: its tree (EXPLAIN AST) and its canonical text.

Behind `streams.sqlhttp.guard`, which decides by both. The canonical text (formatQuerySingleLine)
has no comments, no heredocs and one way of quoting, so the few tokens below read it exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from streams.sqlhttp.errors import SqlError

__all__ = ["Node", "Token", "clauses", "tokens", "tree"]

_TOKEN = re.compile(
    r"""
      (?P<space> \s+ )
    | (?P<string> '(?:[^'\\]|\\.)*' )
    | (?P<quoted> `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" )
    | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<number> \d[\w.]* )
    | (?P<substitution> \{[^{}]*\} )
    | (?P<other> -> | :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_CHILDREN = re.compile(r" \(children (\d+)\)\Z")
_ALIAS = re.compile(r" \(alias .*\)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """One token of canonical SQL; `text` of a quoted name is without its quotes."""

    kind: str
    text: str


@dataclass(slots=True)
class Node:
    """One line of EXPLAIN AST: its kind, what follows (a name, a literal), its children."""

    kind: str
    rest: str
    children: list[Node] = field(default_factory=list)

    def walk(self, parent: Node | None = None) -> Iterator[tuple[Node, Node | None]]:
        """Every node below and this one, each with its parent."""
        yield self, parent
        for child in self.children:
            yield from child.walk(self)


def tokens(canonical: str) -> list[Token]:
    """The tokens of canonical SQL.

    Raises:
        SqlError: a quoted name with a backslash in it (a control character, a quote): such a name
            could feign lines of the tree.
    """
    found: list[Token] = []
    for match in _TOKEN.finditer(canonical):
        kind, text = str(match.lastgroup), match.group()
        if kind == "space":
            continue
        if kind == "quoted":
            if "\\" in text:
                raise SqlError(497, f"the name {text} is not allowed: it has an escape in it")
            text = text[1:-1]
        found.append(Token(kind, text))
    return found


def tree(lines: Sequence[str]) -> Node:
    """The tree that the lines of EXPLAIN AST draw by their indentation.

    Raises:
        SqlError: the drawing is not whole: every line says how many children it has.
    """
    path: list[tuple[Node, int]] = []
    whole: list[tuple[Node, int]] = []
    for line in lines:
        text = line.lstrip(" ")
        depth = len(line) - len(text)
        counted = _CHILDREN.search(text)
        kind, _, rest = _CHILDREN.sub("", text).partition(" ")
        node = Node(kind, _ALIAS.sub("", rest) if not rest.startswith("'") else rest)
        if depth > len(path) or (depth == 0) != (not path):
            raise SqlError(497, "the engine's reading of this query cannot be followed")
        del path[depth:]
        if path:
            path[-1][0].children.append(node)
        path.append((node, int(counted[1]) if counted else 0))
        whole.append(path[-1])
    if not whole or any(len(node.children) != count for node, count in whole):
        raise SqlError(497, "the engine's reading of this query is not whole")
    return whole[0][0]


def clauses(found: Sequence[Token]) -> list[dict[str, str]]:
    """The SETTINGS clauses of a query, name to value.

    Raises:
        SqlError: a value that is no plain number, text or true/false.
    """
    result: list[dict[str, str]] = []
    for i, token in enumerate(found):
        if token == Token("name", "SETTINGS") and _text(found, i + 2) == "=":
            result.append(_clause(found, i + 1))
    return result


def _clause(found: Sequence[Token], i: int) -> dict[str, str]:
    settings: dict[str, str] = {}
    while _text(found, i + 1) == "=":
        name, value = found[i].text, found[i + 2] if i + 2 < len(found) else Token("other", "")
        plain = value.kind == "number" or value.text in ("true", "false", "True", "False")
        if not plain and value.kind != "string":
            raise SqlError(164, f"SETTINGS {name}: expected a plain value")
        text = value.text[1:-1] if value.kind == "string" else value.text
        if "\\" in text or settings.get(name, text) != text:
            raise SqlError(164, f"SETTINGS {name}: expected one plain value")
        settings[name] = text
        if _text(found, i + 3) != ",":
            break
        i += 4
    return settings


def _text(found: Sequence[Token], i: int) -> str:
    return found[i].text if i < len(found) else ""
