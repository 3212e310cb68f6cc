"""The list of incidents on a real store: what is shown for an address, in which order, how cut."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.live.incident_list import PAGE, Asked, asked
from dashboards.live.incidents import incidents_page
from dashboards.live.parts import Rendered
from dashboards.live.read import Reader
from dashboards.live.views import Views, place
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.unit.test_page_words import worker

NOW = int(time.time() * 1000)
MANY = 3 * PAGE + 4  # resolved ones

_INCIDENTS = f"""
INSERT INTO incident_log (incident_id, version, kind, detector, account_id, org_id, state, severity,
    started_at, last_seen_at, metric, window_s, peak_observed, expected, p_value, threshold,
    sentence, stored_at)
SELECT concat('done-', leftPad(toString(number), 3, '0')), 1, 'quota', 'quota', 'acct-old',
    'org-old', 'resolved', 'medium', fromUnixTimestamp64Milli({NOW}) - toIntervalHour(number + 2),
    fromUnixTimestamp64Milli({NOW}) - toIntervalHour(number + 1), 'requests', 300, 90, 3, 1e-4, 20,
    concat('acct-old exhausts its quota, day ', toString(number)),
    fromUnixTimestamp64Milli({NOW})
FROM numbers({MANY})
UNION ALL
SELECT tupleElement(one, 1), 1, tupleElement(one, 2), 'burst', tupleElement(one, 3), 'org-new',
    'ongoing', tupleElement(one, 4),
    fromUnixTimestamp64Milli({NOW}) - toIntervalMinute(tupleElement(one, 5)),
    fromUnixTimestamp64Milli({NOW}), 'requests', 300, 90, 3, 1e-5, 20,
    concat(tupleElement(one, 3), ' sent 90 requests in 5 minutes'),
    fromUnixTimestamp64Milli({NOW})
FROM (SELECT arrayJoin([
    ('new-medium', 'burst', '<b>bold</b>', 'medium', 3),
    ('old-high', 'burst', 'acct-loud', 'high', 50),
    ('acked', 'template_spam', 'acct-spam', 'high', 20),
    ('by-hand', 'burst', 'acct-hand', 'medium', 30)]) AS one)"""
_ACTIONS = """
INSERT INTO incident_actions VALUES
    ('acked', now64(3), 'acknowledged', 'ann', '', ''),
    ('acked', now64(3), 'assigned', 'ann', 'bob', ''),
    ('by-hand', now64(3), 'resolved', 'cy', '', '')"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    made = ChdbStore(tmp_path_factory.mktemp("incidents"))
    migrate(made)
    made.command(_INCIDENTS)
    made.command(_ACTIONS)
    made.command("INSERT INTO review_log VALUES ('done-000', now64(3), 'false', 'dee', '')")
    yield made
    made.close()


