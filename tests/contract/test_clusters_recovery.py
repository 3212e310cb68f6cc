"""The keeper of clusters dies at any write, is asked often or seldom: the tables must not tell."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from streams.coordination.keeper import PARTITION
from streams.coordination.signals import SLOT_MS
from streams.policy.coordination import KnownGroup
from streams.storage.base import Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.contract.test_recovery import Death, Mortal
from tests.support.rings import (
    HOUR,
    MEMBERS,
    POLICY,
    START,
    clear,
    contents,
    keeper,
    ring_and_crowd,
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Everything in one go."""
    store = ChdbStore(tmp_path_factory.mktemp("undisturbed"))
    migrate(store)
    clear(store)
    meetings = ring_and_crowd(store)
    meetings.close(meetings.last + 3 * HOUR)
    keeper(store).follow()
    found = contents(store)
    store.close()
    return found


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    store = ChdbStore(tmp_path)
    migrate(store)
    clear(store)
    yield store
    store.close()


def test_an_expired_known_group_and_one_that_covers_only_some_hide_nothing(embedded: Store) -> None:
    groups = (
        KnownGroup(
            name="old", accounts=("ring-*",), owner="x", reason="y", expires=date(2020, 1, 1)
        ),
        KnownGroup(
            name="part", accounts=("ring-[0-3]",), owner="x", reason="y", expires=date(2099, 1, 1)
        ),
    )
    policy = POLICY.changed(known_groups=groups)
    meetings = ring_and_crowd(embedded)
    meetings.close(meetings.last)
    keeper(embedded, lambda: policy).follow()
    told = embedded.query("SELECT DISTINCT account_id FROM alerts")["account_id"].to_pylist()
    assert sorted(told) == MEMBERS


def test_switched_off_it_finds_nothing(embedded: Store) -> None:
    policy = POLICY.changed(coordination=replace(POLICY.coordination, enabled=False))
    meetings = ring_and_crowd(embedded)
    meetings.close(meetings.last)
    keeper(embedded, lambda: policy).follow()
    assert not any(contents(embedded).values())


def same(found: dict[str, list[str]], wanted: dict[str, list[str]]) -> None:
    assert {name for name in wanted if found[name] != wanted[name]} == set()


def test_the_same_rows_whether_asked_often_or_once(
    embedded: Store, undisturbed: dict[str, list[str]]
) -> None:
    meetings = ring_and_crowd(embedded)
    watch = keeper(embedded)
    rng = random.Random(1)
    at = meetings.first
    while at < meetings.last + 3 * HOUR:
        at = min(at + rng.randint(1, 40) * SLOT_MS, meetings.last + 3 * HOUR)
        meetings.close(at)
        watch.follow()
    same(contents(embedded), undisturbed)
    again = keeper(embedded)
    again.follow()
    assert not again.written.rows
    same(contents(embedded), undisturbed)


@pytest.mark.parametrize("seed", range(2))
def test_deaths_leave_no_trace(
    seed: int, embedded: Store, undisturbed: dict[str, list[str]]
) -> None:
    rng = random.Random(seed)
    meetings = ring_and_crowd(embedded)
    mortal = Mortal(embedded)
    watch = keeper(mortal)
    deaths, at, end = 0, meetings.first, meetings.last + 3 * HOUR
    while at < end:
        at = min(at + rng.randint(5, 60) * SLOT_MS, end)
        meetings.close(at)
        while True:
            mortal.left = rng.randint(1, 9) if deaths < 12 else -1
            mortal.before = rng.random() < 0.5
            try:
                watch.follow()
                if rng.random() < 0.3:
                    watch.save()
                break
            except Death:
                deaths += 1
                watch = keeper(mortal)
    assert deaths >= 5
    same(contents(embedded), undisturbed)


def test_a_policy_that_changes_rules_from_the_next_slot_on_also_when_it_is_taken_again(
    embedded: Store,
) -> None:
    policy = [POLICY]
    meetings = ring_and_crowd(embedded)
    watch = keeper(embedded, lambda: policy[0])
    meetings.close(START + HOUR // 2)
    watch.follow()
    policy[0] = POLICY.changed(fdr=0.4)
    meetings.close(meetings.last)
    watch.follow()
    versions = embedded.query("SELECT DISTINCT toString(policy_version) AS v FROM findings")
    assert set(versions["v"].to_pylist()) == {POLICY.version, policy[0].version}
    ruled = embedded.query(f"SELECT version FROM policy_log WHERE kafka_partition = {PARTITION}")
    assert ruled.num_rows == 2
    before = contents(embedded)
    keeper(embedded, lambda: policy[0]).follow()
    same(contents(embedded), before)


@pytest.mark.parametrize("saved", [False, True])
def test_a_new_keeper_knows_the_open_groups_and_their_members(embedded: Store, saved: bool) -> None:
    meetings = ring_and_crowd(embedded)
    meetings.close(meetings.last)
    first = keeper(embedded)
    first.follow()
    if saved:
        first.save()
    again = keeper(embedded)
    assert again.groups() == []
    again.follow()
    ((incident, members),) = again.groups()
    assert incident.state != "resolved"
    assert members == set(MEMBERS)
    assert again.groups() == first.groups()
