"""The console's page for analysts, over real HTTP, answered by the embedded engine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dashboards.live.server import start_page
from dashboards.live.sql import marked
from streams.storage.readers import EmbeddedReader
from tests.browser.scene import Scene

WORD = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Analyst:
    """A browser on the page: what it asks, and what comes back."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self.client, self.url = client, url

    async def ask(self, question: str, path: str = "sql", **more: str) -> tuple[int, str]:
        async with self.client.get(self.url + "sql") as answer:
            found = WORD.search(await answer.text())
        assert found is not None
        form = {"q": question, "csrf": found[1]} | more
        headers = {"Origin": self.url.rstrip("/")}
        async with self.client.post(self.url + path, data=form, headers=headers) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def analyst(scene: Scene, reader: EmbeddedReader) -> AsyncIterator[Analyst]:
    async def ask(sql: str, format: str) -> bytes:
        return await asyncio.to_thread(reader.text, sql, format)

    page = await start_page("127.0.0.1", 0, scene.status, scene.query, ask=ask)
    jar = aiohttp.CookieJar(unsafe=True)
    try:
        async with aiohttp.ClientSession(cookie_jar=jar) as client:
            yield Analyst(client, page.url)
    finally:
        await page.stop()


def in_loop(test: Callable[[Analyst], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    @wraps(test)
    def run(tmp_path: Path) -> None:
        async def whole() -> None:
            scene = Scene(tmp_path / "data")
            try:
                with EmbeddedReader(tmp_path / "data") as reader:
                    async with analyst(scene, reader) as someone:
                        await test(someone)
            finally:
                scene.close()

        asyncio.run(whole())

    del run.__wrapped__  # pytest asks for tmp_path, not for someone
    return run


@in_loop
async def test_a_question_from_table_to_picture_to_file(someone: Analyst) -> None:
    question = (
        "SELECT toStartOfHour(ts) AS at, account_id AS who, count() AS n FROM events "
        "WHERE account_id = 'acct-0417' GROUP BY at, who ORDER BY at"
    )
    code, text = await someone.ask(question)
    assert code == 200
    assert "acct-0417" in text
    assert '"kind":"time"' in text.replace("&quot;", '"')
    assert question.split("'")[0] in text.replace("&#x27;", "'")  # the question stays
    code, text = await someone.ask(question, "sql.csv")
    assert code == 200
    assert text.splitlines()[0] == '"at","who","n"'


@in_loop
async def test_what_is_wrong_is_marked(someone: Analyst) -> None:
    code, text = await someone.ask("SELECT account_id FRUM events WHERE x")
    assert code == 400
    assert "Syntax error" in text
    assert "<mark>" in text
    code, text = await someone.ask("SELECT nothing FROM events")
    assert code == 400
    assert "nothing" in text


@in_loop
async def test_only_reading(someone: Analyst) -> None:
    for question in (
        "DROP TABLE events",
        "INSERT INTO events (event_id) VALUES ('x')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT 1; SELECT 2",
        "",
    ):
        code, text = await someone.ask(question)
        assert code == 400, question
        assert "SQL" in text
    code, _ = await someone.ask("SELECT 1", csrf="0" * 64)
    assert code == 403


@in_loop
async def test_answers_are_escaped(someone: Analyst) -> None:
    code, text = await someone.ask("SELECT '<script>alert(1)</script>' AS \"<b>\", NULL AS gone")
    assert code == 200
    assert "<script>alert" not in text
    assert "&lt;b&gt;" in text
    assert "NULL" in text


@in_loop
async def test_a_question_in_the_address_is_shown_and_not_run(someone: Analyst) -> None:
    async with someone.client.get(someone.url + "sql?q=SELECT+42+AS+answer") as answer:
        text = await answer.text()
    assert "SELECT 42 AS answer" in text
    assert 'id="answer"' not in text


@pytest.mark.parametrize(
    ("question", "message", "at"),
    [
        ("SELECT a FRUM b", "Syntax error: failed at position 10 (FRUM)", "FRUM"),
        ("SELECT 'ä', a FRUM b", "failed at position 16 (FRUM)", "FRUM"),
        ("SELECT 1; DROP x", "SQL, position 9: no", ";"),
        ("SELECT", "failed at position 7 (end of query)", " "),
    ],
)
def test_the_position_in_the_question(question: str, message: str, at: str) -> None:
    parts = marked(question, message)
    assert parts is not None
    assert parts[1] == at
    assert marked(question, "no position") is None
