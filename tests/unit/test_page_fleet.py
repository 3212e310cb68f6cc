"""The fleet against its usual on a real store, and the pages of a shift against the policy."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.live.fleet import Fleet, read_fleet
from dashboards.live.fleet_sums import FLAGGED_NOW, FLAGGED_USUAL
from dashboards.live.overview import overview
from dashboards.live.read import Reader
from dashboards.live.shift import pages_this_shift
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.unit.test_page_words import worker

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 20_000 * DAY + 10 * HOUR + 20 * MINUTE  # 10:20 UTC of a day

#: A request or more a second by day and by night: more at ten o'clock than before and after.
_MINUTES = """
INSERT INTO account_minute_parts (account_id, minute, requests, prompt_tokens, completion_tokens,
    errors, throttled, short_outputs)
SELECT concat('acct-', toString(number % 3)) AS account,
    toDateTime({end} - 60 - intDiv(number, 3) * 60, 'UTC') AS at,
    {factor} * (if(toHour(at) = 10, 200, 100) + cityHash64(number) % 20) AS sent, sent * 10,
    sent * 100, intDiv(sent, 100), 0, intDiv(sent * {short}, 100)
FROM numbers({minutes} * 3)"""


#: Ten scored requests a minute: of each five minutes' fifty, `flagged` are medical spam.
_SCORED = """
INSERT INTO events (event_id, account_id, arrived_at, ts, moderation)
SELECT concat({name}, toString(number)), 'acct-1', now64(3),
    toDateTime64({end} - 6 - number * 6, 3, 'UTC'),
    map('medical_spam', if(number % 50 < {flagged}, 0.9, 0.1), 'hate', 0.1)
FROM numbers({minutes} * 10)"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    made = ChdbStore(tmp_path)
    migrate(made)
    yield made
    made.close()


