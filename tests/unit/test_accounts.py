"""The account table: rows for names, growth, and what eviction leaves behind (nothing)."""

from __future__ import annotations

import numpy as np
import pytest

from streams.features.accounts import Accounts
from streams.features.layout import layout
from streams.features.watermark import NEVER
from tests.support.folding import Driver, encoded, policy

START = 1_700_000_000_000
HOUR = 3_600_000
NOBODY = np.zeros(0, np.int64)


@pytest.fixture
def accounts() -> Accounts:
    return Accounts(layout(5000))


def touched(accounts: Accounts, names: list[str], tick: int) -> list[int]:
    rows = accounts.rows(names, [f"org-{name}" for name in names])
    accounts.state["quota_used"][rows] = 1.0
    accounts.stamp[rows] = tick
    accounts.dirty[rows] = True
    return rows.tolist()  # type: ignore[no-any-return]


def test_a_name_keeps_its_row_and_the_first_org(accounts: Accounts) -> None:
    assert accounts.rows(["a", "b", "a"], ["x", "y", "z"]).tolist() == [0, 1, 0]
    assert accounts.rows(["b", "c"], ["other", ""]).tolist() == [1, 2]
    assert (accounts.orgs, len(accounts)) == (["x", "y", ""], 3)
    assert accounts.rows([], []).tolist() == []


def test_growing_keeps_what_is_known(accounts: Accounts) -> None:
    first = touched(accounts, ["first"], 5)
    rows = accounts.rows([f"n{n}" for n in range(5000)], [""] * 5000)
    assert len(set(rows.tolist())) == 5000
    assert len(accounts.state) >= 5001
    assert accounts.state["quota_used"][first].sum() == 6
    assert (accounts.stamp[0], accounts.dirty[0]) == (5, True)
    assert not accounts.stamp[1:].any()


def test_reserving_makes_room_at_once(accounts: Accounts) -> None:
    touched(accounts, ["a"], 5)
    accounts.reserve(3000)
    assert len(accounts.state) == 4096
    accounts.reserve(10)
    assert len(accounts.state) == 4096
    assert accounts.stamp[0] == 5


def test_a_successor_inherits_nothing(accounts: Accounts) -> None:
    (row,) = touched(accounts, ["old"], 5)
    touched(accounts, ["young"], 10)
    assert accounts.evict(10, NOBODY) == 1
    assert "old" not in accounts.index
    assert accounts.rows(["new"], ["its-own"]).tolist() == [row]
    assert accounts.state[row].tobytes() == bytes(accounts.layout.dtype.itemsize)
    assert (accounts.stamp[row], accounts.dirty[row], accounts.orgs[row]) == (0, False, "its-own")
    assert accounts.rows(["old"], [""]).tolist() == [2]


def test_rows_with_events_waiting_start_anew_in_their_place(accounts: Accounts) -> None:
    held, gone = touched(accounts, ["held", "gone"], 5)
    assert accounts.evict(6, np.array([held])) == 2
    assert accounts.index == {"held": held}
    assert not accounts.state["quota_used"].any()
    assert accounts.rows(["new"], [""]).tolist() == [gone]


def test_a_row_without_a_closed_tick_is_not_idle(accounts: Accounts) -> None:
    accounts.rows(["waiting"], [""])
    assert accounts.evict(NEVER, NOBODY) == 0
    assert "waiting" in accounts.index


def event(number: int, ts: int, account: str, org: str = "") -> dict[str, object]:
    return {"event_id": f"e{number}", "ts": ts, "account_id": account, "org_id": org}


def test_the_fold_forgets_an_idle_account_and_takes_it_back_as_a_new_one() -> None:
    driver = Driver(policy())
    days = 86_400_000
    busy = [event(n, START + n * days, "busy") for n in range(1, 16)]
    driver.feed(encoded([event(0, START, "idle", "first"), *busy]))
    assert set(driver.fold.accounts.index) == {"busy"}
    driver.feed(encoded([event(99, START + 15 * days + HOUR, "idle", "second")]))
    driver.finish(START + 15 * days + 2 * HOUR)
    row = driver.fold.accounts.index["idle"]
    assert driver.fold.accounts.orgs[row] == "second"
    assert driver.fold.accounts.state["day_counts"][row, :, 0].sum() == 1


def test_only_accounts_of_counted_events_get_a_row() -> None:
    """A table without its too late rows still lists their accounts in its dictionary."""
    driver = Driver(policy())
    driver.feed(encoded([event(0, START, "a", "org-a")]))
    late = START - 2 * HOUR
    driver.feed(encoded([event(1, START, "a", "org-a"), event(2, late, "b", "org-b")]))
    driver.finish(START + 10_000)
    assert set(driver.fold.accounts.index) == {"a"}
    driver.feed(encoded([event(3, START + 10_000, "b", "org-b")]))
    driver.finish(START + 20_000)
    accounts = driver.fold.accounts
    assert accounts.orgs[accounts.index["b"]] == "org-b"
