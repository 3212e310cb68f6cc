"""The quota detector: what it blames, what it leaves alone, and how long it remembers."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import quota
from detectors.base import HOUR_MS, FloatArray, State
from detectors.quota_state import history

START_MS = 1_700_006_400_000
PARAMETERS = quota.Parameters()
N = 30
DAYS = 7


def hour(rng: np.random.Generator, **other: float) -> dict[str, FloatArray]:
    """Far from every limit; `other` inputs as given."""
    requests = rng.poisson(300.0, N)
    throttled = rng.binomial(2, 0.3, N)
    first = rng.uniform(0.2, 0.5, N)
    inputs = {
        "requests": requests,
        "errors": rng.binomial(requests, 0.01),
        "throttled": throttled,
        "throttled_ticks": throttled,
        "retried_ticks": rng.binomial(throttled, 0.3),
        "quota_first": first,
        "quota_max": first + rng.uniform(0.005, 0.02, N),
        "keys": 1.0 + rng.binomial(1, 0.2, N),
    }
    return {
        name: np.full(N, other[name]) if name in other else np.asarray(values, np.float64)
        for name, values in inputs.items()
    }


class Life:
    """Accounts after a week; every hour is scored, then learned."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(4)
        self.state: State = np.zeros(N, quota.STATE)
        self.hours = 0
        for _ in range(24 * DAYS):
            self.live()

    def now_ms(self) -> int:
        return START_MS + (self.hours + 1) * HOUR_MS

    def evidence(self, **other: float) -> tuple[FloatArray, set[str]]:
        found = quota.score(self.state, hour(self.rng, **other), self.now_ms(), PARAMETERS)
        return found.value, {quota.KINDS[kind] for kind in found.kind[found.value > 0.0].tolist()}

    def live(self, **other: float) -> FloatArray:
        inputs = hour(self.rng, **other)
        value = quota.score(self.state, inputs, self.now_ms(), PARAMETERS).value
        self.state = quota.observe(self.state, inputs, self.now_ms(), PARAMETERS)
        self.hours += 1
        return value


NEAR = {"quota_first": 0.96, "quota_max": 0.97, "throttled": 1.0}
HAMMER = {
    "requests": 700.0,
    "throttled": 350.0,
    "throttled_ticks": 200.0,
    "retried_ticks": 195.0,
}


@pytest.fixture
def life() -> Life:
    return Life()


def test_the_state_is_small() -> None:
    assert quota.STATE.itemsize <= 48


def test_usual_hours_are_silent(life: Life) -> None:
    assert max(life.live().max() for _ in range(48)) < 0.5


def test_hours_just_under_the_limit_add_up(life: Life) -> None:
    values = [life.live(**NEAR).min() for _ in range(6)]
    assert values == sorted(values)
    assert values[1] == 0.0, "two hours near the limit are nothing"
    assert values[5] > 2.5
    assert life.evidence(**NEAR)[1] == {"quota_hugging"}


def test_running_into_the_limit_is_not_hugging_it(life: Life) -> None:
    refused = {**NEAR, "throttled": 100.0, "throttled_ticks": 100.0, "retried_ticks": 0.0}
    assert max(life.live(**refused).max() for _ in range(6)) < 0.5


def test_a_fast_pace_counts_only_when_little_quota_is_left(life: Life) -> None:
    value, kinds = life.evidence(quota_first=0.2, quota_max=0.95)
    assert value.min() > 2.5
    assert kinds == {"early_exhaustion"}
    assert life.evidence(quota_first=0.01, quota_max=0.76)[0].max() == 0.0
    assert life.evidence(quota_first=0.85, quota_max=0.86)[0].max() < 0.5, "slowly used up"
    assert life.evidence(quota_first=0.0, quota_max=0.95)[0].max() < 0.5, "the pace is unknown"


def test_retries_at_once_after_429s_are_named(life: Life) -> None:
    value, kinds = life.evidence(**HAMMER)
    assert value.min() > 3.0
    assert kinds == {"retry_abuse"}


