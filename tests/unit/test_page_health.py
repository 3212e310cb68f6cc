"""The page on the watcher's own health: what is off stands first, with its limit and what to do."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Mapping
from typing import Any

import pytest

from dashboards.live.model import Status
from dashboards.live.words import verdict
from dashboards.model.thresholds import LAG
from tests.unit.health_cases import (
    AWAY,
    GAP,
    MINUTE,
    TROUBLE,
    groups,
    heading,
    healthy,
    listed,
    page,
    part,
    plain,
    shown,
)
from tests.unit.test_page_server import SCRIPT, Worker, full_incident, patch, read, served
from tests.unit.test_page_words import NOW


def test_when_all_is_well_it_is_said_and_every_check_names_its_number_and_limit() -> None:
    text = shown()
    assert heading(text) == "All is well."
    assert 'href="/">Pulse can be trusted</a>: “All clear.”' in text
    checks = listed(text)
    assert {word for word, _ in checks.values()} == {"well", "noted"}
    for name, words in {
        "Store": "A batch is written in 12 ms; a trivial question was answered in",
        "Stream": "100 events a second are stored; 0 messages wait in Kafka.",
        "Partitions": "2 held here, 0 messages behind, the last scored 2.0 s ago.",
        "Delay": "99 % within 0.9 s; no alert yet. 99 %: watch from 5 s, off from 30 s",
        "Detectors": "12 accounts are watched; a tick takes 10 ms to judge.",
        "Groups": "7 meetings of accounts in 1 partition of signals; judged up to 9.0 s ago.",
        "Policy": "Policy p1 is in force.",
        "Blind spans": "No span of the last 24 hours was missed.",
        "Dead letters": "0 of 5,000 lines since this worker started",
        "Late events": "None of 5,000 events since this worker started came late.",
        "Memory": "The state of 12 accounts takes 24kB; the process 400MB of 2.0GB",
    }.items():
        assert words in checks[name][1], name
    assert "/runbook#" not in text
    assert '<a href="/health" aria-current="page">Health</a>' in text


@pytest.mark.parametrize("name", TROUBLE)
def test_each_trouble_is_said_with_what_it_means_and_what_to_do(name: str) -> None:
    changes, check, word, said, link = TROUBLE[name]
    text = shown(**changes)
    checks = listed(text)
    assert checks[check][0] == word
    assert said in checks[check][1]
    assert next(iter(checks)) == check, "what is worst stands first"
    line = next(one for one in text.split("<li") if f"<h3>{check}</h3>" in one)
    assert f'href="{link}"' in line
    assert line.count('class="means"') == 2, "what it means, and where to go"
    assert check[1:] in plain(text[text.index('id="detail"') :].partition("</p>")[0])
    top = heading(text)
    if word == "off":
        assert said in top or top in checks[check][1]
        assert "<title>(1 off) Health" in text
    else:
        assert top.startswith("Nothing is off; to watch: ")


def test_a_store_that_refuses_writes_stops_the_judging() -> None:
    said = listed(shown(**TROUBLE["store refuses"][0]))["Store"][1]
    assert "Nothing new is stored or judged while it lasts" in said


def test_since_when_is_told_where_it_is_known() -> None:
    for name, since in (("broker", NOW - 5 * MINUTE), ("rebuild", NOW - 8_000)):
        assert f'data-ms="{since}"' in shown(**TROUBLE[name][0]), name
    assert f'data-ms="{NOW - 4 * MINUTE}"' in shown(**TROUBLE["a partition late"][0])


def test_the_headline_never_says_well_where_the_first_page_withholds_its_all_clear() -> None:
    withheld = []
    for name, (changes, *_) in TROUBLE.items():
        status = healthy(**changes)
        text = page(Worker(**status))
        if not verdict(_status(status)).trusted:
            withheld.append(name)
            assert "Pulse withholds its all clear" in text, name
            assert listed(text)[TROUBLE[name][1]][0] == "off", name
            assert 'aria-label="something is off"' in text, name
        else:
            assert "withholds" not in text, name
            assert "something is off" not in text, name
        assert heading(text) != "All is well.", name
    assert withheld == ["store refuses", "broker", "scoring", "gap"]


def _status(status: dict[str, Any]) -> Status:
    return status  # type: ignore[return-value]


def test_the_thresholds_are_those_of_boards_and_rules() -> None:
    limits = (
        (int(LAG.warning) - 1, 29_000, "Partitions", "well"),
        (int(LAG.warning), 0, "Partition 0", "watch"),
        (int(LAG.alarm), 0, "Partition 0", "off"),
        (0, 30_000, "Partition 0", "watch"),
        (0, 60_000, "Partition 0", "watch"),
        (0, 60_001, "Partition 0", "off"),
    )
    for lag, age, name, word in limits:
        text = shown(partitions=[part(0, lag=lag, watermark=NOW - age)], watermark=NOW - age)
        assert listed(text)[name][0] == word, (lag, age)


def test_many_troubled_partitions_are_some_lines_and_a_number() -> None:
    many = [part(n, watermark=NOW - (61 + n) * 1_000) for n in range(30)]
    checks = listed(shown(partitions=[part(30), *many]))
    assert [name for name in checks if name.startswith("Partition ")] == [
        f"Partition {n}" for n in range(29, 21, -1)
    ], "the worst of them"
    assert checks["Partitions"][0] == "off"
    assert "22 more partitions are behind" in checks["Partitions"][1]
    text = shown(partitions=many, lag=1)
    late = "All 30 partitions are scored late, partition 29 by 90 s, with 1 message behind."
    assert heading(text) == late
    assert [name for name, (word, _) in listed(text).items() if word == "off"] == ["Partitions"]
    coming = [{"partition": n, "since": None} for n in range(30)]
    assert "30 partitions are being rebuilt" in listed(shown(rebuilding=coming))["Rebuild"][1]


def test_names_from_outside_are_escaped() -> None:
    text = shown(
        policy={"version": SCRIPT, "problem": SCRIPT},
        broker={"ok": False, "sentence": SCRIPT},
        coordination=groups(ok=False, sentence=SCRIPT),
        gaps=[GAP | {"sentence": SCRIPT}],
        incidents=[full_incident()],
    )
    assert SCRIPT not in text
    assert text.count(html.escape(SCRIPT)) >= 6


def test_a_store_that_fails_is_the_first_line_and_the_rest_stands() -> None:
    state = Worker(**healthy())
    state.trouble = f"ClickHouse at db:9000 does not answer {SCRIPT}"
    text = page(state)
    assert heading(text).startswith("The store does not answer: ClickHouse at db:9000")
    assert SCRIPT not in text
    checks = listed(text)
    assert next(iter(checks)) == "Store"
    assert "own writes have not failed so far" in checks["Store"][1]
    assert checks["Stream"][0] == checks["Partitions"][0] == checks["Delay"][0] == "well"
    assert checks["Notifications"][0] == checks["Pages this shift"][0] == "not known"
    assert "that this worker knows of" in checks["Blind spans"][1]
    assert "the store did not say what was stored when" in text
    rows = text[text.index('id="partitions"') :]
    assert rows.count("this one") == 2
    assert "Pulse says</a>: “All clear.”" in text


def test_a_store_that_says_nothing_is_waited_for_two_seconds() -> None:
    class Hung(Worker):
        async def query(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
            await asyncio.sleep(60)
            return []

    async def scenario() -> tuple[str, float]:
        async with served(Hung(**healthy())) as (_, client):
            loop = asyncio.get_running_loop()
            started = loop.time()
            code, text = await read(client, "/health")
            assert code == 200
            return text, loop.time() - started

    text, took = asyncio.run(scenario())
    assert heading(text) == "The store does not answer: it said nothing for 2.0 s."
    assert took < 4


def test_a_worker_that_has_just_started_says_what_it_does_not_know_yet() -> None:
    new = {
        "stored": 0,
        "accounts": 0,
        "watermark": None,
        "delay_ms": None,
        "rate": 0.0,
        "started": NOW - 3_000,
        "last_batch": None,
        "ticks": 0,
        "scoring_s": 0.0,
        "partitions": [part(0, watermark=0, accounts=0, bytes=0)],
        "policy": {"version": "", "problem": ""},
        "coordination": groups(partitions=[]),
        "store": {"ok": True, "sentence": "", "write_ms": 0.0},
    }
    text = shown(**new)
    assert heading(text) == "Waiting for the first events."
    checks = listed(text)
    unknown = [name for name, (word, _) in checks.items() if word == "not known"]
    assert unknown == [
        *("Stream", "Partitions", "Delay", "Detectors", "Groups", "Policy"),
        *("Dead letters", "Late events"),
    ]
    assert "No batch was written yet" in checks["Store"][1]
    assert "Nothing has arrived on the topic" in checks["Stream"][1]
    before = shown(**new, rebuilding=[{"partition": 1, "since": NOW - 2_000}])
    assert heading(before) == "Nothing is off; to watch: partition 1."
    none = shown(**(new | {"partitions": []}))
    assert "This worker reads no partition" in listed(none)["Stream"][1]


def test_a_replay_has_no_clock_to_be_behind_of() -> None:
    old = NOW - 900_000 * MINUTE
    text = shown(
        mode="replay",
        watermark=old,
        partitions=[part(0, watermark=old)],
        last_batch=NOW - 9 * MINUTE,
        delay_ms={"p50": 9e9, "p99": 9e9},
    )
    assert heading(text) == "All is well."


def test_facts_an_older_worker_does_not_tell_are_left_out() -> None:
    text = page(Worker(partitions=[{**part(0), "accounts": 3}]))
    checks = listed(text)
    assert heading(text) == "All is well."
    assert not {"Groups", "Policy"} & checks.keys()


def test_updates_carry_what_changed() -> None:
    async def scenario() -> None:
        state = Worker(**healthy())
        async with served(state) as (_, client), client.get("/events?page=health") as stream:
            first = await patch(stream)
            assert {"headline", "detail", "checks", "day", "partitions", "runs"} <= first[
                "pieces"
            ].keys()
            state.now = healthy(broker=AWAY)
            while not (changed := await patch(stream)):
                pass
            assert "Kafka is away" in changed["pieces"]["headline"]
            assert "runs" not in changed["pieces"]

    asyncio.run(scenario())


def test_every_link_to_the_runbook_leads_to_a_section() -> None:
    texts = [shown(**changes) for changes, *_ in TROUBLE.values()]
    sections = {found for text in texts for found in re.findall(r"/runbook#([\w-]+)", text)}
    assert sections == {
        *("silent", "delay", "scoring-behind", "blind", "late", "policy", "coordination"),
    }
    book = page(Worker(), "/runbook")
    for section in sections | {"dead-letters", "budget", "channel"}:
        assert f'id="{section}"' in book
