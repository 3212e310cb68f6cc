"""What the console writes, and who may: over real HTTP, on a real store."""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from dashboards.live.server import Page, start_page
from streams.alerting.people import People, perform
from tests.browser.scene import BURST, Scene

Test = Callable[..., Coroutine[Any, Any, None]]


def in_loop(test: Test) -> Callable[..., None]:
    """Run an async test in a loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


WORD = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@pytest.fixture(scope="module")
def _scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("writes") / "data")
    yield scene
    scene.close()


@pytest.fixture
def scene(_scene: Scene) -> Scene:
    for table in ("incident_actions", "review_log", "suppression_log"):
        _scene.store.command(f"TRUNCATE TABLE {table}")
    return _scene


@asynccontextmanager
async def served(scene: Scene, host: str = "127.0.0.1", token: str = "") -> AsyncIterator[Page]:
    people = People(scene.store, lambda: time.time_ns() // 1_000_000)

    async def act(message: Mapping[str, Any]) -> str:
        return await asyncio.to_thread(perform, people, message)

    page = await start_page(host, 0, scene.status, scene.query, act, token)
    try:
        yield page
    finally:
        await page.stop()


@asynccontextmanager
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address without a name
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield session


async def word_of(client: aiohttp.ClientSession, page: Page) -> str:
    async with client.get(page.url + "incident/inc-burst") as answer:
        found = WORD.search(await answer.text())
    assert found is not None
    return found[1]


async def post(
    client: aiohttp.ClientSession, page: Page, form: Mapping[str, str], **headers: str
) -> tuple[int, str]:
    origin = {"Origin": page.url.rstrip("/")} | headers
    async with client.post(
        page.url + "act", data=form, headers=origin, allow_redirects=False
    ) as answer:
        return answer.status, await answer.text()


def rows(scene: Scene, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.store.query(f"SELECT * FROM {table}").to_pylist()
    return found


FORM = {"do": "acknowledge", "incident_id": "inc-burst", "by": "ann"}


@in_loop
async def test_a_button_writes_and_the_page_shows_it(scene: Scene) -> None:
    async with served(scene) as page, browser() as client:
        word = await word_of(client, page)
        assert (await post(client, page, FORM | {"csrf": word}))[0] == 303
        assert (await post(client, page, FORM | {"csrf": word, "do": "label:true"}))[0] == 303
        assert (await post(client, page, FORM | {"csrf": word, "do": "assign"}))[0] == 303
        async with client.get(page.url + "incident/inc-burst") as answer:
            text = await answer.text()
    assert {(row["action"], row["by"]) for row in rows(scene, "incident_actions")} == {
        ("acknowledged", "ann"),
        ("assigned", "ann"),
    }
    assert [row["label"] for row in rows(scene, "review_log")] == ["true"]
    assert "What people did" in text
    assert 'value="ann"' in text  # remembered for the next form
    assert 'aria-pressed="true"' in text


@in_loop
async def test_a_silence_is_of_this_account_by_name(scene: Scene) -> None:
    form = {
        "do": "silence",
        "incident_id": "inc-burst",
        "account_id": BURST + "*",
        "kind": "burst",
        "scope": "account-kind",
        "hours": "8",
        "reason": "load test",
        "by": "ann",
    }
    async with served(scene) as page, browser() as client:
        word = await word_of(client, page)
        assert (await post(client, page, form | {"csrf": word}))[0] == 303
        status, said = await post(client, page, form | {"csrf": word, "reason": " "})
        assert (status, "needs a reason" in said) == (400, True)
        status, said = await post(client, page, form | {"csrf": word, "hours": "x"})
        assert (status, "number of hours" in said) == (400, True)
        none = {"scope": "org", "org_id": ""}
        status, said = await post(client, page, form | none | {"csrf": word})
        assert (status, "nobody is named" in said) == (400, True)
    (row,) = rows(scene, "suppressions")
    assert row["accounts"] == [BURST + "[*]"]
    now = time.time_ns() // 1_000_000
    people = People(scene.store, lambda: now)
    assert people.silenced_by(BURST + "*", "", "burst", now)
    assert not people.silenced_by(BURST + "7", "", "burst", now)


@pytest.mark.parametrize(
    ("change", "headers", "said"),
    [
        ({"csrf": "0" * 64}, {}, "not from this page"),
        ({"csrf": ""}, {}, "not from this page"),
        ({}, {"Origin": "http://evil.example"}, "another site"),
        ({}, {"Origin": "null"}, "another site"),
        ({}, {"Origin": ""}, "another site"),
    ],
)
@in_loop
async def test_forged_forms_are_refused(
    scene: Scene, change: dict[str, str], headers: dict[str, str], said: str
) -> None:
    async with served(scene) as page, browser() as client:
        word = await word_of(client, page)
        status, text = await post(client, page, FORM | {"csrf": word} | change, **headers)
    assert status == 403
    assert said in text
    assert rows(scene, "incident_actions") == []


@in_loop
async def test_another_browsers_word_does_not_count(scene: Scene) -> None:
    async with served(scene) as page, browser() as one, browser() as other:
        stolen = await word_of(one, page)
        await word_of(other, page)
        assert (await post(other, page, FORM | {"csrf": stolen}))[0] == 403
        async with aiohttp.ClientSession(cookies={"pulse_session": "made.up"}) as forger:
            status, text = await post(forger, page, FORM | {"csrf": stolen})
        assert (status, "no session" in text) == (403, True)
    assert rows(scene, "incident_actions") == []


@in_loop
async def test_what_cannot_be_done_is_said(scene: Scene) -> None:
    async with served(scene) as page, browser() as client:
        word = await word_of(client, page)
        for change, said in (
            ({"do": "drop"}, "action 'drop'"),
            ({"incident_id": "nobody"}, "there is none of this id"),
            ({"by": ""}, "a name is missing"),
        ):
            status, text = await post(client, page, FORM | {"csrf": word} | change)
            assert (status, said in text) == (400, True), text
        async with client.get(page.url + "act") as answer:
            assert answer.status == 405


@in_loop
async def test_elsewhere_a_token_is_asked_for(scene: Scene) -> None:
    async with served(scene, "0.0.0.0", "the-token") as page, browser() as client:
        html = {"Accept": "text/html"}
        async with client.get(page.url, headers=html, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/login")
        for path in ("status.json", "events", "incident/inc-burst", "board/oncall"):
            async with client.get(page.url + path) as answer:
                assert answer.status == 401, path
        async with client.get(page.url + "healthz") as answer:
            assert answer.status in (200, 503)
        async with client.post(page.url + "login", data={"token": "wrong"}) as answer:
            assert answer.status == 403
        async with client.post(page.url + "login", data={"token": "the-token"}) as answer:
            assert answer.status == 200
        word = await word_of(client, page)
        assert (await post(client, page, FORM | {"csrf": word}))[0] == 303
    assert len(rows(scene, "incident_actions")) == 1


@in_loop
async def test_elsewhere_without_a_token_nothing_can_be_written(scene: Scene) -> None:
    async with served(scene, "0.0.0.0") as page, browser() as client:
        async with client.get(page.url + "incident/inc-burst") as answer:
            assert answer.status == 200
            assert WORD.search(await answer.text()) is None
        status, _ = await post(client, page, FORM)
    assert status == 403
    assert rows(scene, "incident_actions") == []