def test_many_429s_with_the_usual_patience_are_not_blamed(life: Life) -> None:
    assert life.evidence(**{**HAMMER, "retried_ticks": 60.0})[0].max() < 0.5


def test_the_retry_storm_of_an_outage_is_not_blamed(life: Life) -> None:
    storm = {**HAMMER, "requests": 1_500.0, "errors": 600.0}
    assert life.evidence(**storm)[0].max() == 0.0


def test_new_keys_count_only_while_keys_are_throttled(life: Life) -> None:
    value, kinds = life.evidence(keys=14.0, throttled=20.0)
    assert value.min() > 2.5
    assert kinds == {"key_hopping"}
    assert life.evidence(keys=14.0, throttled=2.0)[0].max() == 0.0, "a rotation of keys"


def test_the_same_attack_is_found_again_hours_later(life: Life) -> None:
    first = [life.live(**HAMMER).min() for _ in range(3)]
    for _ in range(8):
        life.live()
    again = [life.live(**HAMMER).min() for _ in range(3)]
    assert min(first + again) > 3.0


def test_hugging_is_found_again_hours_later(life: Life) -> None:
    first = np.max([life.live(**NEAR) for _ in range(8)], axis=0)
    for _ in range(8):
        life.live()
    again = np.max([life.live(**NEAR) for _ in range(8)], axis=0)
    assert again.min() > 0.6 * first.min(), "hours of the first attack were learned"


@pytest.mark.parametrize("change", [NEAR, HAMMER], ids=["hugging", "retries"])
def test_an_honest_change_falls_silent_within_a_day(life: Life, change: dict[str, float]) -> None:
    values = [life.live(**change).max() for _ in range(30)]
    assert max(values[:8]) > 2.5
    assert max(values[24:]) < 1.5


def test_idle_time_fades_the_history_and_nothing_else(life: Life) -> None:
    life.rng = np.random.default_rng(4)
    before = life.evidence(**HAMMER)[0]
    life.hours += 24
    life.rng = np.random.default_rng(4)
    after = life.evidence(**HAMMER)[0]
    assert np.abs(after - before).max() < 0.5
    sums = history(life.state, life.now_ms(), PARAMETERS)
    faded = 0.5 ** (25 / PARAMETERS.half_life_h)
    assert sums["requests"] == pytest.approx(life.state["requests"] * faded, rel=1e-6)
    life.hours += 24 * 60
    assert np.isnan(life.evidence(**HAMMER)[0]).all(), "what it knew is too long ago"


def test_hours_of_idleness_leave_the_window(life: Life) -> None:
    for _ in range(5):
        life.live(**NEAR)
    assert life.evidence(**NEAR)[0].min() > 2.0
    life.hours += 6
    assert life.evidence(**NEAR)[0].max() == 0.0


def test_only_whole_hours_are_learned_and_only_once(life: Life) -> None:
    inputs, end_ms = hour(life.rng), life.now_ms()
    within = quota.observe(life.state, inputs, end_ms - HOUR_MS // 3, PARAMETERS)
    assert within.tobytes() == life.state.tobytes()
    once = quota.observe(life.state, inputs, end_ms, PARAMETERS)
    assert quota.observe(once, inputs, end_ms, PARAMETERS).tobytes() == once.tobytes()


def test_the_explanation_can_be_read(life: Life) -> None:
    inputs = {name: values[:1] for name, values in hour(life.rng, **HAMMER).items()}
    why = quota.explain("acct-7", life.state[:1], inputs, life.now_ms(), PARAMETERS, 3.0)
    assert why.sentence.startswith("acct-7 got 350 429s in 1 hour, 50 % of its requests (usual 0.")
    assert "it went on at once after 195 of 200 such moments" in why.sentence
    assert next(iter(why.drivers)) == "retry_abuse"
    assert why.expected < 10.0 < why.threshold < why.observed


@pytest.mark.parametrize(
    ("field", "value"), [("half_life_h", 0.0), ("near_limit", 1.0), ("adoption", -1.0)]
)
def test_wrong_parameters_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"quota {field}: expected .* got {value}"):
        quota.Parameters(**{field: value})
