"""The console in a real browser: boards, groups, buttons and questions, without a complaint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.live.server import PageThread, start_page_thread
from streams.alerting.people import People, perform
from streams.storage.readers import EmbeddedReader
from tests.browser.driver import Browser
from tests.browser.ring import CLUSTER, SENTENCE, store_ring
from tests.browser.scene import Scene
from tests.support.board_store import fill

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).resolve().parents[2] / "artifacts"
BOARDS = ("oncall", "account", "clusters", "content", "quotas", "quality", "pipeline")
#: Charts over time that do not show, in plotly's own picture, where the pipeline was blind.
UNHATCHED = """
  return [...document.querySelectorAll('[data-figure]')].filter((place) => {
    if (!['time', 'strip', 'raster'].includes(JSON.parse(place.dataset.figure).kind)) return false;
    const filled = [...place.querySelectorAll('.js-fill')].some(
      (e) => getComputedStyle(e).fill.includes('url(') && e.getBoundingClientRect().width > 1);
    const named = [...place.querySelectorAll('.legendtext')].some((e) => e.textContent === 'blind');
    return !(filled && named && place.getAttribute('aria-label').includes('Blind '));
  }).map((place) => place.id);
"""
DRAWN = "return [...document.querySelectorAll('[data-figure]')].map((e) => e.dataset.drawn)"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("console") / "data")
    fill(made.store)
    store_ring(made.store, made.now)
    made.store.command(
        "INSERT INTO pipeline_gaps VALUES ('g2', 's', 1, 10, 20, now64(3) - toIntervalMinute(90), "
        "now64(3) - toIntervalMinute(84), 'lost', 'ten messages were gone')"
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(scene: Scene) -> Iterator[PageThread]:
    people = People(scene.store, lambda: time.time_ns() // 1_000_000)

    async def act(message: Mapping[str, Any]) -> str:
        return await asyncio.to_thread(perform, people, message)

    with EmbeddedReader(Path(scene.store.directory)) as reader:

        async def ask(sql: str, format: str) -> bytes:
            return await asyncio.to_thread(reader.text, sql, format)

        served = start_page_thread("127.0.0.1", 0, scene.status, scene.query, act, "", ask)
        yield served
        served.stop()


def drawn(browser: Browser) -> None:
    def ready() -> bool:
        states = browser.run(DRAWN)
        return bool(states) and all(state is not None for state in states)

    browser.wait(ready, "every picture is drawn", 60)
    assert set(browser.run(DRAWN)) == {"yes"}


@pytest.mark.parametrize("name", BOARDS)
def test_boards(light: Browser, page: PageThread, name: str) -> None:
    chosen = {"account": "?var-account=acct-0417", "clusters": f"?var-cluster={CLUSTER}"}
    light.go(page.url + f"board/{name}{chosen.get(name, '')}")
    asked = "return document.querySelectorAll('.panel .waiting').length"
    light.wait(lambda: light.run(asked) == 0, "every panel has its answer", 30)
    if light.run("return document.querySelector('[data-figure]') !== null"):
        drawn(light)
    assert light.complaints() == []
    assert light.run(UNHATCHED) == []
    assert "on partition 2: nothing there counts as all clear" in light.text("#blind")
    told = light.run("return document.querySelectorAll('.panel table, .panel .empty').length")
    assert told > 0
    light.screenshot(SHOTS / f"board-{name}.png")


#: Cells whose text is squeezed: names and times that break, sentences of a word or two a line.
SQUEEZED = """
  const found = [];
  for (const cell of document.querySelectorAll('.panel tbody td:not(.number)')) {
    const text = cell.innerText.trim();
    const range = document.createRange();
    range.selectNodeContents(cell);
    const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
    if (text && text.length / tops.size < Math.min(text.length, 12)) found.push(text);
  }
  return found;
