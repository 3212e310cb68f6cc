"""Policies and a real embedded store: the log that a rebuild reads, and whom the lists name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from streams.errors import StoreError
from streams.policy import globs
from streams.policy.log import Ruled, history, record, ruling
from streams.policy.population import Ask, Population, population, unmatched
from streams.storage.base import Store, literal
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.unit.policy_cases import DETECTORS, parsed

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_767_225_600_000  # 2026-01-01


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = ChdbStore(tmp_path_factory.mktemp("policy") / "data")
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def store(opened: Store) -> Store:
    for table in ("policy_log", "events", "account_minute_parts"):
        opened.command(f"TRUNCATE TABLE {table}")
    return opened


def asking(store: Store) -> Ask:
    def ask(sql: str) -> Sequence[Mapping[str, Any]]:
        rows: list[dict[str, Any]] = store.query(sql).to_pylist()
        return rows

    return ask


def read(store: Store, partition: int = 0, **options: int) -> list[Ruled]:
    return history(store, partition, detectors=DETECTORS, **options)


ONE, TWO, THREE = (parsed(f"fdr = {fdr}") for fdr in (0.1, 0.2, 0.3))


def test_each_tick_is_folded_under_the_policy_that_ruled_it(store: Store) -> None:
    record(store, 0, 30_000, TWO, applied_at=START + 1)
    record(store, 0, 10_000, ONE, applied_at=START)
    record(store, 1, 20_000, THREE, applied_at=START)
    ruled = read(store)
    assert ruled == [(10_000, ONE, 1), (30_000, TWO, 1)]
    assert [ruling(ruled, tick) for tick in (9_999, 10_000, 29_999, 30_000, 10**12)] == [
        None,
        ONE,
        ONE,
        TWO,
        TWO,
    ]
    assert read(store, 1) == [(20_000, THREE, 1)]
    assert read(store, 2) == []


def test_the_whole_policy_comes_back(store: Store) -> None:
    policy = parsed(
        "[detectors.burst.parameters]\nhalf_life_h = 0.1\n[[cohorts]]\nname = 'ä\"'\norgs = ['*']"
    )
    record(store, 0, 10_000, policy)
    ((_, again, _),) = read(store)
    assert again == policy


def test_of_two_records_of_a_tick_the_later_rules_and_repeating_changes_nothing(
    store: Store,
) -> None:
    for applied, policy in enumerate((ONE, TWO, ONE, ONE)):
        record(store, 0, 10_000, policy, applied_at=START + applied)
    assert read(store) == [(10_000, ONE, 1)]
    record(store, 0, 20_000, ONE)
    assert read(store) == [(10_000, ONE, 1)], "the same policy goes on"


def test_a_rebuild_from_a_snapshot_needs_what_ruled_after_it(store: Store) -> None:
    for tick, policy in ((10_000, ONE), (20_000, TWO), (30_000, THREE)):
        record(store, 0, tick, policy, applied_at=START + tick)
    assert read(store, after=24_000) == [(20_000, TWO, 1), (30_000, THREE, 1)]
    assert read(store, after=90_000) == [(30_000, THREE, 1)]
    assert read(store, since=START + 15_000) == [(20_000, TWO, 1), (30_000, THREE, 1)]


def test_another_number_of_partitions_rules_anew(store: Store) -> None:
    for tick, count in ((10_000, 1), (20_000, 4), (30_000, 4)):
        record(store, 0, tick, ONE, partitions=count)
    assert read(store) == [(10_000, ONE, 1), (20_000, ONE, 4)]


def test_an_old_policy_keeps_its_version_and_its_values_under_a_newer_program(
    store: Store,
) -> None:
    """A detector came with the newer program: findings of old ticks keep their identity."""
    old = ONE.changed(detectors={name: ONE.detectors[name] for name in ("burst", "cold_start")})
    record(store, 0, 10_000, old)
    ((_, again, _),) = read(store)
    assert again.version == old.version
    assert again.detectors["burst"] == old.detectors["burst"]


def test_a_policy_that_cannot_be_followed_is_named(store: Store) -> None:
    record(store, 3, 10_000, ONE)
    record(store, 3, 20_000, TWO)
    with pytest.raises(
        StoreError, match=f"partition 3 was ruled by policy {ONE.version}.*ramp: unk"
    ):
        history(store, 3, detectors=DETECTORS[:2])


def events(store: Store, rows: list[tuple[str, str, str, int]]) -> None:
    """Rows of (account, org, use case, ts)."""
    values = ", ".join(
        f"('{number}', {literal(account)}, {literal(org)}, {literal(case)}, "
        f"fromUnixTimestamp64Milli({ts}, 'UTC'), now64(3))"
        for number, (account, org, case, ts) in enumerate(rows)
    )
    names = "event_id, account_id, org_id, use_case, ts, arrived_at"
    store.command(f"INSERT INTO events ({names}) VALUES {values}")


def test_traffic_is_measured_in_active_account_hours(store: Store) -> None:
    """Two accounts for two days, one of them every hour, the other every second hour."""
    hours = [("a", "", "", START + hour * HOUR) for hour in range(48)]
    hours += [("a", "", "", START + hour * HOUR + 60_000) for hour in range(48)]
    hours += [("b", "", "", START + hour * HOUR) for hour in range(0, 48, 2)]
    events(store, hours)
    events(store, [("gone", "", "", START - 20 * DAY)])
    assert population(asking(store)) == Population(2, 36.0, 48)


def test_no_traffic_is_no_population(store: Store) -> None:
    assert population(asking(store)) is None
    problems, notes = unmatched(parsed(LISTS), asking(store))
    assert problems == []
    assert [str(note) for note in notes] == [
        "the store holds no account yet: nothing to compare with"
    ]


LISTS = """
[[cohorts]]
name = "few"
accounts = ["acct-1*"]
[[cohorts]]
name = "many"
orgs = ["org-?"]
use_cases = ["market*"]
min_accounts = 3
[[cohorts]]
name = "nobody"
orgs = ["org-??"]
[[allow]]
accounts = ["acct-9"]
owner = "me"
reason = "r"
expires = 2030-01-01
[[channels]]
name = "c"
url_env = "C"
[[routes]]
name = "all"
channel = "c"
[[routes]]
name = "none"
orgs = ["ORG-1"]
channel = "c"
"""


def test_lists_are_compared_with_the_accounts_there(store: Store) -> None:
    rows = [(f"acct-{n}", "org-1", "marketing", START + n) for n in range(12)]
    # The newest org and use case of an account count.
    rows += [("acct-5", "org-22", "support", START), ("acct-9x", "org-1", "support", START)]
    events(store, [row for row in rows if row[0] != "acct-9"])
    problems, notes = unmatched(parsed(LISTS), asking(store), {"cohorts 'nobody'": 9})
    assert [problem.at("p.toml") for problem in problems] == [
        "p.toml:9: cohorts 'nobody': matches no account of the store"
    ]
    assert [str(note) for note in notes] == [
        "cohorts 'few': matches 3 accounts, fewer than min_accounts = 100: they are judged with "
        "everybody",
        "cohorts: 3 accounts of several, such as acct-1: the first by name counts",
        "allow acct-9: matches no account of the store",
        "routes 'none': matches no account of the store",
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "a*",
            "*",
            "?",
            "a?c",
            "[a-c]",
            "[!a-c]",
            "[]-]",
            "[a",
            "a\\*",
            "(a|b)",
            "a.c",
            "ä?",
            "$",
        ),
        *("[[]", "[\\]", "[!]]", "[a&&b~|-]", "{a}", " ", "a\n", "^a", "[^a]", "+", "$"),
    ],
)
def test_clickhouse_matches_what_python_matches(opened: Store, pattern: str) -> None:
    names = ["", "a", "b", "d", "abc", "a.c", "ac", "a*", "a\\*", "a\\", "(a|b)", "]", "-", "[a"]
    names += ["äö", "ä", "$", "^", "^a", "[", "\\", "&", "~", "|", "{a}", " ", "a\n", "\n", "+"]
    for name in names:
        sql = f"SELECT match({literal(name)}, {literal(globs.expression([pattern]))}) AS n"
        assert bool(opened.query(sql)["n"][0].as_py()) == globs.matches([pattern], name), name
