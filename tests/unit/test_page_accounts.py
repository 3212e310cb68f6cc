"""The list of accounts on a real store: the busiest of a range, searched, against their usual."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dashboards.live.account_list import ANY, PAGE, Asked, asked, past
from dashboards.live.accounts import accounts_page
from dashboards.live.parts import Rendered
from dashboards.live.read import Reader
from dashboards.live.series import MINUTE
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.unit.test_page_words import worker

NOW = int(time.time() * 1000)
CROWD = 50

# A request a minute for a day, for the last ten minutes a hundred; somebody who stopped five days
# ago; fifty of one organisation that sent once.
_EVENTS = """
INSERT INTO events (event_id, account_id, org_id, ts, tick, arrived_at, status, prompt_tokens,
    completion_tokens)
SELECT concat({account}, toString({each}), '/', toString(number)), {account}, {org},
    fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute({ago} + intDiv(number, {each})) AS at,
    at, now64(3), if(number % 10 = 0, {status}, 200), 10, 20
FROM numbers({rows})"""
_CROWD = """
INSERT INTO events (event_id, account_id, org_id, ts, tick, arrived_at, status, completion_tokens)
SELECT concat('c', toString(number)), concat('crowd-', leftPad(toString(number), 2, '0')), 'crowd',
    fromUnixTimestamp64Milli({now}, 'UTC') - toIntervalMinute(5) AS at, at, now64(3), 200, 1
FROM numbers({rows})"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    made = ChdbStore(tmp_path_factory.mktemp("accounts"))
    migrate(made)

    def events(account: str, org: str, ago: int, each: int, rows: int, status: int = 200) -> None:
        numbers = {"ago": ago, "each": each, "rows": rows, "now": NOW, "status": status}
        made.command(_EVENTS, {"account": account, "org": org, **numbers})

    events("acct-loud", "northwind", 0, 1, 1440)
    events("acct-loud", "northwind", 0, 100, 1000, 500)
    made.command(
        "INSERT INTO events SELECT * REPLACE (concat(event_id, 'b') AS event_id) FROM events AS e "
        "WHERE e.ts > fromUnixTimestamp64Milli({since}, 'UTC')",
        {"since": NOW - 5 * MINUTE},
    )
    events("<b>Acct</b>", "south", 2, 1, 100, 429)
    events("acct-gone", "south", 5 * 1440, 1, 30)
    made.command(_CROWD, {"now": NOW, "rows": CROWD})
    made.command(
        "INSERT INTO incident_log (incident_id, version, account_id, state, started_at) VALUES "
        "('inc-1', 1, 'acct-loud', 'ongoing', now64(3) - 60), "
        "('inc-2', 1, 'acct-loud', 'open', now64(3)), "
        "('inc-3', 1, 'acct-loud', 'resolved', now64(3)), "
        "('inc-4', 1, '<b>Acct</b>', 'ongoing', now64(3))"
    )
    made.command(
        "INSERT INTO incident_actions VALUES ('inc-4', now64(3), 'resolved', 'ann', '', '')"
    )
    yield made
    made.close()


