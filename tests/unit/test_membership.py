"""A worker's name in the group, and that it notices when it has no place there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest

from streams.errors import BrokerUnavailable
from streams.ingest import membership
from streams.ingest.membership import instance_id, started, watch


def test_the_name_tells_what_a_worker_subscribes_to() -> None:
    alone = instance_id("w-1", ["events"])
    both = instance_id("w-1", ["events", "signals"])
    assert alone != both
    assert both == instance_id("w-1", ["signals", "events"])
    assert re.fullmatch(r"w-1\.[0-9a-f]{6}", both or ""), "what Kafka takes for a name"
    assert instance_id("", ["events"]) is None


@pytest.mark.parametrize(("looks", "fails"), [("x.x.xx.", False), ("..xxx", True)])
def test_trouble_that_passes_is_none(
    looks: str, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "_EVERY_S", 0.0)
    seen: Iterator[str] = iter(looks)

    async def scenario() -> bool:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def trouble() -> Exception | None:
            return BrokerUnavailable("out") if next(seen) == "x" else None

        try:
            await watch(trouble, failed)
        except RuntimeError:  # no more looks: a coroutine may not raise StopIteration
            return failed.done()
        return failed.exception() is not None

    assert asyncio.run(scenario()) is fails


def test_a_start_that_never_ends_is_left_when_something_failed() -> None:
    ended = []

    async def start() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def scenario() -> None:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, failed.set_exception, BrokerUnavailable("out"))
        with pytest.raises(BrokerUnavailable, match="out"):
            await asyncio.wait_for(started(start(), failed), 10)
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert ended
