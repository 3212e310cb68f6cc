"""A cohort of the policy that names an approved use case: matched live, and in every rebuild."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.partition import Partition
from streams.policy.load import parse
from streams.storage.chdb_store import ChdbStore
from tests.support.bursts import HOUR, START, heartbeat, quiet
from tests.support.folding import encoded, policy
from tests.support.partitions import context, feed
from tests.support.stores import fresh_store

SELLERS = [f"sell-{n}" for n in range(4)]
CODERS = [f"code-{n}" for n in range(4)]
COHORTS = parse(
    '[[cohorts]]\nname = "shops"\nuse_cases = ["market*"]\nmin_accounts = 2\n',
    "policy.toml",
    today=date(2026, 1, 1),
).cohorts


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    with fresh_store(tmp_path / "store") as opened:
        yield opened


def traffic(hours: float, use_cases: tuple[str, str], label: str) -> list[dict[str, Any]]:
    events = quiet([*SELLERS, *CODERS], hours=hours, label=label)
    for event in events:
        event["use_case"] = use_cases[0 if event["account_id"] in SELLERS else 1]
    return events


def cohorts(part: Partition) -> dict[str, str]:
    fold = part.fold
    rows = list(fold.accounts.index.values())
    names = [fold.accounts.names[row] for row in rows]
    found = fold.scoring.cohorts.of(rows, fold.accounts.names, fold.accounts.orgs)
    return dict(zip(names, found, strict=True))


def judged_apart(part: Partition) -> bool:
    populations = part.fold.scoring.populations
    return populations.of("burst", "shops") is not populations.of("burst")


EXPECTED = {**dict.fromkeys(SELLERS, "shops"), **dict.fromkeys(CODERS, "")}


def test_accounts_of_a_use_case_are_judged_among_themselves_live_and_rebuilt(
    store: ChdbStore,
) -> None:
    setting = context(store, rules=policy(cohorts=COHORTS))
    part = Partition(setting, 0)
    first = encoded(traffic(1.5, ("marketing", "coding"), "a"))
    feed(part, [*first, heartbeat(START + 2 * HOUR)], 0)
    assert cohorts(part) == EXPECTED
    assert judged_apart(part)

    again = Partition(setting, 0)
    assert cohorts(again) == EXPECTED
    assert judged_apart(again)

    # From a snapshot on, events that name no use case change nothing.
    part.maybe_snapshot(at_once=True)
    later = traffic(0.5, ("", ""), "b")
    for event in later:
        event["ts"] += 3 * HOUR
    feed(part, [*encoded(later), heartbeat(START + 5 * HOUR)], len(first) + 1)
    from_snapshot = Partition(setting, 0)
    assert cohorts(part) == cohorts(from_snapshot) == EXPECTED
    assert judged_apart(from_snapshot)


def test_an_account_is_of_its_cohort_from_its_first_tick_and_may_change_it(
    store: ChdbStore,
) -> None:
    setting = context(store, rules=policy(cohorts=COHORTS))
    part = Partition(setting, 0)
    asked: list[str] = []
    scoring = part.fold.scoring
    of = scoring.cohorts.of

    def noted(*args: Any) -> list[str]:
        found: list[str] = of(*args)
        asked.extend(found)
        return found

    scoring.cohorts.of = noted  # type: ignore[method-assign, assignment]
    loud = [
        {"event_id": f"n{n}", "ts": START + 10 * n, "account_id": "new", "use_case": "marketing"}
        for n in range(3000)
    ]
    scoring.began = 1  # the watch is old: accounts seen first now are new
    feed(part, [*encoded(loud), heartbeat(START + 60_000)], 0)
    assert asked
    assert set(asked) == {"shops"}

    feed(part, [heartbeat(START + 2 * HOUR)], 3001)
    asked.clear()
    changed = [
        {**event, "event_id": f"m{n}", "ts": START + 2 * HOUR + n, "use_case": "coding"}
        for n, event in enumerate(loud)
    ]
    feed(part, [*encoded(changed), heartbeat(START + 5 * HOUR)], 3002)
    assert set(asked) == {""}
    assert cohorts(part) == {"new": ""}
    assert part.fold.cohorts.dump()["texts"] == ["coding"], "what nobody has is forgotten"
