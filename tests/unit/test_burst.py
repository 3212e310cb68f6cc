"""What an on-call engineer relies on: which traffic the burst detector alarms on, and when not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from detectors import burst
from detectors.base import Explanation, FloatArray, State
from detectors.negative_binomial import tail

HOUR = 3_600_000
START = 1_700_006_400_000  # an hour begins
PARAMETERS = burst.Parameters()


class Account:
    """One account's minutes played in order, as the fold does: score, observe, learn."""

    def __init__(self, parameters: burst.Parameters = PARAMETERS) -> None:
        self.parameters = parameters
        self.state: State = np.zeros(1, dtype=burst.STATE)
        self.minutes: list[tuple[float, float]] = []
        self.alarms: list[int] = []
        self.explanations: list[Explanation] = []

    @property
    def now_ms(self) -> int:
        return START + len(self.minutes) * 60_000

    def sums(self) -> FloatArray:
        parts = [np.sum(self.minutes[-(s // 60) :], axis=0) for s in burst.WINDOWS_S]
        return np.array([parts], dtype=np.float64)

    def play(self, requests: Sequence[float], tokens_each: float = 100.0) -> list[int]:
        """Play one entry a minute; returns the minutes (from the first one ever) that alarmed."""
        before = len(self.alarms)
        for count in requests:
            self.minutes.append((count, count * tokens_each))
            sums, now_ms = self.sums(), self.now_ms
            if sums.any():
                if burst.score(self.state, sums, now_ms, self.parameters).alarm[0]:
                    self.alarms.append(len(self.minutes) - 1)
                    self.explanations.append(
                        burst.explain("acct-17", self.state, sums, now_ms, self.parameters)
                    )
                self.state = burst.observe(self.state, sums, now_ms, self.parameters)
            if now_ms % 300_000 == 0 and sums[0, 1].any():
                self.state = burst.learn(self.state, sums[:, 1], now_ms, self.parameters)
        return self.alarms[before:]


def usual(minutes: int, seed: int = 1, mean: float = 2.0) -> list[float]:
    return [float(count) for count in np.random.default_rng(seed).poisson(mean, minutes)]


@pytest.fixture
def warm() -> Account:
    """Two days of about ten requests in five minutes, without an alarm."""
    account = Account()
    assert account.play(usual(2 * 1440)) == []
    return account


def test_a_burst_is_found_within_two_minutes_and_over_and_over_within_its_hour(
    warm: Account,
) -> None:
    start = len(warm.minutes)
    alarms = warm.play([100.0] * 50)
    assert alarms[0] - start < 2
    assert alarms == list(range(alarms[0], start + 50))


def test_the_usual_stays_silent_for_a_week(warm: Account) -> None:
    assert warm.play(usual(7 * 1440, seed=2)) == []


def test_few_requests_never_alarm_however_unlikely() -> None:
    for count, found in ((29.0, False), (30.0, True)):
        account = Account()
        account.play([1.0, *[0.0] * (3 * 1440)])
        assert bool(account.play([count])) == found


def test_many_tokens_in_few_requests_are_found_as_tokens(warm: Account) -> None:
    assert warm.play([2.0] * 3, tokens_each=200_000.0) != []
    assert {e.metric for e in warm.explanations} == {"tokens"}


def test_an_account_without_history_gets_no_verdict_for_an_hour() -> None:
    state = np.zeros(1, dtype=burst.STATE)
    flood = np.full((1, 3, 2), 1e6)
    never = burst.score(state, flood, START + 5_000, PARAMETERS)
    assert np.isnan(never.p_value).all()
    assert not never.alarm.any()
    state = burst.observe(state, flood, START + 5_000, PARAMETERS)
    for minutes, verdict in ((59, False), (60, True)):
        scores = burst.score(state, flood, START + 5_000 + minutes * 60_000, PARAMETERS)
        assert np.isfinite(scores.p_value).all() == verdict


def test_a_second_attack_no_larger_than_the_first_is_missed_until_the_record_has_faded(
    warm: Account,
) -> None:
    attack = [60.0] * 10
    assert warm.play(attack) != []
    warm.play(usual(6 * 60, seed=3))
    assert warm.play(attack) == []  # the price of learning at once, as the docstring says
    warm.play(usual(6 * 60, seed=4))
    assert warm.play([240.0] * 10) != []  # a larger one is found
    warm.play(usual(16 * 1440, seed=5))
    assert warm.play([240.0] * 10) != []  # and the same, once two half-lives have passed


def test_an_honest_level_shift_falls_silent_within_a_day_and_stays_so(warm: Account) -> None:
    start = len(warm.minutes)
    alarms = warm.play(usual(3 * 1440, seed=6, mean=40.0))
    assert alarms, "a twentyfold shift is news"
    assert alarms[-1] - start < 1440
    assert alarms[-1] - start < 3 * 60  # in fact within hours


def test_a_ramp_that_less_than_doubles_every_hour_is_missed(warm: Account) -> None:
    ramp = [2.0 * 1.8 ** (minute / 60) for minute in range(10 * 60)]
    assert warm.play(np.rint(ramp).tolist()) == []  # x350 in ten hours: a limit, stated as one
    assert warm.play([ramp[-1] * 5] * 10) != []


def test_an_attack_moves_the_baseline_by_no_more_than_a_winsorised_window(warm: Account) -> None:
    before = warm.state["total"][0, 0]
    cap = 2.0 * warm.state["record"][0, 1, 0] + 20.0
    warm.play([1e6] * 5)
    assert warm.state["total"][0, 0] <= before + cap


def test_the_sentence_says_who_what_how_much_and_against_what(warm: Account) -> None:
    warm.play([248.0] * 5, tokens_each=40.0)  # requests stand out more than tokens
    shown = warm.explanations[-1]
    assert shown.sentence.startswith("acct-17 sent 1,240 requests in 5 minutes; its own record was")
    assert f"was {shown.drivers['record']:.0f}, " in shown.sentence
    assert "by its own history)" in shown.sentence
    assert (shown.observed, shown.window_s, shown.metric) == (1240.0, 300, "requests")
    assert shown.drivers["expected"] == shown.expected == pytest.approx(10.0, rel=0.1)


def test_the_record_in_the_sentence_is_a_count_that_was_seen(warm: Account) -> None:
    warm.play([0.0] * 60 + [96.0, *[0.0] * (3 * 1440 - 1)])
    warm.play([500.0] * 2)
    assert "its own record was 96, 3 days ago" in warm.explanations[-1].sentence


def test_an_account_that_had_none_of_it_is_told_so() -> None:
    silent = Account()
    silent.play(usual(300), tokens_each=0.0)
    silent.play([2.0] * 2, tokens_each=100_000.0)
    assert "it has none on record" in silent.explanations[0].sentence


@pytest.mark.parametrize("seconds", burst.WINDOWS_S)
def test_p_value_of_every_window_follows_from_its_learned_five_minutes(seconds: int) -> None:
    # Fifty windows of 4, 16, 4, 16 ... requests, forgotten slowly; then 400 in `seconds`.
    parameters = dataclasses.replace(PARAMETERS, prior_windows=1e-9, baseline_half_life_s=1e9)
    account = Account(parameters)
    account.play([4.0, 0.0, 0.0, 0.0, 0.0, 16.0, 0.0, 0.0, 0.0, 0.0] * 25)
    mean, variance = 10.0, 36.0
    size = mean**2 / (variance - mean) * min(1.0, seconds / 300)
    window = burst.WINDOWS_S.index(seconds)
    sums = np.zeros((1, 3, 2))
    sums[0, window, 0] = 900.0
    p = burst.score(account.state, sums, account.now_ms + 5_000, parameters).p_value
    scaled = mean * seconds / 300
    expected = tail(np.array([900.0]), np.array([scaled]), np.array([size]))
    assert np.log(p[0, window, 0]) == pytest.approx(np.log(expected[0]), rel=1e-3)
    assert (np.delete(p.ravel(), 2 * window) == 1.0).all()


def test_a_tick_on_the_hour_still_belongs_to_the_hour_it_ends(warm: Account) -> None:
    assert warm.now_ms % HOUR == 0
    sums = np.full((1, 3, 2), 1e9)
    attacked = burst.observe(warm.state, sums, warm.now_ms + HOUR, PARAMETERS)
    again = [
        burst.score(attacked, sums, warm.now_ms + HOUR + late, PARAMETERS).alarm[0]
        for late in (0, 1)
    ]
    assert again == [True, False]


def test_nothing_to_explain_is_an_error(warm: Account) -> None:
    with pytest.raises(ValueError, match="acct-17 does not alarm"):
        burst.explain("acct-17", warm.state, warm.sums(), warm.now_ms, PARAMETERS)


def test_no_threshold_while_warming_up() -> None:
    zeros = np.zeros(1, dtype=np.int64)
    cold = np.zeros(1, dtype=burst.STATE)
    assert np.isnan(burst.threshold(cold, zeros, zeros, START, PARAMETERS)).all()


def test_a_window_learned_twice_counts_once(warm: Account) -> None:
    ended = warm.now_ms
    assert ended % 300_000 == 0
    again = burst.learn(warm.state, np.full((1, 2), 50.0), ended, PARAMETERS)
    assert again.tobytes() == warm.state.tobytes()


def test_the_window_that_ends_with_an_accounts_first_tick_is_learned() -> None:
    sums = np.full((1, 3, 2), 7.0)
    state = burst.observe(np.zeros(1, dtype=burst.STATE), sums, START, PARAMETERS)
    state = burst.learn(state, sums[:, 1], START, PARAMETERS)
    assert (state["learned"][0], state["total"][0, 0]) == (1, 7.0)


def test_a_window_of_an_account_never_observed_is_not_learned() -> None:
    cold = np.zeros(1, dtype=burst.STATE)
    assert burst.learn(cold, np.ones((1, 2)), START, PARAMETERS).tobytes() == cold.tobytes()


def test_learning_off_the_five_minutes_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 300,000 ms, got 1700006400001"):
        burst.learn(np.zeros(1, dtype=burst.STATE), np.ones((1, 2)), START + 1, PARAMETERS)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"p_value": 0.0}, "burst p_value: expected a finite number > 0, got 0.0"),
        ({"p_value": 1.0}, "burst p_value: expected a probability below 1, got 1.0"),
        ({"ratio": float("nan")}, "burst ratio: expected a finite number >= 0, got nan"),
        ({"prior_windows": 0.0}, "burst prior_windows: expected a finite number > 0, got 0.0"),
        ({"prior_mean": (1.0, -2.0)}, "burst prior_mean: expected a finite number > 0"),
        ({"dispersion_limits": (2.0, 1.0)}, "burst dispersion_limits: expected \\(low, high\\)"),
    ],
)
def test_a_parameter_out_of_range_is_named(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(PARAMETERS, **change)  # type: ignore[arg-type]
