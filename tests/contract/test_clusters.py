"""From stored meetings to clusters that people see, on both stores: one ring, one incident.

Events and meetings are real rows; only the broker is left out.
"""

from __future__ import annotations

from datetime import date

import pytest

from streams.policy.coordination import KnownGroup
from streams.storage.base import Store
from tests.support.rings import (
    FIRST,
    HOUR,
    MEMBERS,
    POLICY,
    START,
    clear,
    keeper,
    ring_and_crowd,
)


@pytest.fixture
def clean(migrated: Store) -> Store:
    """A migrated store without clusters and what they are made of."""
    clear(migrated)
    return migrated


def test_an_injected_ring_is_one_incident_with_an_alert_for_every_member(clean: Store) -> None:
    meetings = ring_and_crowd(clean)
    watch = keeper(clean)
    meetings.close(meetings.first + HOUR, partition=0)
    watch.follow()
    assert not watch.written.rows, "partition 1 has not closed anything"
    meetings.close(START + HOUR // 2)
    watch.follow()
    incidents = clean.query("SELECT *, toString(state) AS now FROM incidents").to_pylist()
    (incident,) = incidents
    assert incident["now"] in ("open", "ongoing")
    alerts = clean.query("SELECT account_id, incident_id FROM alerts").to_pylist()
    assert sorted(row["account_id"] for row in alerts) == FIRST
    assert {row["incident_id"] for row in alerts} == {incident["incident_id"]}

    meetings.close(meetings.last)
    watch.follow()
    (later,) = clean.query("SELECT * FROM incidents").to_pylist()
    assert later["incident_id"] == incident["incident_id"]
    assert later["version"] > incident["version"]
    alerts = clean.query("SELECT account_id, detected_at FROM alerts").to_pylist()
    assert sorted(row["account_id"] for row in alerts) == MEMBERS
    sentence = later["sentence"]
    assert sentence.startswith("8 accounts pushed the same 4 templates within 5 seconds of each")
    assert "4 share one payment means" in sentence
    assert "2 joined today" in sentence

    meetings.close(meetings.last + 3 * HOUR)
    watch.follow()
    (ended,) = clean.query("SELECT toString(state) AS stands FROM incidents").to_pylist()
    assert ended["stands"] == "resolved"
    assert [item.state for item, _ in watch.groups()] in ([], ["resolved"])
    rows = clean.query("SELECT toString(state) AS stands FROM clusters WHERE incident_id != ''")
    assert rows["stands"].to_pylist() == ["resolved"]
    assert set(
        clean.query(
            "SELECT account_id FROM cluster_members WHERE cluster_id IN (SELECT "
            "cluster_id FROM clusters WHERE incident_id != '')"
        )["account_id"].to_pylist()
    ) == set(MEMBERS)


def test_the_sql_of_a_cluster_returns_what_its_sentence_says(clean: Store) -> None:
    meetings = ring_and_crowd(clean)
    meetings.close(meetings.last)
    keeper(clean).follow()
    rows = clean.query("SELECT observed, sql, sentence FROM findings").to_pylist()
    assert rows
    for row in rows:
        answer = clean.query(row["sql"]).to_pylist()[0]
        assert answer["observed"] == row["observed"]
        assert f" {answer['observed']:.0f} times since " in row["sentence"]
        assert f"the same {answer['objects']} templates" in row["sentence"]
    (cluster,) = clean.query("SELECT * FROM clusters WHERE incident_id != ''").to_pylist()
    raster = clean.query(cluster["raster_sql"])
    assert set(raster["account_id"].to_pylist()) == set(MEMBERS)
    assert raster.num_rows == 6 * 10 + 2 * 5
    assert set(raster["object"].to_pylist()) == {f"pill-{n}" for n in range(4)}
    ties = clean.query(f"SELECT * FROM cluster_ties WHERE cluster_id = '{cluster['cluster_id']}'")
    assert ties.num_rows == 8 * 7 // 2
    assert min(ties["score"].to_pylist()) > 1.0


def test_a_crowd_on_popular_templates_does_not_alarm(clean: Store) -> None:
    meetings = ring_and_crowd(clean)
    meetings.close(meetings.last)
    keeper(clean).follow()
    told = clean.query("SELECT DISTINCT account_id FROM alerts")["account_id"].to_pylist()
    assert not [name for name in told if name.startswith("acct")]
    shown = clean.query("SELECT toString(held) AS held FROM clusters WHERE incident_id = ''")
    assert set(shown["held"].to_pylist()) <= {"timing"}


def test_a_known_group_is_shown_with_its_owner_and_what_it_hid_is_counted(clean: Store) -> None:
    fleet = KnownGroup(
        name="a fleet", accounts=("ring-*",), owner="sales", reason="one", expires=date(2099, 1, 1)
    )
    policy = POLICY.changed(known_groups=(fleet,))
    meetings = ring_and_crowd(clean)
    meetings.close(meetings.last)
    keeper(clean, lambda: policy).follow()
    counts = clean.query(
        "SELECT (SELECT count() FROM alerts) AS alerts, "
        "(SELECT count() FROM incidents) AS incidents"
    )
    assert counts.to_pylist() == [{"alerts": 0, "incidents": 0}]
    held = clean.query("SELECT toString(held) AS held FROM findings")["held"].to_pylist()
    assert held
    assert set(held) == {"known group"}
    (shown,) = clean.query(
        "SELECT toString(state) AS stands, toString(owner) AS owner, members, sentence "
        "FROM clusters WHERE known_group = 'a fleet'"
    ).to_pylist()
    assert (shown["stands"], shown["owner"], shown["members"]) == ("known", "sales", 8)
    assert shown["sentence"].startswith("8 accounts pushed")
