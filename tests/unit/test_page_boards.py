"""Boards of the console over a store that takes its time: the page comes, its panels follow."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dashboards.live.server import Page, start_page
from dashboards.live.shared import Shared
from tests.browser.scene import Scene

WAITING = "Asking the store…"


class Slow:
    """A store whose answers about findings wait until they are let through."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.open = asyncio.Event()
        self.asked = 0

    async def query(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        if "FROM findings" in sql:
            self.asked += 1
            await self.open.wait()
        return await self._scene.query(sql, parameters)


async def _get(page: Page, path: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(page.url + path) as answer:
        assert answer.status == 200
        return await answer.text()


async def _heard(page: Page, path: str, wanted: str) -> dict[str, str]:
    """Pieces of the live updates up to the one that contains `wanted`."""
    found: dict[str, str] = {}
    async with aiohttp.ClientSession() as session, session.get(page.url + path) as answer:
        async for line in answer.content:
            if line.startswith(b"data: "):
                found |= json.loads(line[6:]).get("pieces", {})
            if any(wanted in text for text in found.values()):
                return found
    raise AssertionError("the updates ended")


def test_a_slow_panel_does_not_hold_up_the_page(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")

    async def scenario() -> None:
        slow = Slow(scene)
        page = await start_page("127.0.0.1", 0, scene.status, slow.query)
        try:
            first = await asyncio.wait_for(_get(page, "board/quotas"), 10)
            assert WAITING in first
            assert "At the limit" in first
            updates = _heard(page, "events?page=board&id=quotas", "Nobody left the approved")
            heard = asyncio.ensure_future(updates)
            await asyncio.sleep(0.6)
            assert not heard.done()
            slow.open.set()
            pieces = await asyncio.wait_for(heard, 10)
            told = next(text for text in pieces.values() if "Left their approved use" in text)
            assert WAITING not in told
            assert slow.asked == 1  # the page, the updates and their beats ask once
            whole = await _get(page, "board/quotas")
            assert WAITING not in whole
            assert len(re.findall('class="card panel', whole)) == 7
        finally:
            await page.stop()

    try:
        asyncio.run(scenario())
    finally:
        scene.close()


def test_an_answer_that_took_long_is_kept_from_when_it_came() -> None:
    now = [0.0]
    made = 0

    async def make() -> int:
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        now[0] += 30.0
        return made

    async def scenario() -> list[int]:
        shared: Shared[int] = Shared(4.0, lambda: now[0])
        first = await shared.get("a", make)
        now[0] += 3.9
        second = await shared.get("a", make)
        now[0] += 0.2
        return [first, second, await shared.get("a", make)]

    assert asyncio.run(scenario()) == [1, 1, 2]


def test_a_failure_that_nobody_waits_for_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    async def make() -> int:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    async def scenario() -> None:
        shared: Shared[int] = Shared(4.0)
        waiting = asyncio.ensure_future(shared.get("a", make))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0.05)
        with pytest.raises(ValueError, match="no"):
            await shared.get("a", make)

    asyncio.run(scenario())
    assert not caplog.records
