"""Lists of incidents and accounts in a real browser, walked by keyboard; the fleet's figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.live.server import PageThread, start_page_thread
from tests.browser.contrast import CONTRAST, READABLE
from tests.browser.driver import Browser
from tests.browser.scene import BURST, SCRIPT, Scene
from tests.browser.test_page import live

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).resolve().parents[2] / "artifacts"
LISTS = {"incidents": "incidents?state=any", "accounts": "accounts?last=6h"}
_RESOLVED = """
INSERT INTO incident_log (incident_id, version, kind, detector, account_id, org_id, state, severity,
    started_at, last_seen_at, metric, window_s, peak_observed, expected, p_value, threshold,
    sentence, stored_at)
SELECT concat('past-', toString(number)), 1, 'quota', 'quota', 'acct-0963', 'org-42', 'resolved',
    'medium', now64(3) - toIntervalHour(number + 3), now64(3) - toIntervalHour(number + 2),
    'requests', 300, 90, 30, 3e-4, 60,
    concat('acct-0963 exhausted its daily quota by 09:10, day ', toString(number + 1)), now64(3)
FROM numbers(60)"""
_SAID = """
INSERT INTO incident_actions VALUES
    ('inc-script', now64(3), 'acknowledged', 'ann', '', ''),
    ('inc-script', now64(3), 'assigned', 'ann', 'bob', '')"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("lists"))
    made.store.command(_RESOLVED)
    made.store.command(_SAID)
    made.store.command("INSERT INTO review_log VALUES ('past-0', now64(3), 'true', 'ann', '')")
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(scene: Scene) -> Iterator[PageThread]:
    served = start_page_thread("127.0.0.1", 0, scene.status, scene.query)
    yield served
    served.stop()


def path(browser: Browser) -> str:
    return str(browser.run("return location.pathname + location.search"))


def test_incidents_are_found_beside_and_walked_by_keyboard(
    browser: Browser, page: PageThread, scene: Scene
) -> None:
    browser.go(page.url)
    live(browser)
    browser.keys("i")
    browser.wait(lambda: path(browser) == "/incidents", "the list is open")
    live(browser)
    assert browser.text("h1") == "Two unresolved incidents."
    assert browser.text("#nav [aria-current]").split() == ["Incidents", "2"]
    lines = browser.run(
        "return [...document.querySelectorAll('#incidents li')].map((e) => e.innerText)"
    )
    assert scene.sentence in lines[0]
    assert "nobody has it yet" in lines[0]
    assert "owner bob · acknowledged by ann" in lines[1]
    assert browser.run("return document.querySelectorAll('#incidents .line.hot').length") == 2
    browser.keys("jj")
    browser.keys("\ue007")
    browser.wait(lambda: path(browser) == "/incident/inc-script", "the second is open")
    assert browser.text("#nav [aria-current]").split() == ["Incidents", "2"]
    assert browser.complaints() == []


def test_incidents_are_narrowed_and_paged(browser: Browser, page: PageThread) -> None:
    browser.go(page.url + "incidents")
    live(browser)
    browser.run(
        "[...document.querySelectorAll('.tabs a')].find(a => /^resolved/.test(a.innerText)).click()"
    )
    browser.wait(lambda: "state=resolved" in path(browser), "the state is in the address")
    live(browser)
    assert browser.text("h1") == "61 resolved incidents."
    assert "true alarm, says ann" in browser.text("#incidents")
    browser.keys("]")
    browser.wait(lambda: "p=2" in path(browser), "the next page is open")
    live(browser)
    assert "26 to 50 of 61" in browser.text(".pager")
    browser.keys("[")
    browser.wait(lambda: "p=2" not in path(browser), "the first page is open")
    live(browser)
    browser.keys("/")
    browser.keys("quota by 09:10, day 7")
    browser.keys("\ue007")
    browser.wait(lambda: "q=quota" in path(browser), "what is searched is in the address")
    live(browser)
    assert browser.text("h1") == "One resolved incident about “quota by 09:10, day 7”."
    assert browser.run("return document.querySelector('[name=q]').value") == "quota by 09:10, day 7"
    assert browser.complaints() == []


