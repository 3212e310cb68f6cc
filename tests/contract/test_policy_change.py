"""A policy that changes while a partition is read: from the next tick on, and in every rebuild."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from streams.ingest.partition import Partition
from streams.policy.watch import PolicyFile
from streams.scoring.activity import USUAL
from streams.storage.chdb_store import ChdbStore
from tests.support.bursts import END, burst_stream, heartbeat
from tests.support.partitions import context, feed
from tests.support.states import fold_state
from tests.support.stores import fresh_store

NAMES = [f"acct-{n}" for n in range(5)]
TODAY = date(2026, 1, 1)
GENEROUS = "fdr = 1.0\n[budget]\nhigh = 200\nmedium = 800\ncold_high = 100\ncold_medium = 400\n"
STRICT = "[budget]\nhigh = 0.001\nmedium = 0.001\ncold_high = 0.001\ncold_medium = 0.001\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    with fresh_store(tmp_path / "store") as opened:
        yield opened


def rewrite(file: Path, policy: PolicyFile, text: str) -> None:
    file.write_text(text)
    for _ in range(2):  # a content counts when it was seen twice
        policy.poll(TODAY)


def test_a_changed_policy_holds_from_the_next_tick_on_and_in_a_rebuild(
    store: ChdbStore, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(STRICT)
    policy = PolicyFile(file)
    strict = policy.start(TODAY)
    setting = context(store, policy_file=policy)
    part = Partition(setting, 0)
    lines = burst_stream(NAMES)
    half = len(lines) * 4 // 5  # the last burst is yet to come
    feed(part, lines[:half], 0)
    rewrite(file, policy, GENEROUS)
    feed(part, [*lines[half:], heartbeat(END)], half)
    versions = store.query("SELECT DISTINCT policy_version AS v FROM alerts").to_pylist()
    assert versions == [{"v": policy.policy.version}]
    assert policy.policy.version != strict.version
    ruled = store.query("SELECT version FROM policy_log FINAL ORDER BY tick").to_pylist()
    assert [row["version"] for row in ruled] == [strict.version, policy.policy.version]

    again = Partition(setting, 0)
    assert fold_state(again.fold) == fold_state(part.fold)
    assert again.fold.policy.version == policy.policy.version


def test_a_wrong_policy_changes_nothing(store: ChdbStore, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(GENEROUS)
    policy = PolicyFile(file)
    before = policy.start(TODAY)
    part = Partition(context(store, policy_file=policy), 0)
    lines = burst_stream(NAMES)
    feed(part, lines[:100], 0)
    rewrite(file, policy, "[budget]\nhigh = 0\n")
    assert "policy.toml:2" in policy.problem
    feed(part, [*lines[100:], heartbeat(END)], 100)
    assert part.fold.policy.version == before.version
    versions = store.query("SELECT DISTINCT policy_version AS v FROM alerts").to_pylist()
    assert versions == [{"v": before.version}]


def test_a_budget_of_pages_per_shift_is_shared_by_all_partitions_also_in_a_rebuild(
    store: ChdbStore, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[budget]\nunit = "pages_per_shift"\nhigh = 0.05\nmedium = 0.2\n')
    policy = PolicyFile(file)
    policy.start(TODAY)
    count = 1
    setting = context(store, policy_file=policy, partitions=lambda: count)
    part = Partition(setting, 0)
    lines = burst_stream(NAMES)
    half = len(lines) // 2
    feed(part, lines[:half], 0)

    def medium(partition: Partition) -> float:
        scoring = partition.fold.scoring
        return scoring.decider.thresholds(scoring.activity, USUAL).medium

    alone = medium(part)
    count = 8  # the topic has grown
    feed(part, [*lines[half:], heartbeat(END)], half)
    assert medium(part) < alone / 4
    ruled = store.query("SELECT partitions FROM policy_log FINAL ORDER BY tick").to_pylist()
    assert [row["partitions"] for row in ruled] == [1, 8]

    again = Partition(setting, 0)
    assert fold_state(again.fold) == fold_state(part.fold)
    assert medium(again) == medium(part)
    count = 2  # somebody looks at it later, with another topic: the past was decided as it was
    assert Partition(setting, 0).fold.policy.partitions == 8