def shown(store: ChdbStore, **query: str) -> Rendered:
    async def answer(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = store.query(sql, parameters or None).to_pylist()
        return rows

    status = worker(now=NOW, watermark=NOW)
    return asyncio.run(incidents_page(query, status, Reader(answer)))


def listed(page: Rendered) -> list[str]:
    return re.findall(r'href="/incident/([^"]+)"', page.pieces["incidents"].text)


def test_the_worst_comes_first_and_who_has_it_is_said(store: ChdbStore) -> None:
    page = shown(store)
    assert listed(page) == ["acked", "old-high", "new-medium"]
    assert "Three unresolved incidents." in page.pieces["headline"].text
    text = page.pieces["incidents"].text
    assert "owner <bdi>bob</bdi> · acknowledged by <bdi>ann</bdi>" in text
    assert text.count("nobody has it yet") == 2
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "<b>" not in text
    assert "1 in 100,000" in text


def test_states_are_counted_and_what_people_did_counts(store: ChdbStore) -> None:
    assert listed(shown(store, state="open")) == ["old-high", "new-medium"]
    assert listed(shown(store, state="acknowledged")) == ["acked"]
    resolved = shown(store, state="resolved")
    assert listed(resolved)[:2] == ["by-hand", "done-000"]
    assert "resolved by <bdi>cy</bdi>" in resolved.pieces["incidents"].text
    assert "<strong>false alarm</strong>, says <bdi>dee</bdi>" in resolved.pieces["incidents"].text
    tabs = re.sub("<[^>]+>", "", resolved.pieces["states"].text)
    assert tabs == (
        "unresolved 3open, nobody has it 2acknowledged 1in a cluster 0"
        f"resolved {MANY + 1}all {MANY + 4}"
    )


def test_what_members_of_an_open_cluster_do_has_a_list_of_its_own(store: ChdbStore) -> None:
    store.command(
        "INSERT INTO cluster_log (cluster_id, version, state, incident_id, severity) "
        "VALUES ('c', 1, 'open', 'ring', 'high'), ('d', 1, 'open', 'mild', 'medium')"
    )
    store.command(
        "INSERT INTO cluster_member_log (cluster_id, account_id, version) VALUES "
        "('c', 'acct-loud', 1), ('c', 'acct-spam', 1), ('c', 'acct-hand', 1)"
    )
    try:
        assert listed(shown(store)) == ["acked", "new-medium"], "somebody has the one"
        assert listed(shown(store, state="grouped")) == ["old-high"]
        assert listed(shown(store, state="any"))[:3] == ["acked", "old-high", "new-medium"]
        store.command("TRUNCATE TABLE cluster_member_log")
        store.command(
            "INSERT INTO cluster_member_log (cluster_id, account_id, version) VALUES "
            "('d', 'acct-loud', 1), ('d', '<b>bold</b>', 1)"
        )
        assert listed(shown(store, state="grouped")) == ["new-medium"], "the other is worse"
        assert "old-high" in listed(shown(store))
    finally:
        store.command("TRUNCATE TABLE cluster_log")
        store.command("TRUNCATE TABLE cluster_member_log")


def test_pages_hold_every_incident_once(store: ChdbStore) -> None:
    seen: list[str] = []
    for number in range(1, 6):
        page = shown(store, state="resolved", p=str(number))
        seen += listed(page)
        links = re.findall(r'rel="(prev|next)"', page.whole.text)
        assert links == {1: ["next"], 4: ["prev"], 5: []}.get(number, ["prev", "next"])
    assert len(seen) == len(set(seen)) == MANY + 1
    assert "There is no page 5" in shown(store, state="resolved", p="5").whole.text
    assert f"76 to {MANY + 1} of {MANY + 1}" in shown(store, state="resolved", p="4").whole.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"severity": "medium"}, ["new-medium"]),
        ({"kind": "template_spam"}, ["acked"]),
        ({"org": "org-old", "state": "any", "last": "6h"}, [f"done-00{n}" for n in range(5)]),
        ({"q": "LOUD"}, ["old-high"]),
        ({"q": "quota, day 77", "state": "any"}, ["done-077"]),
        ({"q": "old-high"}, ["old-high"]),  # its identity, as a colleague pastes it
        ({"last": "15m"}, ["new-medium"]),
        ({"q": "%"}, []),
        ({"q": "' OR 1 = 1 --"}, []),
        (
            {"state": "nonsense", "p": "-1", "last": "yesterday"},
            ["acked", "old-high", "new-medium"],
        ),
    ],
)
def test_the_form_narrows(store: ChdbStore, query: dict[str, str], expected: list[str]) -> None:
    assert listed(shown(store, **query)) == expected


def test_an_empty_list_says_what_would_stand_there(tmp_path: Path, store: ChdbStore) -> None:
    nothing = shown(store, org="nobody").whole.text
    assert "Nothing matches." in nothing
    assert 'href="/incidents"' in nothing

    async def empty(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        return []

    page = asyncio.run(incidents_page({}, worker(), Reader(empty)))
    assert "No unresolved incidents." in page.whole.text
    assert "What would stand here: a sentence such as" in page.whole.text


def test_an_address_says_what_was_asked_and_reads_back() -> None:
    what = Asked("any", "high", "token_burst", "a&b", "acct 1", "24h", 3)
    path, _, query = what.address().partition("?")
    assert path == "/incidents"
    pairs = dict(pair.split("=") for pair in query.split("&"))
    assert pairs["org"] == "a%26b"
    assert (
        asked(
            {
                "state": "any",
                "severity": "high",
                "kind": "token_burst",
                "org": "a&b",
                "q": "acct 1",
                "last": "24h",
                "p": "3",
            }
        )
        == what
    )
    assert asked({"p": "9" * 5000}) == Asked(page=100_000)
    assert asked({"p": "٣"}) == Asked()


def test_the_place_beside_stays_marked() -> None:
    assert place("incident", "i1") == place("incidents", "") == "incidents"
    assert place("board", "quality") == "board/quality"
    assert place("cluster", "c-1") == "board/clusters"

    async def empty(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        return []

    async def scenario() -> None:
        views = Views(lambda: worker(), empty)
        try:
            page = await views.render("incidents", "", {"state": "resolved"})
            assert "No resolved incidents." in page.whole.text
        finally:
            await views.close()

    asyncio.run(scenario())
