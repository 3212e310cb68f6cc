"""What Prometheus reads of a worker."""

from __future__ import annotations

import asyncio
import copy
import re

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from dashboards.live.server import start_page
from streams.ingest.batch import Batch, Counts
from streams.metrics import METRICS, exposition
from streams.status import Status
from tests.unit.test_page_server import full_incident


def status() -> dict[str, object]:
    now = [1_700_000_000_000]
    made = Status("worker", lambda: now[0])
    counts = Counts(messages=3, events=12, stored=10, duplicates=1, dead=2, late=4, too_late=1)
    counts.alerts, counts.ticks, counts.scoring_s = 1, 5, 0.25
    batch = Batch.__new__(Batch)
    batch.broker_time = now[0] - 1500
    made.stored(batch, counts, 40.0)
    made.notifications = lambda: {"sent": 7, "failed": 1}
    snapshot = made.snapshot()
    part = {"partition": 2, "lag": 9, "watermark": now[0], "next_offset": 77}
    snapshot["partitions"] = [part | {"accounts": 4, "bytes": 4096}]
    snapshot["incidents"] = [full_incident(), full_incident() | {"state": "resolved"}]
    return snapshot


def read(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_the_status_arrives() -> None:
    found = read(exposition(status(), "1.2.3"))
    assert found["pulse_events_stored_total", ()] == 10
    assert found["pulse_events_late_total", (("counted", "no"),)] == 1
    assert found["pulse_dead_letters_total", ()] == 2
    assert found["pulse_ticks_total", ()] == 5
    assert found["pulse_scoring_seconds_total", ()] == 0.25
    assert found["pulse_lag_messages", (("partition", "2"),)] == 9
    assert found["pulse_state_bytes", (("partition", "2"),)] == 4096
    assert found["pulse_delay_seconds", (("quantile", "0.99"),)] == 1.5
    assert found["pulse_store_write_seconds", ()] == 0.04
    assert found["pulse_notifications", (("state", "failed"),)] == 1
    one = full_incident()
    labels = (("kind", one["kind"]), ("severity", one["severity"]))
    assert found["pulse_incidents_open", labels] == 1
    (info,) = [told for name, told in found if name == "pulse_worker_info"]
    assert dict(info)["version"] == "1.2.3"


def test_every_metric_is_described_and_named_by_the_rules() -> None:
    text = exposition(status(), "1").decode()
    for metric in METRICS:
        name = metric.name
        assert re.search(rf"^# HELP {name} \S", text, re.MULTILINE), name
        assert name.endswith("_total") == (metric.kind == "counter"), name
        assert re.fullmatch(r"pulse_[a-z_]+", name)
        assert not name.endswith("_ms")


def test_a_worker_that_knows_nothing_yet() -> None:
    found = read(exposition(Status("worker", lambda: 1).snapshot(), "1"))
    assert found["pulse_events_stored_total", ()] == 0
    assert not [name for name, _ in found if name.startswith("pulse_delay")]


def test_over_http() -> None:
    content = status()

    async def query(sql: str, parameters: object) -> list[dict[str, object]]:
        return []

    async def whole() -> None:
        page = await start_page(
            "127.0.0.1",
            0,
            lambda: copy.deepcopy(content),
            query,
            metrics=lambda: exposition(content, "1"),
        )
        try:
            async with (
                aiohttp.ClientSession() as client,
                client.get(page.url + "metrics") as answer,
            ):
                assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                assert read(await answer.read())["pulse_events_stored_total", ()] == 10
            async with aiohttp.ClientSession() as client:
                async with client.get(page.url + "livez") as answer:
                    assert (answer.status, await answer.text()) == (200, "alive\n")
                async with client.get(page.url + "runbook") as answer:
                    assert 'id="blind"' in await answer.text()
        finally:
            await page.stop()

    asyncio.run(whole())