def shown(store: ChdbStore, **query: str) -> Rendered:
    async def answer(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = store.query(sql, parameters or None).to_pylist()
        return rows

    return asyncio.run(accounts_page(query, worker(now=NOW, watermark=NOW), Reader(answer)))


def listed(page: Rendered) -> list[list[str]]:
    lines = re.findall(r"<tr>(<td.*?)</tr>", page.pieces["accounts"].text)
    return [
        [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", line)]
        for line in lines
    ]


def test_the_busiest_of_the_last_hour_come_first_with_their_numbers(store: ChdbStore) -> None:
    page = shown(store)
    rows = listed(page)
    assert f"{CROWD + 2} accounts sent something in the last hour." in page.whole.text
    loud, quiet = rows[0], rows[1]
    counted = store.query(
        "SELECT count() AS n, countIf(status = 500) AS e FROM events FINAL WHERE account_id = "
        "'acct-loud' AND ts >= fromUnixTimestamp64Milli({since}, 'UTC')",
        {"since": (NOW // MINUTE + 1) * MINUTE - 60 * MINUTE},
    ).to_pylist()[0]
    assert counted["n"] > 1000
    assert loud[:4] == ["acct-loud", "northwind", f"{counted['n']:,}", "60"]
    assert loud[5:8] == [str(counted["e"]), "0", "2"]
    assert quiet[0] == "&lt;b&gt;Acct&lt;/b&gt;"
    assert quiet[5:8] == ["0", "6", "–"]  # a person resolved its incident
    text = page.pieces["accounts"].text
    assert 'href="/account/acct-loud"' in text
    assert 'href="/incident/inc-2"' in text  # the newest of the two
    assert re.search(r'class="outside">1,\d+<', text), "far above its usual"
    assert "too new" in rows[2]


def test_accounts_are_searched_whenever_they_were_active(store: ChdbStore) -> None:
    found = shown(store, q="ACCT-")
    assert [row[0] for row in listed(found)] == ["acct-loud", "acct-gone"]
    assert "2 accounts like “ACCT-” sent something." in found.whole.text
    assert [row[0] for row in listed(shown(store, q="gone", last="24h"))] == []
    assert 'href="/accounts?q=gone&amp;last=any"' in shown(store, q="gone", last="24h").whole.text
    assert listed(shown(store, q="%")) == []
    assert listed(shown(store, q="' OR ''='")) == []


def test_accounts_of_an_organisation(store: ChdbStore) -> None:
    assert [row[0] for row in listed(shown(store, org="south"))] == ["&lt;b&gt;Acct&lt;/b&gt;"]
    both = shown(store, org="south", last=ANY, order="last")
    assert [row[0] for row in listed(both)] == ["&lt;b&gt;Acct&lt;/b&gt;", "acct-gone"]
    assert listed(shown(store, order="errors"))[0][0] == "acct-loud"


def test_pages_hold_every_account_once(store: ChdbStore) -> None:
    first, second = shown(store), shown(store, p="2")
    names = [row[0] for page in (first, second) for row in listed(page)]
    assert len(names) == len(set(names)) == CROWD + 2
    assert len(listed(first)) == PAGE
    assert f"{PAGE + 1} to {CROWD + 2} of {CROWD + 2}" in second.whole.text
    assert "There is no page 3" in shown(store, p="3").whole.text


def test_an_empty_list_says_what_would_stand_there() -> None:
    async def empty(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        return []

    page = asyncio.run(accounts_page({}, worker(), Reader(empty)))
    assert "No account sent anything in the last hour." in page.whole.text
    assert "What would stand here: the accounts" in page.whole.text


def test_an_address_says_what_was_asked_and_reads_back() -> None:
    assert asked({}) == Asked()
    assert asked({}).span == "1h"
    assert asked({"q": "a"}).span == ANY
    assert asked({"q": "a", "last": "6h"}).span == "6h"
    assert asked({"last": "never", "order": "password", "p": "0"}) == Asked()
    what = Asked("a b", "o", "7d", "errors", 2)
    assert what.address() == "/accounts?q=a+b&org=o&last=7d&order=errors&p=2"


def test_the_past_counts_silent_steps_and_tells_a_newcomer() -> None:
    step, start = MINUTE, 1000 * MINUTE
    steady = [(at, 6.0) for at in range(start - 60 * step, start, step)]
    found = past([*steady, (start + step, 9.0)], 0, start, start + 5 * step, step)
    assert found.points == [(start + n * step, v) for n, v in enumerate([0.0, 9.0, 0.0, 0.0, 0.0])]
    assert found.usual == 30.0
    assert found.band == (6.0, 6.0)
    running = past([*steady, (start, 6.0), (start + step, 1.0)], 0, start, start + 2 * step, step)
    assert running.points == [(start, 6.0)], "the step that runs is no fall"
    assert found.outside == [(start, start), (start + 2 * step, start + 4 * step)]
    assert found.unusual, "silent at the end, and it never was"
    noisy = [(at, 5.0 + at // step % 3) for at in range(start - 60 * step, start, step)]
    assert past([*noisy, (start, 8.0)], 0, start, start + step, step).outside == []
    assert past([*noisy, (start, 20.0)], 0, start, start + step, step).unusual
    fresh = past([(start - 5 * step, 1.0), (start, 50.0)], 0, start, start + 5 * step, step)
    assert (fresh.band, fresh.usual, fresh.unusual) == (None, None, False)
