"""The page in a real browser, on a store filled with rows, beside a worker that moves on.

Screenshots of every state are left in artifacts/ to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.live.server import PageThread, start_page_thread
from tests.browser.contrast import CONTRAST, READABLE
from tests.browser.driver import Browser
from tests.browser.scene import BURST, RIGHT_TO_LEFT, SCRIPT, Scene

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).resolve().parents[2] / "artifacts"
PAGES = {
    "pulse": "",
    "incident": "incident/inc-burst",
    "account": f"account/{BURST}",
    "odd-incident": "incident/inc-script",
    "health": "health",
}


@pytest.fixture(scope="module")
def _day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("store"))
    yield scene
    scene.close()


@pytest.fixture
def scene(_day: Scene) -> Scene:
    _day.reset()
    return _day


@pytest.fixture
def page(scene: Scene) -> Iterator[PageThread]:
    served = start_page_thread("127.0.0.1", 0, scene.status, scene.query)
    yield served
    served.stop()


@pytest.fixture(scope="module")
def dark() -> Iterator[Browser]:
    browser = Browser(dark=True)
    yield browser
    browser.close()


def live(browser: Browser) -> None:
    """The first update has arrived."""
    loaded = "return performance.getEntriesByType('resource').length > 1 && source.readyState === 1"
    browser.wait(lambda: bool(browser.run(loaded)), "the page is live")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_loads_without_a_complaint(
    browser: Browser, page: PageThread, name: str
) -> None:
    browser.go(page.url + PAGES[name])
    live(browser)
    browser.screenshot(SHOTS / f"{name}.png")
    assert browser.complaints() == []


def test_the_known_incident_is_told_and_leads_to_its_page(
    browser: Browser, page: PageThread, scene: Scene
) -> None:
    browser.go(page.url)
    assert browser.text("h1") == "Two incidents need you."
    assert scene.sentence in browser.text("#incidents")
    assert "high, burst, 1 in 90,000 by chance" in browser.text("#incidents")
    assert browser.run("return document.querySelectorAll('#incidents .line.hot').length") == 3
    live(browser)
    browser.keys("j")
    browser.keys("\ue007")
    browser.wait(lambda: browser.text("h1") == scene.sentence, "the incident's page is open")
    text = browser.text("main")
    for words in ("silent below 118", "SELECT count() AS observed", "What drove it", "own tail p"):
        assert words in text
    assert "Who saw it" in text
    assert "1 in 100" in browser.text("#seen")
    highest = browser.run(
        "return Math.max(...JSON.parse(document.querySelector('.plot').dataset.series)"
        ".map((p) => p[1]))"
    )
    observed = scene.incidents[0]["observed"]
    assert highest == pytest.approx(observed, rel=0.1)
    assert f"Returns {observed:,.0f}: the finding of" in text
    again = scene.store.query(browser.text("#sql"))
    assert again["observed"].to_pylist() == [observed]


def test_it_stays_current_without_a_reload(
    browser: Browser, page: PageThread, scene: Scene
) -> None:
    browser.go(page.url)
    live(browser)
    browser.run("window.same = true; document.querySelector('#partitions summary').focus();")
    browser.run("document.querySelector('#partitions').open = true")
    scene.change(rate=9876.0, lag=77, incidents=scene.incidents[:1])
    browser.wait(lambda: "9,876" in browser.text("#fleet"), "the rate moved")
    assert "77" in browser.text("#trust")
    assert browser.text("h1") == "One incident needs you."
    assert browser.run("return document.title") == "(1) Usage Pulse"
    assert browser.text("nav .badge") == "1"
    assert browser.run("return window.same && document.querySelector('#partitions').open")
    assert browser.run("return document.activeElement.tagName") == "SUMMARY"
    scene.change(incidents=[])
    browser.wait(lambda: browser.text("h1") == "All clear.", "the incident is gone")
    assert "appears here within seconds" in browser.text("#detail")
    browser.screenshot(SHOTS / "all-clear.png")
    assert browser.complaints() == []


def test_all_clear_is_withheld_and_blind_spans_are_hatched(
    browser: Browser, page: PageThread, scene: Scene
) -> None:
    started = scene.now - 240_000
    gap = {"started_at": started, "ended_at": started + 90_000}
    words = "Blind for 90 s on partition 3: nothing there counts as all clear"
    scene.change(incidents=[], gaps=[{**gap, "sentence": words}])
    browser.go(page.url)
    assert browser.text("h1") == "Quiet, but not all clear."
    assert words in browser.text("#detail")
    blind = browser.run("return document.querySelectorAll('.cells .blind').length")
    assert 9 <= blind <= 10
    assert browser.run("return document.querySelectorAll('#chart-fleet .hatch').length") == 1
    drawn = "return document.querySelectorAll('.meters .spark').length"
    hatched = "return document.querySelectorAll('.meters .spark .hatch').length"
    assert browser.run(drawn) == browser.run(hatched) == 4
    browser.screenshot(SHOTS / "blind.png")


def test_hostile_and_foreign_names_stay_names(
    browser: Browser, page: PageThread, scene: Scene
) -> None:
    browser.go(page.url)
    live(browser)
    assert SCRIPT in browser.text("#incidents")
    assert browser.run("return document.querySelectorAll('main script').length") == 0
    browser.run(
        "[...document.querySelectorAll('#hottest a')].find(a => a.innerText[0]=='<').click()"
    )
    browser.wait(lambda: "/account/" in str(browser.run("return location.pathname")), "it opens")
    live(browser)
    assert browser.text("h1").startswith(
        f"{SCRIPT} sent {scene.incidents[1]['observed']:,.0f} requests"
    )
    browser.go(page.url + "account/" + RIGHT_TO_LEFT)
    assert browser.text("h1") == f"{RIGHT_TO_LEFT} sent " + browser.text("h1").split(" sent ")[1]
    # The name is drawn at the left edge, before the English words: its direction does not spill.
    order = browser.run(
        "const n = document.querySelector('h1 bdi').getBoundingClientRect();"
        "return n.left - document.querySelector('h1').getBoundingClientRect().left"
    )
    assert order == pytest.approx(0, abs=1)
    browser.screenshot(SHOTS / "right-to-left.png")
    assert browser.complaints() == []


def test_times_are_the_viewers_with_utc_on_hover(browser: Browser, page: PageThread) -> None:
    browser.go(page.url + "incident/inc-burst")
    found = browser.run(
        "const t = document.querySelector('#happened time');"
        "return [t.innerText, t.title, new Date(t.dateTime).toISOString()]"
    )
    assert found[1] == found[2][:10] + " " + found[2][11:19] + " UTC"
    hour, minute = int(found[2][11:13]), int(found[2][14:16])
    shifted = (hour * 60 + minute + 330) % 1440
    assert found[0].startswith(f"{shifted // 60:02d}:{shifted % 60:02d}")


def test_a_chart_is_read_with_keys_and_as_a_table(browser: Browser, page: PageThread) -> None:
    browser.go(page.url + "incident/inc-burst")
    live(browser)
    label = browser.run("return document.querySelector('.plot').getAttribute('aria-label')")
    assert "requests in 5 minutes" in label
    assert "silent below 118" in label
    browser.run("document.querySelector('.plot').focus()")
    browser.keys("\ue012")
    assert "requests in 5 minutes" in browser.text(".readout")
    before = browser.text(".readout")
    browser.keys("\ue012")
    assert browser.text(".readout") != before
    browser.screenshot(SHOTS / "readout.png")
    browser.run("document.querySelector('#table-incident summary').click()")
    assert browser.run("return document.querySelectorAll('#table-incident tbody tr').length") > 30


def test_a_page_that_lost_its_worker_says_so_and_recovers(browser: Browser, scene: Scene) -> None:
    served = start_page_thread("127.0.0.1", 0, scene.status, scene.query)
    port = int(served.url.rstrip("/").rpartition(":")[2])
    browser.go(served.url)
    live(browser)
    served.stop()
    lost = "return !document.querySelector('#lost').hidden"
    browser.wait(lambda: bool(browser.run(lost)), "the page says it is not current")
    assert "Not current" in browser.text("#lost")
    browser.screenshot(SHOTS / "lost.png")
    again = start_page_thread("127.0.0.1", port, scene.status, scene.query)
    try:
        browser.wait(lambda: not browser.run(lost), "the page is current again")
    finally:
        again.stop()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("shade", ["light", "dark"])
def test_text_can_be_read_on_its_ground(
    request: pytest.FixtureRequest, page: PageThread, name: str, shade: str
) -> None:
    browser: Browser = request.getfixturevalue(shade)
    browser.size(1440, 900)
    browser.go(page.url + PAGES[name])
    live(browser)
    browser.screenshot(SHOTS / f"{name}-{shade}.png")
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (int(ground[4:].split(",")[0]) < 60) == (shade == "dark")
    assert browser.run(CONTRAST, READABLE) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_everything_without_scrolling_sideways(
    browser: Browser, page: PageThread, name: str
) -> None:
    browser.size(360, 740)
    browser.go(page.url + PAGES[name])
    live(browser)
    browser.screenshot(SHOTS / f"{name}-phone.png")
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    assert browser.run("return getComputedStyle(document.querySelector('main')).fontSize") >= "14px"


def test_keys_are_told(browser: Browser, page: PageThread) -> None:
    browser.go(page.url + "incident/inc-burst")
    live(browser)
    browser.keys("?")
    assert "back to Pulse" in browser.text("#keys")
    browser.keys("?")
    browser.keys("p")
    browser.wait(lambda: browser.run("return location.pathname") == "/", "back on Pulse")
