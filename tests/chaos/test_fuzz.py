"""Broken messages among good ones, each accounted for; and the account itself is tested."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.chaos.fuzz import accounted, feed
from tests.chaos.garbage import Case


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ChdbStore, dict[int, Case]]]:
    store = ChdbStore(tmp_path_factory.mktemp("fuzz"))
    migrate(store)
    yield store, feed(store, 3000, seed=11)
    store.close()


def test_every_line_of_the_garbage_is_accounted_for(
    fed: tuple[ChdbStore, dict[int, Case]],
) -> None:
    store, sent = fed
    assert accounted(store, sent) == []
    assert sum(len(case.good) for case in sent.values()) > 5000
    assert sum(len(case.bad) for case in sent.values()) > 1500
    reasons = store.query("SELECT DISTINCT reason FROM dead_letters")["reason"].to_pylist()
    assert set(reasons) >= {"empty", "not_utf8", "not_json", "too_deep", "naive_time", "ts_ahead"}


def test_the_account_sees_a_lost_a_strange_and_a_wrong_one(
    fed: tuple[ChdbStore, dict[int, Case]],
) -> None:
    store, sent = fed
    offset, case = next((o, c) for o, c in sent.items() if c.good and c.bad)
    other = dict(sent)
    other[offset] = Case(case.value, bad=case.bad)
    assert any("stored, not sent" in line for line in accounted(store, other))
    other[offset] = Case(case.value, good=case.good)
    assert any("refused" in line for line in accounted(store, other))
    line = next(iter(case.bad))
    wrong = {line: (case.bad[line][0], frozenset({"ts_too_old"}))}
    other[offset] = Case(case.value, case.good, case.bad | wrong)
    assert any("is refused as" in problem for problem in accounted(store, other))
    other[offset] = Case(case.value, case.good | {999: "never sent"}, case.bad)
    assert any("stored 0 times" in problem for problem in accounted(store, other))