def sent(store: ChdbStore, end: int, minutes: int, *, factor: float = 1, short: float = 25) -> None:
    values = {"end": end // 1000, "minutes": minutes, "factor": factor, "short": short}
    store.command(_MINUTES, values)


def scored(store: ChdbStore, end: int, minutes: int, flagged: int) -> None:
    values = {"end": end // 1000, "minutes": minutes, "flagged": flagged}
    store.command(_SCORED, {**values, "name": f"to-{end}-"})


def reader(store: ChdbStore, seen: list[str] | None = None) -> Reader:
    async def answer(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        if seen is not None:
            seen.append(sql)
        rows: list[dict[str, Any]] = store.query(sql, parameters or None).to_pylist()
        return rows

    return Reader(answer, keep=0.0)


def fleet(store: ChdbStore) -> Fleet:
    found = asyncio.run(read_fleet(worker(now=NOW + 900, watermark=NOW), reader(store)))
    assert found is not None
    return found


def test_each_hour_is_held_against_itself_on_the_days_before(store: ChdbStore) -> None:
    sent(store, NOW, 9 * 1440)
    found = fleet(store)
    requests, tokens, failed, short = found.meters
    # 3 accounts of 200 to 219 a minute, and the same hour of the day stands as its band.
    assert requests.value == "10.5 /s"
    assert tokens.value.startswith("1,04")
    assert (failed.value, short.value) == ("0.96 %", "25 %")
    bands = {start: (low, high) for start, _, low, high in requests.bands}
    ten, nine = NOW // HOUR * HOUR, NOW // HOUR * HOUR - HOUR
    assert 10 < bands[ten][0] < bands[ten][1] < 11
    assert 5 < bands[nine][0] < bands[nine][1] < 6
    assert requests.bands[0][0] == NOW - 6 * HOUR
    assert requests.bands[-1][1] == NOW
    assert [meter.difference for meter in found.meters] == ["", "", "", ""]
    assert found.against.endswith("at this hour on the last 9 days.")
    assert len(requests.points) == 72


def test_what_is_outside_is_said_in_points_and_times(store: ChdbStore) -> None:
    sent(store, NOW - 20 * MINUTE, 9 * 1440)
    sent(store, NOW, 20, factor=2, short=31)
    found = fleet(store)
    requests, tokens, failed, short = found.meters
    assert (requests.difference, tokens.difference) == ("x2.0 on this hour", "x2.0 on this hour")
    assert failed.difference == ""
    assert short.difference == "+6 points on this hour"
    assert (NOW - 15 * MINUTE, NOW) in requests.outside
    drawn = found.lines([(NOW - HOUR, NOW - HOUR + MINUTE)]).text
    assert '<span class="outside">+6 points on this hour</span>' in drawn
    assert drawn.count("line hot") >= 3
    assert drawn.count('class="hatch"') == 4
    assert drawn.count('class="band"') == 4 * 7  # six hours are parts of seven


def test_what_is_flagged_is_held_against_its_usual_where_requests_are_scored(
    store: ChdbStore,
) -> None:
    sent(store, NOW, 9 * 1440)
    assert [meter.name for meter in fleet(store).meters][4:] == []
    scored(store, NOW - 15 * MINUTE, 4 * 1440, flagged=1)
    scored(store, NOW, 15, flagged=6)
    medical, hate = fleet(store).meters[4:]
    assert (medical.name, medical.value) == ("Medical spam", "12 %")
    assert medical.difference == "+10 points on this hour"
    assert (hate.name, hate.value, hate.difference) == ("Hate, harassment", "0 %", "")
    assert (NOW - 10 * MINUTE, NOW) in medical.outside


@pytest.mark.parametrize("usual", [False, True])
def test_flags_are_counted_without_reading_every_event(store: ChdbStore, usual: bool) -> None:
    scored(store, NOW, 9 * 1440, flagged=1)
    given = {"start": (NOW - 8 * DAY) // 1000, "until": NOW // 1000}
    sql = FLAGGED_USUAL if usual else FLAGGED_NOW
    more = {"end": NOW // 1000, "hours": 7} if usual else {}
    plan = store.query("EXPLAIN " + sql, given | more)["explain"].to_pylist()
    assert "by_minute" in "\n".join(plan)


@pytest.mark.parametrize(
    ("minutes", "factor", "said"),
    [(5, 1.05, ""), (15, 1.05, "+5 % on this hour"), (5, 3, "x3.0 on this hour")],
)
def test_a_little_outside_is_news_when_it_stays_and_a_lot_at_once(
    store: ChdbStore, minutes: int, factor: float, said: str
) -> None:
    sent(store, NOW - minutes * MINUTE, 9 * 1440)
    sent(store, NOW, minutes, factor=factor)
    assert fleet(store).meters[0].difference == said


def test_a_fall_is_as_unusual_as_a_rise(store: ChdbStore) -> None:
    sent(store, NOW - 20 * MINUTE, 9 * 1440)
    sent(store, NOW, 20, factor=0.5)
    assert fleet(store).meters[0].difference == "x0.5 on this hour"


def test_a_young_store_says_what_it_is_held_against(store: ChdbStore) -> None:
    sent(store, NOW, 30 * 60)
    found = fleet(store)
    assert "in the 23 hours before this one. Only one day before is stored" in found.against
    bands = found.meters[0].bands
    assert len(bands) == 1
    assert 5 < bands[0][2] < bands[0][3] < 6  # ten o'clock is one of twenty-three


def test_a_store_of_an_hour_has_no_usual(store: ChdbStore) -> None:
    sent(store, NOW, 70)
    found = fleet(store)
    assert found.against == "What is usual is known after two hours."
    assert found.meters[0].bands == []
    assert found.meters[0].value == "10.5 /s"
    empty = asyncio.run(read_fleet(worker(now=NOW + DAY, watermark=NOW + DAY), reader(store)))
    assert empty is None


def test_the_past_is_read_once_and_not_with_every_view(store: ChdbStore) -> None:
    sent(store, NOW, 9 * 1440)
    seen: list[str] = []
    source = reader(store, seen)

    async def scenario() -> None:
        for ahead in (0, 900, 59_000, 60_000):  # ms
            await read_fleet(worker(now=NOW + ahead, watermark=NOW + ahead), source)

    asyncio.run(scenario())
    past = [sql for sql in seen if "uniqExact(day)" in sql]
    # Traffic and flags: the past once, the last hours once a minute.
    assert (len(past), len(seen) - len(past)) == (2, 4)


def test_the_first_page_does_not_wait_for_the_past(store: ChdbStore) -> None:
    sent(store, NOW, 9 * 1440)
    answer = threading.Event()

    async def slow(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        if "uniqExact(day)" in sql:
            await asyncio.to_thread(answer.wait, 10)
        rows: list[dict[str, Any]] = store.query(sql, parameters or None).to_pylist()
        return rows

    async def scenario() -> tuple[str, str]:
        source, status = Reader(slow), worker(now=NOW, watermark=NOW)
        first = await overview(status, source)
        answer.set()
        for _ in range(100):
            later = (await overview(status, source)).whole.text
            if "being read" not in later:
                break
        return first.whole.text, later

    first, second = asyncio.run(scenario())
    assert "What is usual for this hour is being read." in first
    assert "10.5 /s" not in first
    assert "10.5 /s" in second


def _incidents(store: ChdbStore, *minutes_ago: int) -> None:
    for number, ago in enumerate(minutes_ago):
        for version in (1, 2):
            store.command(
                "INSERT INTO incident_log (incident_id, version, started_at) VALUES "
                "({name}, {version}, fromUnixTimestamp64Milli({at}, 'UTC'))",
                {"name": f"i{number}", "version": version, "at": NOW - ago * MINUTE},
            )


@pytest.mark.parametrize(
    ("budget", "words", "over"),
    [
        (None, "3 pages this shift", False),
        ({"pages": 5.0, "hours": 8.0}, "3 of 5 pages this shift", False),
        ({"pages": 2.5, "hours": 8.0}, "3 of 2.5 pages this shift", True),
        ({"pages": 5.0, "hours": 24.0}, "4 of 5 pages this shift", False),
        ({"pages": 5.0, "hours": 1.0}, "1 of 5 pages this shift", False),
    ],
)
def test_pages_of_the_shift_stand_in_the_corner(
    store: ChdbStore, budget: dict[str, float] | None, words: str, over: bool
) -> None:
    _incidents(store, 5, 30, 130, 150, 24 * 60)  # the shift of 8 hours began at 08:00, 140 ago
    policy = {"version": "p", "problem": "", "budget": budget}
    status = worker(now=NOW, watermark=NOW, policy=policy)
    mark = asyncio.run(pages_this_shift(status, reader(store))).text
    assert words in mark
    assert ("outside" in mark) == over
    page = asyncio.run(overview(status, reader(store)))
    assert words in page.pieces["live"].text
