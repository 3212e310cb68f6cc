"""Workers in every kind of trouble for the page `/health`, and how to read that page."""

from __future__ import annotations

import asyncio
import html
import re
from typing import Any

from tests.unit.test_page_server import Worker, read, served
from tests.unit.test_page_words import NOW, worker

__all__ = [
    "AWAY",
    "GAP",
    "MINUTE",
    "TROUBLE",
    "groups",
    "heading",
    "healthy",
    "listed",
    "page",
    "part",
    "plain",
    "shown",
]

MINUTE = 60_000


def part(number: int, **changes: Any) -> dict[str, Any]:
    told = {"lag": 0, "watermark": NOW - 2_000, "next_offset": 9, "accounts": 6, "bytes": 12_000}
    return {"partition": number, **told, **changes}


def healthy(**changes: Any) -> dict[str, Any]:
    """A worker with two partitions that has been at it for an hour."""
    told: dict[str, Any] = {
        "partitions": [part(0), part(1)],
        "last_batch": NOW - 400,
        "rebuilding": [],
        "ticks": 720,
        "scoring_s": 7.2,
        "memory": {"rss": 400_000_000, "limit": 2_000_000_000},
        "policy": {"version": "p1", "problem": ""},
        "coordination": groups(),
    }
    return dict(worker(**(told | changes)))


def groups(**changes: Any) -> dict[str, Any]:
    parts = [{"partition": 0, "closed": NOW - 9_000, "signals": 40, "meetings": 7}]
    return {"ok": True, "sentence": "", "dropped": 0, "partitions": parts, **changes}


def page(state: Worker, path: str = "/health") -> str:
    async def scenario() -> str:
        async with served(state) as (_, client):
            code, text = await read(client, path)
            assert code == 200
            return text

    return asyncio.run(scenario())


def shown(**changes: Any) -> str:
    return page(Worker(**healthy(**changes)))


def plain(markup: str) -> str:
    """What is read aloud: without what is hidden from it."""
    spoken = re.sub(r'<span aria-hidden="true"[^>]*>[^<]*</span>', "", markup)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", spoken)).split())


def heading(text: str) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", text)
    assert found is not None
    return plain(found[1])


def listed(text: str) -> dict[str, tuple[str, str]]:
    """Of every check, in order: its state as a word, and all that is said."""
    checks = text[text.index('<ul class="checks">') :].partition("</ul>")[0]
    found = {}
    for line in re.findall(r"<li[^>]*>(.*?)</li>", checks):
        name = re.search(r"<h3>(.*?)</h3>", line)
        assert name is not None
        found[html.unescape(name[1])] = plain(line.partition("<h3>")[0]), plain(line)
    return found


_MET = {"signals": 4, "meetings": 2}
AWAY = {"ok": False, "sentence": "Kafka is away", "since": NOW - 5 * MINUTE}
NO_WRITES = {"ok": False, "sentence": "ClickHouse refuses; trying again", "write_ms": None}
GAP = {
    "partition": 3,
    "started_at": NOW - 30 * MINUTE,
    "ended_at": NOW - 19 * MINUTE,
    "sentence": "partition 3: Kafka no longer had 10 messages",
}
#: What changes, the check that tells it, its state, what it says, and where it leads.
TROUBLE: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "store refuses": (
        {"store": NO_WRITES | {"since": NOW - MINUTE, "retries": 9}},
        "Store",
        "off",
        "The store does not take what is written: ClickHouse refuses; trying again.",
        "/runbook#silent",
    ),
    "slow store": (
        {"store": {"ok": True, "sentence": "", "write_ms": 1_500.0, "retries": 4}},
        "Store",
        "watch",
        "A batch is written in 1.5 s",
        "/runbook#delay",
    ),
    "broker": ({"broker": AWAY}, "Broker", "off", "Kafka is away", "/runbook#silent"),
    "silence": (
        {"last_batch": NOW - 150_000, "lag": 40},
        "Stream",
        "off",
        "Nothing was stored for 2 min; 40 messages wait.",
        "/runbook#silent",
    ),
    "a partition late": (
        {"partitions": [part(0), part(2, watermark=NOW - 4 * MINUTE, lag=1234)]},
        "Partition 2",
        "off",
        "Partition 2 is scored 4 min late, with 1,234 messages behind.",
        "/runbook#delay",
    ),
    "time that stands": (
        {"partitions": [part(0, watermark=NOW - 40_000)]},
        "Partition 0",
        "watch",
        "event time does not pass there",
        "/runbook#scoring-behind",
    ),
    "lag": (
        {"partitions": [part(1, lag=250_000)], "lag": 250_000},
        "Partition 1",
        "off",
        "250,000 messages in Kafka that are not stored yet",
        "/runbook#delay",
    ),
    "rebuild": (
        {"rebuilding": [{"partition": 4, "since": NOW - 8_000}]},
        "Partition 4",
        "watch",
        "Partition 4 is being rebuilt from the store.",
        "/runbook#delay",
    ),
    "delay": (
        {"delay_ms": {"p50": 900.0, "p99": 31_000.0}},
        "Delay",
        "off",
        "99 % within 31 s",
        "/runbook#delay",
    ),
    "scoring": (
        {"watermark": NOW - 5 * MINUTE},
        "Detectors",
        "off",
        "Scoring is 5 min behind.",
        "/runbook#scoring-behind",
    ),
    "groups": (
        {"coordination": groups(ok=False, sentence="signals are not taken; trying again")},
        "Groups",
        "off",
        "signals are not taken; trying again",
        "/runbook#coordination",
    ),
    "groups late": (
        {"coordination": groups(partitions=[{"partition": 0, "closed": NOW - 300_000, **_MET}])},
        "Groups",
        "watch",
        "judged up to 5 min ago",
        "/runbook#coordination",
    ),
    "policy": (
        {"policy": {"version": "p1", "problem": "p.toml line 3: no number"}},
        "Policy",
        "watch",
        "p.toml line 3: no number. Policy p1 is in force.",
        "/runbook#policy",
    ),
    "gap": ({"gaps": [GAP]}, "Blind spans", "off", "Kafka no longer had 10", "/runbook#blind"),
    "too late": (
        {"late": 9, "too_late": 2},
        "Late events",
        "watch",
        "9 of 5,000 events since this worker started came after their tick was closed, 2 of them",
        "/runbook#late",
    ),
}
