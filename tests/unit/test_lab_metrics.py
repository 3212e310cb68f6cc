"""The lab's measures on cases small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from streams.lab.metrics import Lab, episodes, peaks, threshold_for
from streams.lab.outcome import ACCOUNT_HOURS, Outcome, budget_score, honest_hours, rise
from streams.lab.resample import Bootstrap
from streams.lab.scenario import DAY, HOUR, Truth

HOURS = 240


def truth(account: int, start: int, minutes: int = 10, **more: object) -> Truth:
    values: dict[str, object] = {
        "scenario": "burst",
        "strength": "x10",
        "length": minutes,
        "label": "attack",
        "account": account,
        "client": account,
        "start": start,
        "end": start + minutes,
    }
    return Truth(**{**values, **more})  # type: ignore[arg-type]


def outcome(half: str, accounts: int, truths: list[Truth]) -> Outcome:
    """Silent scores everywhere; every account is its own client."""
    made = Outcome(half, np.arange(accounts), np.zeros(accounts, np.int64), truths)
    made.scores["pulse"] = np.zeros((HOURS, accounts), np.float32)
    made.p_values["pulse"] = np.zeros((HOURS, accounts), np.float32)
    made.rises["pulse"] = [rise(np.zeros(0, np.int64), np.zeros(0)) for _ in truths]
    return made


def test_a_budget_allows_its_share_of_all_known_account_hours() -> None:
    scores = np.arange(1000, dtype=np.float32)
    threshold = threshold_for(scores, budget=120.0, known=1000)  # 120 / 24,000 of 1,000 hours: 5
    assert (scores >= threshold).sum() == 5
    # Most hours were silent: the same budget lets more of the scored ones alarm.
    assert (scores >= threshold_for(scores, 120.0, known=4000)).sum() == 20


def test_ties_never_break_the_budget_and_too_small_a_budget_never_alarms() -> None:
    scores = np.repeat(np.array([1.0, 7.0], np.float32), [990, 10])
    assert not (scores >= threshold_for(scores, 120.0, 1000)).any()  # ten tie, five are allowed
    assert threshold_for(scores, 1.0, 1000) == np.inf
    assert (scores >= threshold_for(scores, 24_000.0, 1000)).all()
    missing = np.append(scores, np.float32(np.nan))
    assert threshold_for(missing, 1000.0, 1000) == threshold_for(scores, 1000.0, 1000)


def test_an_attack_is_found_in_the_hours_it_touches_and_nowhere_else() -> None:
    scores = np.full((HOURS, 2), np.nan, np.float32)
    scores[50, 0], scores[51, 0], scores[52, 0] = 1.0, 5.0, 9.0
    over_the_hour = truth(0, 50 * HOUR + 55)
    assert peaks(scores, [over_the_hour], second=False).tolist() == [5.0]
    assert peaks(scores, [truth(1, 50 * HOUR)], second=False).tolist() == [-np.inf]
    again = truth(0, 10 * HOUR, second=52 * HOUR)
    assert peaks(scores, [again], second=True).tolist() == [9.0]
    assert peaks(scores, [truth(0, 52 * HOUR)], second=True).tolist() == [-np.inf]


def test_alarms_close_to_each_other_are_one_episode() -> None:
    alarms = np.zeros((10, 2), np.bool_)
    alarms[[0, 1, 3, 6], 0] = True
    assert episodes(alarms).tolist() == [2, 0]


def test_hours_of_an_attack_and_the_day_after_are_not_honest() -> None:
    negative = truth(1, 60 * HOUR, label="negative", scenario="level_shift")
    honest = honest_hours(HOURS, 3, [truth(0, 60 * HOUR + 30, 60), negative])
    assert not honest[:48].any()
    assert honest[59, 0]
    assert not honest[60 : 61 + 24 + 1, 0].any()
    assert honest[61 + 24 + 1, 0]
    assert not honest[:, 1].any()
    assert honest[48:, 2].all()


def test_recall_delay_and_price_of_a_case_counted_by_hand() -> None:
    a = outcome("A", 4, [truth(0, 100 * HOUR), truth(1, 100 * HOUR)])
    b = outcome("B", 4, [truth(2, 150 * HOUR + 30)])
    a.scores["pulse"][100, 0] = 5.0  # found
    a.scores["pulse"][99, 1] = 5.0  # an hour early: no find, a false alarm
    b.scores["pulse"][150, 2] = 5.0  # found
    b.scores["pulse"][[200, 201], 3] = 5.0  # two false account-hours, one episode
    a.rises["pulse"][0] = rise(np.array([3, 9]), np.array([1.0, 5.0]))
    b.rises["pulse"][0] = rise(np.array([1]), np.array([5.0]))
    lab = Lab([a, b], seed=1)
    limit = {"A": 4.0, "B": 4.0}
    every = np.ones(3, np.bool_)
    assert lab.recall("pulse", limit, every).value == pytest.approx(2 / 3)
    assert lab.recall("pulse", limit, every).n == 3
    assert lab.delay("pulse", limit, every).value == 5.0  # between 9 and 1
    days = lab.account_days
    honest = 8 * (HOURS - 48) - 3 * 25  # account-hours: an attack takes its own and 24 more
    assert days == pytest.approx(honest / 24)
    price = lab.false_alarms("pulse", limit)
    assert price.hours.value == pytest.approx(3 / honest * ACCOUNT_HOURS)
    assert price.episodes.value == pytest.approx(2 / honest * ACCOUNT_HOURS)
    assert lab.precision("pulse", limit).value == pytest.approx(2 / 4)


def test_a_baseline_is_tested_at_the_threshold_of_the_other_half() -> None:
    a, b = outcome("A", 50, []), outcome("B", 50, [])
    rng = np.random.default_rng(1)
    for made, scale in ((a, 1.0), (b, 10.0)):
        made.scores["fixed_limit"] = (scale * rng.random((HOURS, 50))).astype(np.float32)
    lab = Lab([a, b], seed=1)
    carried, own = lab.carried("fixed_limit", 100.0), lab.at_par("fixed_limit", 100.0)
    assert carried["A"] == own["B"]
    assert carried["B"] == own["A"]
    assert 0.9 < own["A"] < 1.0
    assert 9.0 < own["B"] < 10.0
    at_par = lab.false_alarms("fixed_limit", own).hours.value
    assert at_par == pytest.approx(100.0, rel=0.05)
    assert lab.carried("pulse", 100.0) == {"A": budget_score(100.0), "B": budget_score(100.0)}


def test_reliability_compares_stated_with_observed() -> None:
    a = outcome("A", 500, [])
    uniform = np.random.default_rng(2).random((HOURS, 500))
    a.p_values["pulse"] = (-np.log10(uniform)).astype(np.float32)
    for nominal, figure in Lab([a], seed=1).reliability("pulse"):
        assert figure.value == pytest.approx(nominal, rel=0.6 if nominal < 1e-3 else 0.15)
        assert figure.low <= figure.value <= figure.high
    a.p_values["pulse"] = (-np.log10(uniform / 3.0)).astype(np.float32)  # three times too small
    observed = dict(Lab([a], seed=1).reliability("pulse"))
    assert observed[1e-2].value == pytest.approx(3e-2, rel=0.1)


def test_a_level_shift_is_silent_after_its_last_alarm() -> None:
    shift = truth(0, 100 * HOUR + 30, 3 * DAY, label="negative", scenario="level_shift")
    made = outcome("A", 1, [shift])
    lab, limit, which = Lab([made], seed=1), {"A": 4.0}, np.ones(1, np.bool_)
    assert lab.silent_after("pulse", limit, which).value == 0.0
    made.scores["pulse"][[100, 105], 0] = 5.0
    assert lab.silent_after("pulse", limit, which).value == 6.0


def test_intervals_resample_clients_not_accounts() -> None:
    """A hundred accounts of two clients tell no more than the two clients do."""
    client = np.repeat([0, 1], 50)
    found = np.repeat([1.0, 0.0], 50)
    few = Bootstrap(2, seed=3).ratio(client, found, np.ones(100))
    assert few.value == 0.5
    assert (few.low, few.high) == (0.0, 1.0)
    many = Bootstrap(100, seed=3).ratio(np.arange(100), found, np.ones(100))
    assert 0.35 < many.low < 0.45
    assert 0.55 < many.high < 0.65
    assert many == Bootstrap(100, seed=3).ratio(np.arange(100), found, np.ones(100))


def test_a_median_has_an_interval_and_nothing_measured_is_nan() -> None:
    bootstrap = Bootstrap(20, seed=3)
    figure = bootstrap.median(np.arange(20), np.arange(20.0))
    assert figure.value == 9.5
    assert 4.0 <= figure.low < 9.5 < figure.high <= 15.0
    assert np.isnan(bootstrap.median(np.zeros(0, np.int64), np.zeros(0)).value)
    nothing = bootstrap.ratio(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    assert np.isnan(nothing.value)
    assert nothing.n == 0


def test_the_delay_is_when_the_score_first_reached_the_threshold() -> None:
    rising = rise(np.array([1, 2, 3, 4]), np.array([2.0, np.nan, 1.0, 6.0]))
    assert rising.delay(1.5) == 1.0
    assert rising.delay(6.0) == 4.0
    assert np.isnan(rising.delay(6.1))


def test_the_day_after_an_alarm_counts_for_no_reliability() -> None:
    made = outcome("A", 1, [])
    made.scores["pulse"][100:110, 0] = 9.0
    made.p_values["pulse"][100:110, 0] = 9.0
    _, figure = Lab([made], seed=1).reliability("pulse")[-1]
    assert figure.value == pytest.approx(1 / (HOURS - 48 - 24 - 9))  # the first of ten hours


def test_pages_are_the_folds_own_alerts_on_honest_hours() -> None:
    made = outcome("A", 2, [truth(0, 100 * HOUR)])
    inside, honest, early = (0, 100 * HOUR + 5, "high"), (1, 150 * HOUR, "medium"), (1, 60, "high")
    made.alerts = [inside, honest, early]
    lab = Lab([made], seed=1)
    assert lab.pages().value == pytest.approx(1000.0 / lab.account_days)
