"""`pulse policy explain` on new and returning accounts, whose budget is their own."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from detectors.base import all_detectors
from streams.policy.budget import thresholds
from streams.policy.explain import explained, lines
from streams.policy.model import Budget, default_policy
from streams.scoring.activity import NEW, Activity

TODAY = date(2026, 1, 1)


def answer(budget: Budget) -> dict[str, Any]:
    return explained(default_policy().changed(budget=budget), all_detectors(), None, TODAY)


def told(budget: Budget) -> list[str]:
    return list(lines(answer(budget)))


def test_explain_says_how_rare_is_what_alarms_about_new_accounts() -> None:
    lines = list(told(Budget()))
    heading = next(n for n, line in enumerate(lines) if line.startswith("Accounts that are new"))
    assert lines[heading + 1] == "  high: 2 per 1,000 account-days, 1 in 9,231 account-hours"
    assert lines[heading + 2] == "  medium: 8 per 1,000 account-days, 1 in 2,308 account-hours"
    loose = told(Budget(cold_high=1000.0))
    assert "  high: 1,000 per 1,000 account-days, 1 in 100 account-hours" in loose


def test_what_a_cold_detector_must_show_alone_follows_from_the_budget() -> None:
    (start,) = [part for part in answer(Budget())["detectors"] if part["name"] == "cold_start"]
    found = Activity().thresholds(Budget(), NEW, 1)
    assert found.high > thresholds(Budget(), "cold").high  # new accounts are few
    assert start["alone"]["high"] == pytest.approx(start["weight"] * found.high)
    assert start["alone"]["medium"] == pytest.approx(start["weight"] * found.medium)


def test_pages_per_shift_say_nothing_of_cold_accounts_that_nobody_counted() -> None:
    cold = answer(Budget(unit="pages_per_shift"))["channels"]["cold"]
    assert cold["high"]["p_value"] is None
