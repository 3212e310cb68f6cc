"""What a policy decides: thresholds out of budgets, shares, cohorts, excuses, routes, versions."""

from __future__ import annotations

import math
import pickle
from datetime import UTC, datetime

import numpy as np
import pytest

from detectors.base import all_detectors
from streams.policy.budget import HOURS_AN_ALARM, alpha, thresholds
from streams.policy.model import Budget, Policy, default_policy
from tests.unit.policy_cases import DETECTORS, parsed


def ms(*when: int) -> int:
    return round(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


def test_false_alarms_per_1000_account_days_become_a_p_value() -> None:
    budget = Budget(high=2, medium=8, cold_high=1, cold_medium=4)
    assert alpha(budget, "high", "usual") == pytest.approx(2 * HOURS_AN_ALARM / 24_000)
    assert alpha(budget, "medium", "usual") == pytest.approx(8 * HOURS_AN_ALARM / 24_000)
    assert alpha(budget, "high", "cold") == pytest.approx(1 * HOURS_AN_ALARM / 24_000)
    assert alpha(budget, "medium", "cold") == pytest.approx(4 * HOURS_AN_ALARM / 24_000)


def test_pages_per_shift_are_spread_over_the_account_hours_of_the_shift() -> None:
    budget = Budget(unit="pages_per_shift", high=3, medium=6)
    assert alpha(budget, "high", "usual", 30_000) == pytest.approx(1e-4 * HOURS_AN_ALARM)
    assert alpha(budget, "high", "usual", 2) == 1.0, "a probability"
    for unknown in (math.nan, 0.0, -1.0):
        with pytest.raises(ValueError, match="account-hours of a shift"):
            alpha(budget, "high", "usual", unknown)


@pytest.mark.parametrize("unit", ["false_alarms_per_1000_account_days", "pages_per_shift"])
def test_each_severity_pages_as_often_as_its_budget_says(unit: str) -> None:
    """On honest account-hours, whose p-values are uniform and of which a page takes a few."""
    budget = Budget(unit=unit, high=200, medium=800)  # type: ignore[arg-type]
    hours = 240_000
    limits = thresholds(budget, "usual", hours / 10)
    p_values = np.random.default_rng(7).uniform(size=hours)
    told = [limits.severity(p) for p in p_values]
    assert told.count("high") / HOURS_AN_ALARM == pytest.approx(2000, rel=0.1)
    assert told.count("medium") / HOURS_AN_ALARM == pytest.approx(8000, rel=0.1)


def test_a_threshold_belongs_to_its_severity_and_warming_up_to_none() -> None:
    limits = thresholds(Budget(high=2, medium=8), "usual")
    assert limits.severity(limits.high) == "high"
    assert limits.severity(limits.high * 1.001) == "medium"
    assert limits.severity(limits.medium) == "medium"
    assert limits.severity(limits.medium * 1.001) is None
    assert limits.severity(math.nan) is None


def test_shares_are_weights_among_the_enabled_detectors_of_a_channel() -> None:
    policy = default_policy(DETECTORS)
    assert policy.weights("usual") == pytest.approx({"burst": 0.8, "ramp": 0.2})
    assert policy.weights("cold") == {"cold_start": 1.0}
    assert parsed("detectors.burst.enabled = false").weights("usual") == {"ramp": 1.0}
    assert parsed("detectors.cold_start.enabled = false").weights("cold") == {}


def test_a_cold_account_is_judged_by_all_but_those_that_need_traffic_of_late() -> None:
    some = tuple(d for d in all_detectors() if d.NAME in ("burst", "ramp", "content", "cold_start"))
    assert default_policy(some).combination("usual") == pytest.approx(
        {"burst": 4 / 6, "ramp": 1 / 6, "content": 1 / 6}
    )
    assert default_policy(some).combination("cold") == pytest.approx(
        {"content": 0.1, "cold_start": 0.9}
    )
    assert default_policy(DETECTORS).combination("cold") == {"cold_start": 1.0}
    without = parsed("detectors.cold_start.enabled = false")
    assert sum(without.combination("cold").values()) == pytest.approx(1.0)


COHORTS = """
[[cohorts]]
name = "b"
accounts = ["acct-1*"]
use_cases = ["market*"]
[[cohorts]]
name = "a"
orgs = ["org-7", "org-8?"]
"""


def test_a_cohort_is_whom_all_its_lists_match_and_the_first_by_name_wins() -> None:
    policy = parsed(COHORTS)
    assert policy.cohort_of("acct-17", "org-1", "marketing") == "b"
    assert policy.cohort_of("acct-17", "org-1", "support") == ""
    assert policy.cohort_of("acct-2", "org-1", "marketing") == ""
    assert policy.cohort_of("acct-2", "org-81", "") == "a"
    assert policy.cohort_of("acct-17", "org-7", "marketing") == "a"


def test_an_excuse_ends_with_its_last_day() -> None:
    policy = parsed(
        """
        [[allow]]
        accounts = ["acct-1*"]
        orgs = ["org-1"]
        detectors = ["burst"]
        owner = "me"
        reason = "load test"
        expires = 2026-06-20
        """
    )
    last, day_after = ms(2026, 6, 20, 23, 59, 59), ms(2026, 6, 21)
    assert policy.allowed("acct-17", "org-1", "burst", last) == policy.allow[0]
    assert policy.allowed("acct-17", "org-1", "burst", day_after) is None
    assert policy.allowed("acct-17", "org-1", "ramp", last) is None
    assert policy.allowed("acct-17", "org-2", "burst", last) is None
    assert policy.allowed("acct-2", "org-1", "burst", last) is None


def test_routes_follow_the_clock_of_their_zone() -> None:
    policy = parsed(
        """
        [[channels]]
        name = "on-call"
        url_env = "A"
        [[channels]]
        name = "night"
        url_env = "B"
        [[routes]]
        name = "day"
        severities = ["high"]
        hours = "09:00-17:00"
        time_zone = "Europe/Berlin"
        channel = "on-call"
        [[routes]]
        name = "night"
        severities = ["high"]
        hours = "17:00-09:00"
        time_zone = "Europe/Berlin"
        channel = "night"
        """
    )

    def channels(*when: int, severity: str = "high") -> list[str]:
        return [r.channel for r in policy.routes_of(severity, "burst", "org", ms(*when))]

    assert channels(2026, 1, 15, 8, 30) == ["on-call"], "winter: 9:30 in Berlin"
    assert channels(2026, 7, 15, 7, 30) == ["on-call"], "summer: 9:30 in Berlin"
    assert channels(2026, 1, 15, 7, 59) == ["night"]
    assert channels(2026, 1, 15, 16, 0) == ["night"], "17:00, the end is not in it"
    assert channels(2026, 1, 15, 23, 30) == ["night"]
    assert channels(2026, 1, 15, 8, 30, severity="medium") == []


SAME = [
    COHORTS,
    '[[cohorts]]\nname = "a"\norgs = ["org-8?", "org-7"]\n'
    '[[cohorts]]\nuse_cases = ["market*"]\naccounts = ["acct-1*"]\nname = "b" # words\n',
    COHORTS + "[budget]\nhigh = 2\n[detectors.burst.parameters]\nminimum = 3",
]


def test_the_version_is_of_the_content_alone() -> None:
    versions = {parsed(text).version for text in SAME}
    assert len(versions) == 1
    (version,) = versions
    assert len(version) == 16
    assert int(version, 16) >= 0


@pytest.mark.parametrize(
    "more",
    [
        "[budget]\nhigh = 3",
        "[budget]\nunit = 'pages_per_shift'",
        "[detectors.burst.parameters]\nlimits = [0.2, 2.0]",
        "[detectors.burst]\nshare = 0.5",
        "[detectors.ramp]\nenabled = false",
        "[incidents]\nreopen_within_s = 60",
        "[[channels]]\nname = 'c'\nurl_env = 'D'\n[[routes]]\nname = 'a'\nchannel = 'c'",
        "[[channels]]\nname = 'd'\nurl_env = 'D'",
        "[[channels]]\nname = 'c'\nurl_env = 'C'\ntitle = '{kind}'",
    ],
)
def test_every_value_is_in_the_version(more: str) -> None:
    assert parsed(COHORTS + more).version != parsed(COHORTS).version


def test_the_numbers_of_a_parameter_have_an_order_that_counts() -> None:
    swapped = parsed("[detectors.burst.parameters]\nweights = [0.5, 1.0]")
    assert swapped.version != parsed("").version


def test_a_changed_policy_has_a_version_of_its_own() -> None:
    policy = parsed("")
    changed = policy.changed(fdr=0.1)
    assert changed.version == parsed("fdr = 0.1").version != policy.version


def test_a_policy_crosses_processes() -> None:
    policy = parsed(COHORTS)
    copy: Policy = pickle.loads(pickle.dumps(policy))
    assert copy == policy
    assert copy.version == policy.version
