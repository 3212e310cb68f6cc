"""Markup that cannot be forgotten to be escaped; every page of the console is built from it.

Text is escaped when it enters a tag. What a strict content policy would block in the browser anyway
(inline scripts, event attributes, style attributes, addresses outside this server) is refused here.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Child", "Html", "document", "join", "tag"]


@dataclass(frozen=True, slots=True)
class Html:
    """Finished markup; only this module makes it."""

    text: str

    def __str__(self) -> str:
        return self.text


Child = Html | str | int | float | None | Iterable["Child"]
Attribute = str | int | float | bool | None

_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_RAW_TEXT = frozenset({"script", "style"})
_ADDRESSES = frozenset({"href", "src", "action", "formaction"})
# C0 and C1 control characters and DEL as visible pictures: a browser would drop or misread them.
_CONTROLS = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A, 0x0D)}
_CONTROLS |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """`<name attributes>children</name>`; `class_` is `class`, `data_ms` is `data-ms`.

    None and False leave an attribute out, True writes it bare.

    Raises:
        ValueError: an attribute or child that could run a script or leave this server.
    """
    if name in _RAW_TEXT and children:
        raise ValueError(f"<{name}> takes no content: put it into a file under static/")
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(children).text}</{name}>")


def join(children: Child) -> Html:
    """The children one after the other, each escaped unless it is markup already."""
    if isinstance(children, Html):
        return children
    if children is None:
        return Html("")
    if isinstance(children, str):
        return Html(_escape(children))
    if isinstance(children, int | float):
        return Html(_escape(str(children)))
    return Html("".join(join(child).text for child in children))


def document(root: Html) -> str:
    """The whole page as it goes over the wire."""
    return "<!doctype html>\n" + root.text


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if name.startswith("on") or name == "style":
        raise ValueError(f"attribute {name!r} is refused: scripts and styles live under static/")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = str(value)
    local = text.startswith(("/", "#", "?")) and not text.startswith(("//", "/\\"))
    if name in _ADDRESSES and not local:
        raise ValueError(f"attribute {name!r} must be an address on this server, got {text!r}")
    return f' {name}="{_escape(text)}"'


def _escape(text: str) -> str:
    return html.escape(text.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8"))
