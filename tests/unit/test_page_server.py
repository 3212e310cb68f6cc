"""The server over real HTTP: pages, refusals, headers, health, live updates, a clean stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from dashboards.live.server import Page, start_page, start_page_thread
from streams.errors import PulseError, StoreUnavailable
from tests.unit.test_page_words import NOW, worker

SCRIPT = "<script>alert(1)</script>"


def full_incident(account: str = SCRIPT) -> dict[str, Any]:
    return {
        "incident_id": "i/1",
        "account_id": account,
        "kind": "token_burst",
        "detector": "burst",
        "state": "open",
        "severity": "high",
        "sentence": f"{account} sent 1,240 requests in 5 minutes",
        "started_at": NOW - 300_000,
        "last_seen_at": NOW,
        "observed": 1240.0,
        "expected": 31.0,
        "threshold": 118.0,
        "p_value": 1.1e-5,
        "window_s": 300,
        "metric": "requests",
    }


class Worker:
    """A status to change and a store that answers nothing or fails."""

    def __init__(self, **changes: Any) -> None:
        self.now: Mapping[str, Any] = worker(**changes)
        self.asked = 0
        self.questions: list[tuple[str, dict[str, Any]]] = []
        self.trouble = ""

    def status(self) -> Mapping[str, Any]:
        return self.now

    async def query(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        self.asked += 1
        self.questions.append((sql, dict(parameters)))
        if self.trouble:
            raise StoreUnavailable(self.trouble)
        return []


@asynccontextmanager
async def served(worker: Worker) -> AsyncIterator[tuple[Page, aiohttp.ClientSession]]:
    page = await start_page("127.0.0.1", 0, worker.status, worker.query)
    try:
        async with aiohttp.ClientSession(page.url) as client:
            yield page, client
    finally:
        await page.stop()


async def read(client: aiohttp.ClientSession, path: str, **more: Any) -> tuple[int, str]:
    async with client.get(path, **more) as answer:
        return answer.status, await answer.text()


def test_the_page_says_the_sentence_first_and_escapes_names() -> None:
    async def scenario() -> None:
        async with served(Worker(incidents=[full_incident()])) as (_, client):
            code, text = await read(client, "/")
            assert code == 200
            assert ">One incident needs you.</h1>" in text
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
            assert SCRIPT not in text
            assert "1 in 90,000" in text
            assert 'href="/incident/i%2F1"' in text

    asyncio.run(scenario())


def test_an_incident_is_found_before_its_row_is_stored() -> None:
    async def scenario() -> None:
        async with served(Worker(incidents=[full_incident()])) as (_, client):
            code, text = await read(client, "/incident/i%2F1")
            assert code == 200
            assert "1,240 requests in 5 minutes</span></h1>" in text

    asyncio.run(scenario())


def test_what_does_not_exist_is_told_in_a_sentence() -> None:
    async def scenario() -> None:
        async with served(Worker()) as (_, client):
            for path, words in (
                ("/incident/none", "No such incident."),
                ("/account/none", "No such account."),
                ("/account/?id=..", "No such account."),
            ):
                code, text = await read(client, path)
                assert (code, words in text) == (404, True), path
            for path in ("/nowhere", "/static/nothing.js", "/static/..%2Fserver.py"):
                code, text = await read(client, path)
                assert (code, "Traceback" in text) == (404, False), path

    asyncio.run(scenario())


def test_every_answer_carries_the_strict_policy() -> None:
    async def scenario() -> None:
        async with served(Worker()) as (_, client):
            for path in ("/", "/status.json", "/healthz", "/static/page.js", "/nowhere"):
                async with client.get(path) as answer:
                    policy = answer.headers["Content-Security-Policy"]
                    assert "default-src 'none'" in policy
                    assert "unsafe" not in policy
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:8470", "127.0.0.1.evil.example", ""]
)
def test_foreign_names_are_refused(name: str) -> None:
    async def scenario() -> None:
        async with served(Worker()) as (_, client):
            code, text = await read(client, "/status.json", headers={"Host": name})
            assert code == 421
            assert "accounts" not in text
            assert (await read(client, "/", headers={"Host": "localhost:1"}))[0] == 200
            assert (await read(client, "/", headers={"Host": "[::1]:1"}))[0] == 200

    asyncio.run(scenario())


def test_a_page_for_others_answers_to_any_name() -> None:
    async def scenario() -> None:
        state = Worker()
        page = await start_page("0.0.0.0", 0, state.status, state.query)
        try:
            async with aiohttp.ClientSession() as client:
                url = page.url.replace("localhost", "127.0.0.1")
                assert (await read(client, url, headers={"Host": "console.internal"}))[0] == 200
        finally:
            await page.stop()

    asyncio.run(scenario())


def test_the_corner_never_says_live_while_scoring_is_hours_behind() -> None:
    async def scenario() -> None:
        async with served(Worker(watermark=NOW - 7_200_000)) as (_, client):
            _, text = await read(client, "/")
            assert "catching up</strong>, 2 h behind" in text
            assert ">live<" not in text

    asyncio.run(scenario())


def test_health_names_what_is_wrong() -> None:
    async def scenario() -> None:
        state = Worker()
        async with served(state) as (_, client):
            assert await read(client, "/healthz") == (200, "healthy\n")
            broker = {"ok": False, "sentence": "Kafka at k:9092 does not answer"}
            state.now = worker(broker=broker)
            assert await read(client, "/healthz") == (503, "Kafka at k:9092 does not answer\n")

    asyncio.run(scenario())


def test_status_is_valid_json_even_with_infinite_numbers() -> None:
    async def scenario() -> None:
        async with served(Worker(rate=float("inf"))) as (_, client):
            _, text = await read(client, "/status.json")
            assert json.loads(text)["rate"] is None

    asyncio.run(scenario())


def test_a_failing_store_leaves_the_incidents_readable() -> None:
    async def scenario() -> None:
        state = Worker(incidents=[full_incident("acct-1")])
        state.trouble = "ClickHouse at db:9000 does not answer"
        async with served(state) as (_, client):
            code, text = await read(client, "/")
            assert code == 200
            assert "Charts are missing: ClickHouse at db:9000" in text
            assert "1,240 requests" in text
            code, text = await read(client, "/account/acct-1")
            assert code == 503
            assert "The store does not answer." in text

    asyncio.run(scenario())


def test_updates_carry_what_changed_and_a_sign_of_life() -> None:
    async def scenario() -> None:
        state = Worker()
        async with served(state) as (_, client), client.get("/events?page=pulse") as stream:
            assert stream.content_type == "text/event-stream"
            first = await patch(stream)
            assert "All clear." in first["pieces"]["headline"]
            assert await patch(stream) == {}
            state.now = worker(incidents=[full_incident()])
            changed = await patch(stream)
            assert "One incident needs you." in changed["pieces"]["headline"]
            assert "trust" not in changed["pieces"]

    asyncio.run(scenario())


async def patch(stream: aiohttp.ClientResponse) -> dict[str, Any]:
    while True:
        line = await asyncio.wait_for(stream.content.readline(), 5)
        if line.startswith(b"data: "):
            return dict(json.loads(line[6:]))


def test_the_store_is_not_asked_while_nobody_looks_and_once_for_many() -> None:
    async def scenario() -> None:
        state = Worker(incidents=[full_incident()])
        async with served(state) as (_, client):
            await asyncio.sleep(0.2)
            assert state.asked == 0
            await asyncio.gather(*(read(client, "/") for _ in range(10)))
            assert state.questions
            assert all(state.questions.count(one) == 1 for one in state.questions)

    asyncio.run(scenario())


def test_stopping_does_not_wait_for_open_viewers() -> None:
    async def scenario() -> None:
        state = Worker()
        page = await start_page("127.0.0.1", 0, state.status, state.query)
        async with aiohttp.ClientSession(page.url) as client, client.get("/events") as stream:
            await patch(stream)
            await asyncio.wait_for(page.stop(), 2)

    asyncio.run(scenario())


def test_a_taken_port_is_explained_in_one_line() -> None:
    state = Worker()
    thread = start_page_thread("127.0.0.1", 0, state.status, state.query)
    try:
        port = int(thread.url.rstrip("/").rpartition(":")[2])
        with pytest.raises(PulseError, match=f"127.0.0.1:{port} is taken by another program"):
            start_page_thread("127.0.0.1", port, state.status, state.query)
    finally:
        thread.stop()
    again = start_page_thread("127.0.0.1", port, state.status, state.query)
    again.stop()