def test_a_new_incident_enters_the_list_without_a_reload(
    browser: Browser, page: PageThread, scene: Scene
) -> None:
    browser.go(page.url + "incidents?state=resolved&kind=burst")
    live(browser)
    assert browser.text("h1") == "One resolved burst incident."
    scene.store.command(
        "INSERT INTO incident_log SELECT * REPLACE ('inc-new' AS incident_id) "
        "FROM incident_log AS l FINAL WHERE l.incident_id = 'inc-rtl'"
    )
    browser.wait(lambda: browser.text("h1") == "Two resolved burst incidents.", "it is listed")
    scene.store.command(
        "ALTER TABLE incident_log DELETE WHERE incident_id = 'inc-new' SETTINGS mutations_sync = 1"
    )


def test_accounts_are_found_beside_searched_and_opened(browser: Browser, page: PageThread) -> None:
    browser.go(page.url)
    live(browser)
    browser.keys("a")
    browser.wait(lambda: path(browser) == "/accounts", "the list is open")
    live(browser)
    assert browser.text("h1") == "5 accounts sent something in the last hour."
    assert browser.text("#nav [aria-current]") == "Accounts"
    first = browser.text("#accounts tbody tr").split("\t")
    assert first[0] == BURST
    assert first[7].strip() == "1", "one open incident"
    assert browser.run("return document.querySelectorAll('#accounts .spark .line.hot').length") > 0
    browser.keys("/")
    browser.keys("0963")
    browser.keys("\ue007")
    browser.wait(lambda: "q=0963" in path(browser), "what is searched is in the address")
    live(browser)
    assert browser.text("h1") == "1 account like “0963” sent something."
    browser.keys("j")
    browser.keys("\ue007")
    browser.wait(lambda: path(browser) == "/account/acct-0963", "its page is open")
    assert browser.text("#nav [aria-current]") == "Accounts"
    assert browser.complaints() == []


def test_the_fleet_is_held_against_its_usual(browser: Browser, page: PageThread) -> None:
    browser.go(page.url)
    live(browser)
    outside = "return [...document.querySelectorAll('.meters .outside')].map((e) => e.innerText)"
    # Two bursts are most of what so small a fleet sends.
    browser.wait(lambda: len(browser.run(outside)) == 2, "what is usual was read")
    words = browser.run(outside)
    assert all(re.fullmatch(r"x\d+ on the last day", text) for text in words)
    tints = browser.run(
        "const hot = getComputedStyle(document.querySelector('.meters .line.hot')).stroke;"
        "return [...document.querySelectorAll('.meters .outside')]"
        ".map((e) => getComputedStyle(e).color === hot)"
    )
    assert tints == [True, True]
    assert "Only one day before is stored" in browser.text("#fleet")
    assert re.search(r"\d pages? this shift", browser.text("#live"))
    browser.run("document.querySelector('#pages').click()")
    browser.wait(lambda: "quality" in str(browser.run("return location.pathname")), "the board")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("dark", [False, True])
def test_lists_can_be_read(page: PageThread, scene: Scene, name: str, dark: bool) -> None:
    browser = Browser(dark=dark)
    shade = "dark" if dark else "light"
    try:
        browser.go(page.url + LISTS[name])
        live(browser)
        browser.screenshot(SHOTS / f"{name}-{shade}.png")
        first = "return document.querySelector('.incident, td').getBoundingClientRect().bottom"
        assert browser.run(first) < 400, "the first line stands on the first screen"
        assert browser.run(CONTRAST, READABLE) == []
        assert SCRIPT in browser.text("main")
        assert browser.run("return document.querySelectorAll('main script').length") == 0
        browser.size(360, 740)
        wide = "return document.documentElement.scrollWidth"
        browser.wait(lambda: browser.run(wide) <= 360, "nothing hangs over the edge of a phone")
        browser.screenshot(SHOTS / f"{name}-{shade}-phone.png")
        assert browser.complaints() == []
    finally:
        browser.close()
