"""The whole worker: it holds partition 0, an incident is stored, the message arrives, it stops."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from streams.runtime import Running, running
from streams.settings import Settings
from tests.support.notifying import ROUTE, channel, incident, put
from tests.support.receivers import Hook

# kafka-python reads its message definitions with functions that Python 3.11 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated")


async def until(done: object, seconds: float = 40.0) -> None:
    assert callable(done)
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def told(settings: Settings, web: Hook) -> tuple[Running, float]:
    """Run a worker until it has told of an incident; seconds of its stop."""
    async with running(settings, "up") as run:
        await until(lambda: 0 in run.worker.status.ends)
        known = "SELECT 1 FROM notification_cursor"
        await until(lambda: run.store.query(known).num_rows)
        put(run.store, [incident("a")], time.time_ns() // 1_000_000)
        await until(lambda: web.taken)
        await until(lambda: run.status()["notifications"] == {"sent": 1})
        started = time.monotonic()
    return run, time.monotonic() - started


@pytest.fixture
def settings(tmp_path: Path, web: Hook) -> Settings:
    file = tmp_path / "policy.toml"
    file.write_text(channel(tmp_path, "hook", web.address()) + ROUTE, encoding="utf-8")
    return Settings(data=str(tmp_path / "data"), port=0, sql_http=False, policy=str(file))


def test_a_worker_tells_and_its_links_lead_to_its_page(settings: Settings, web: Hook) -> None:
    run, seconds = asyncio.run(told(settings, web))
    assert web.taken[0].body.endswith(f"{run.url}incident/a")
    assert run.url.startswith("http://127.0.0.1:")
    assert seconds < 6.0
