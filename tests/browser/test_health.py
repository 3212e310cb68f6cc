"""The page Health in a real browser: trouble comes and goes without a reload, links lead on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.live.server import PageThread, start_page_thread
from tests.browser.contrast import CONTRAST, READABLE
from tests.browser.driver import Browser
from tests.browser.scene import SCRIPT, Scene
from tests.browser.test_page import live
from tests.support.board_store import fill

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).resolve().parents[2] / "artifacts"
MINUTE = 60_000
STATES = "return [...document.querySelectorAll('.checks li')].map((e) => e.className)"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("health"))
    fill(made.store)
    yield made
    made.close()


@pytest.fixture
def page(scene: Scene) -> Iterator[PageThread]:
    scene.reset()
    served = start_page_thread("127.0.0.1", 0, scene.status, scene.query)
    yield served
    served.stop()


def trouble(scene: Scene) -> dict[str, Any]:
    """Partition 2 does not get on, and somebody wrote a wrong policy."""
    parts = scene.status()["partitions"]
    parts[2] |= {"watermark": scene.now - 4 * MINUTE, "lag": 12_345}
    ruling = {"version": "p1", "problem": f"policy.toml line 3: {SCRIPT}", "budget": None}
    return {"partitions": parts, "watermark": scene.now - 4 * MINUTE, "policy": ruling}


def test_trouble_comes_first_leads_to_the_runbook_and_goes(
    browser: Browser, page: PageThread, scene: Scene
) -> None:
    browser.go(page.url)
    live(browser)
    browser.keys("h")
    browser.wait(lambda: browser.run("return location.pathname") == "/health", "it is open")
    live(browser)
    assert browser.text("#nav [aria-current]") == "Health"
    # What lies in the store: a span without sight half an hour ago, a channel that refuses.
    assert browser.text("h1").startswith("One span was not seen in the last 24 hours")
    scene.change(**trouble(scene))
    late = "Partition 2 is scored 4 min late, with 12,345 messages behind."
    browser.wait(lambda: browser.text("h1") == late, "trouble is told without a reload")
    assert browser.text("#nav [aria-current]").split() == ["Health", "!"]
    states = browser.run(STATES)
    order = ["off", "watch", "unknown", "well", "told"]
    assert states == sorted(states, key=order.index)
    assert "Since " in browser.text(".checks li")
    assert browser.run("return document.querySelectorAll('.cells .blind').length") in (1, 2)
    assert browser.run("return document.querySelectorAll('main script').length") == 0
    scene.reset()
    browser.wait(lambda: browser.text("h1").startswith("One span"), "it is over")
    scene.change(**trouble(scene))
    browser.wait(lambda: browser.text("h1") == late, "and comes again")
    browser.keys("j")
    browser.keys("\ue007")
    browser.wait(lambda: browser.run("return location.pathname") == "/runbook", "what to do")
    target = browser.run("return document.querySelector(':target').innerText")
    assert target == "Events are stored late"
    assert browser.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_in_light_and_dark_and_on_a_phone(
    page: PageThread, scene: Scene, dark: bool
) -> None:
    scene.change(**trouble(scene))
    browser, shade = Browser(dark=dark), "dark" if dark else "light"
    try:
        browser.go(page.url + "health")
        live(browser)
        browser.screenshot(SHOTS / f"health-trouble-{shade}.png")
        assert browser.run(CONTRAST, READABLE) == []
        assert SCRIPT in browser.text("main")
        browser.size(360, 740)
        wide = "return document.documentElement.scrollWidth"
        browser.wait(lambda: browser.run(wide) <= 360, "nothing hangs over the edge of a phone")
        browser.screenshot(SHOTS / f"health-trouble-{shade}-phone.png")
        cells = browser.run(
            "return document.querySelector('.cells i').getBoundingClientRect().width"
        )
        assert cells >= 2
        assert browser.complaints() == []
    finally:
        browser.close()
