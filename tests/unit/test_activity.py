"""A budget becomes a threshold: by how many account-hours there are, and of what standing."""

from __future__ import annotations

import numpy as np
import pytest

from streams.policy.budget import HOURS_AN_ALARM, LARGEST_P
from streams.policy.model import Budget
from streams.scoring.activity import NEW, RETURNED, USUAL, Activity


def test_pages_per_shift_become_a_threshold() -> None:
    budget = Budget(unit="pages_per_shift", high=1.0, medium=1.0, shift_hours=8.0)
    activity = Activity(known=1e6, usual=24_000.0, hours=24.0)
    found = activity.thresholds(budget, USUAL, 4)
    assert found.high == pytest.approx(HOURS_AN_ALARM / (1000 * 8 * 4))
    assert found.medium == pytest.approx(2 * HOURS_AN_ALARM / (1000 * 8 * 4))


def test_a_budget_counts_the_days_of_all_accounts() -> None:
    found = Activity(known=1000.0, usual=250.0).thresholds(Budget(), USUAL, 1)
    assert found.medium == pytest.approx(10 * HOURS_AN_ALARM / 24_000 * 4)


def test_new_and_returned_accounts_have_half_of_the_cold_budget_each() -> None:
    budget = Budget(cold_high=2.0, cold_medium=8.0)
    few = Activity(known=100_000.0, usual=20_000.0, new=5000.0, returned=1000.0)
    new, returned = (few.thresholds(budget, standing, 1).medium for standing in (NEW, RETURNED))
    assert new * 5000.0 == pytest.approx(returned * 1000.0)  # as many pages for each ...
    assert new * 5000.0 == pytest.approx(
        5 * HOURS_AN_ALARM / 24_000 * 100_000
    )  # ... out of all account-hours
    # Among almost none it would be every second hour: never more than what is ordinary.
    none = Activity(known=100_000.0, usual=20_000.0, new=0.0, returned=0.0)
    assert none.thresholds(budget, NEW, 1).medium == LARGEST_P["cold"]
    # Where nearly everybody is new the budget is that of all.
    young = Activity(known=1000.0, usual=0.0, new=1000.0, returned=0.0)
    assert young.thresholds(budget, NEW, 1).medium == pytest.approx(5 * HOURS_AN_ALARM / 24_000)


def test_pages_per_shift_are_spread_over_the_cold_ones_too() -> None:
    budget = Budget(unit="pages_per_shift", cold_high=1.0, cold_medium=1.0, shift_hours=8.0)
    activity = Activity(new=2400.0, returned=240.0, hours=24.0)
    assert activity.thresholds(budget, NEW, 4).medium == pytest.approx(
        HOURS_AN_ALARM / (100 * 8 * 4)
    )
    assert activity.thresholds(budget, RETURNED, 4).medium == pytest.approx(
        HOURS_AN_ALARM / (10 * 8 * 4)
    )


def test_what_it_learned_survives_a_snapshot() -> None:
    activity, other = Activity(), Activity()
    for _ in range(300):
        activity.learn(1000, np.array([300, 20, 5]))
    assert activity.share(NEW) == pytest.approx(20 / 325, rel=0.05)
    assert activity.share(RETURNED) == pytest.approx(5 / 325, rel=0.1)
    other.load(activity.dump())
    assert other == activity