"""


@pytest.mark.parametrize("name", ["clusters", "oncall", "quality", "pipeline"])
@pytest.mark.parametrize("width", [390, 1000, 1440])
def test_tables_of_boards_give_words_room(
    light: Browser, page: PageThread, name: str, width: int
) -> None:
    light.size(width, 900)
    light.go(page.url + f"board/{name}?var-cluster={CLUSTER}")
    try:
        assert light.run("return document.querySelectorAll('.panel td').length") > 0
        assert light.run(SQUEEZED) == []
        assert light.run("return document.documentElement.scrollWidth") <= width
        light.screenshot(SHOTS / f"board-{name}-{width}.png")
    finally:
        light.size(1440, 900)


def test_a_board_is_narrowed_by_its_form(light: Browser, page: PageThread) -> None:
    light.go(page.url + "board/quotas")
    light.run(
        "const f = document.querySelector('.choices'); f.elements['last'].value = '24h';"
        "f.elements['var-model'].value = 'nobody'; f.requestSubmit()"
    )
    light.wait(
        lambda: "var-model=nobody" in light.run("return location.search"), "the address says it"
    )
    light.wait(
        lambda: "Nobody was refused ten times." in light.text("main"), "empty panels say what for"
    )
    assert light.run("return document.querySelector('[name=last]').value") == "24h"
    assert light.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_ring_is_seen(scene: Scene, page: PageThread, dark: bool) -> None:
    browser = Browser(dark=dark)
    try:
        browser.go(page.url + f"cluster/{CLUSTER}")
        drawn(browser)
        assert browser.text("h1") == SENTENCE
        assert browser.text("#members").count("joined today") == 6
        assert browser.run(UNHATCHED) == []
        assert "24 accounts" in browser.run(
            "return document.querySelector('#figure-graph').getAttribute('aria-label')"
        )
        assert browser.complaints() == []
        browser.screenshot(SHOTS / f"cluster-{'dark' if dark else 'light'}.png")
        browser.size(390, 800)
        wide = "return document.documentElement.scrollWidth"
        browser.wait(lambda: browser.run(wide) <= 390, "nothing hangs over the edge of a phone")
        browser.screenshot(SHOTS / f"cluster-{'dark' if dark else 'light'}-phone.png")
    finally:
        browser.close()


def test_somebody_takes_an_incident(scene: Scene, page: PageThread, light: Browser) -> None:
    light.go(page.url + "incident/inc-burst")
    light.run(
        "document.querySelector('.do [name=by]').value = 'ann';"
        "document.querySelector('.do [value=acknowledge]').click()"
    )
    light.wait(lambda: "ann acknowledged" in light.text("main"), "the page says who did")
    light.run("document.querySelector('.do [value=\"label:true\"]').click()")
    light.wait(
        lambda: light.run(
            "return document.querySelector('[value=\"label:true\"]').ariaPressed === 'true'"
        ),
        "the label is shown",
    )
    assert light.run("return document.querySelector('.do [name=by]').value") == "ann"
    assert light.complaints() == []
    rows = scene.store.query("SELECT label, by FROM reviews WHERE incident_id = 'inc-burst'")
    assert rows.to_pylist() == [{"label": "true", "by": "ann"}]
    light.screenshot(SHOTS / "incident-taken.png")


def test_an_analyst_asks(page: PageThread, light: Browser) -> None:
    light.go(page.url + "sql")
    light.run("document.querySelector('#saved [data-question]').click()")
    assert "SELECT" in light.run("return document.querySelector('#q').value")
    light.run(
        "document.querySelector('#q').value = \"SELECT toStartOfHour(ts) AS at, count() AS n "
        'FROM events GROUP BY at ORDER BY at";'
        "document.querySelector('.ask').requestSubmit()"
    )
    light.wait(lambda: "rows in" in light.text("main"), "the answer is there")
    drawn(light)
    assert light.complaints() == []
    light.screenshot(SHOTS / "sql.png")
    light.run(
        "document.querySelector('#q').value = 'SELECT a b c';"
        "document.querySelector('.ask').requestSubmit()"
    )
    light.wait(lambda: "ClickHouse says no" in light.text("main"), "what is wrong is said")
    assert light.text("mark") == "c"
    light.complaints()  # the 400 itself is one


def test_the_runbook(page: PageThread, light: Browser) -> None:
    light.go(page.url + "runbook#blind")
    assert "Part of the stream was not seen" in light.text("#blind")
    assert light.complaints() == []
