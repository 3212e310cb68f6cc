"""Markup: whatever an account is called, it stays text; what could run is refused."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.live.html import Html, document, join, tag
from dashboards.live.parts import account_path, named


class _Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.data = ""

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.attributes |= dict(attributes)

    def handle_data(self, data: str) -> None:
        self.data += data


def _read(markup: Html) -> _Read:
    reader = _Read()
    reader.feed(markup.text)
    reader.close()
    return reader


@given(st.text())
def test_any_text_stays_text(text: str) -> None:
    read = _read(tag("p", text, title=text, data_name=text))
    assert read.tags == ["p"]
    assert set(read.attributes) == {"title", "data-name"}
    assert "\x00" not in read.data
    assert "\x1b" not in read.data


def test_text_is_escaped_once_and_markup_not_again() -> None:
    inner = tag("b", "<&>")
    assert join([inner, " ", 3, None]).text == "<b>&lt;&amp;&gt;</b> 3"


@pytest.mark.parametrize("attribute", [{"onclick": "x()"}, {"style": "color:red"}])
def test_attributes_a_strict_policy_would_block_are_refused(attribute: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="refused"):
        tag("p", "x", **attribute)


@pytest.mark.parametrize("href", ["javascript:alert(1)", "//elsewhere", "/\\elsewhere", "http://x"])
def test_addresses_stay_on_this_server(href: str) -> None:
    with pytest.raises(ValueError, match="on this server"):
        tag("a", "x", href=href)


def test_inline_scripts_are_refused() -> None:
    with pytest.raises(ValueError, match="static"):
        tag("script", "alert(1)")
    assert document(tag("html")).startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("account", "path"),
    [
        ("acct-1", "/account/acct-1"),
        ("a/b?c#d", "/account/a%2Fb%3Fc%23d"),
        ("..", "/account/?id=.."),
        ("//evil", "/account/%2F%2Fevil"),
    ],
)
def test_every_account_has_an_address(account: str, path: str) -> None:
    assert account_path(account) == path


def test_a_name_is_isolated_wherever_it_stands_in_the_sentence() -> None:
    assert named("حساب sent 3", "حساب").text == "<span><bdi>حساب</bdi> sent 3</span>"
    assert named("3 accounts", "other").text == "<span>3 accounts</span>"
