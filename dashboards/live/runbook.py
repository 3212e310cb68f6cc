"""The runbook as a page: what to do when a rule fires, and the queries behind the rules."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import markdown

from dashboards.live.html import Html, tag
from dashboards.live.model import Status
from dashboards.live.parts import Rendered, live_line

__all__ = ["runbook_page"]


@lru_cache(maxsize=1)  # of a file of the package
def _text() -> Html:
    """Our own words from our own file: nothing of a viewer or an event is in it."""
    source = files("dashboards").joinpath("generated", "runbook.md").read_text(encoding="utf-8")
    return Html(markdown.markdown(source, extensions=["attr_list", "fenced_code"]))


def runbook_page(status: Status) -> Rendered:
    """The page's own part."""
    whole = tag("div", live_line(status), tag("article", _text(), class_="prose"), id="view")
    return Rendered(whole, "Runbook · Usage Pulse", {"live": live_line(status)})
