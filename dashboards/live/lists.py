"""What the lists of the console share: what an address asks for, the form above a list, its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from dashboards.live.html import Child, Html, tag
from dashboards.live.words import count

__all__ = ["address", "beyond", "form", "page_of", "pager", "search", "text_of"]

_LONGEST: Final = 256
_MOST_PAGES: Final = 100_000


def text_of(query: Mapping[str, str], name: str) -> str:
    """What an address says under a name; empty where it says nothing."""
    return query.get(name, "").strip()[:_LONGEST]


def page_of(query: Mapping[str, str]) -> int:
    """The page that an address asks for, from 1; nonsense means the first."""
    page = text_of(query, "p")
    return min(max(int(page), 1), _MOST_PAGES) if page.isascii() and page.isdigit() else 1


def address(path: str, values: Mapping[str, str | int]) -> str:
    """Where a list with these values is; empty ones are left out."""
    carried = urlencode({name: value for name, value in values.items() if value})
    return path + (f"?{carried}" if carried else "")


def search(name: str, text: str, placeholder: str) -> Html:
    """The field to search in, the one that the key `/` goes to."""
    field = tag(
        "input",
        type="search",
        name="q",
        value=text,
        placeholder=placeholder,
        maxlength=_LONGEST,
        size=18,
        data_search=True,
    )
    return tag("label", f"{name} ", field)


def form(path: str, fields: Sequence[Child], clear: str | None, *hidden: Child) -> Html:
    """Without script: what is chosen goes into the address; `clear` leads to where nothing is."""
    parts = [
        *fields,
        tag("button", "Show", class_="button", type="submit"),
        tag("a", "Clear", href=clear) if clear else None,
        *hidden,
    ]
    return tag("form", parts, method="get", action=path, class_="choices", role="search")


def pager(page: int, size: int, here: int, number: int, address: Callable[..., str]) -> Html | None:
    """The way to the pages before and after, None where one holds all: `here` of `number` lines
    stand on this one, `address(p=page)` is where another is."""
    if number <= size:
        return None
    first = (page - 1) * size + 1
    back = address(p=page - 1 if page > 2 else "")
    before = tag("a", "Previous", href=back, rel="prev", class_="button")
    after = tag("a", "Next", href=address(p=page + 1), rel="next", class_="button")
    return tag(
        "nav",
        tag("span", f"{count(first)} to {count(first + here - 1)} of {count(number)}"),
        before if page > 1 else None,
        after if first + here <= number else None,
        class_="pager",
        aria_label="Pages",
    )


def beyond(page: int, address: Callable[..., str]) -> Html:
    """What stands on a page after the last."""
    first = tag("a", "the first page", href=address(p=""))
    return tag("p", f"There is no page {page}: see ", first, ".", class_="muted")
