"""The use-case detector: drift it names, variation it leaves alone, and its two memories."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from detectors import use_case
from detectors.base import HOUR_MS, FloatArray, State
from detectors.use_case_state import MIXES, expected_shares, row_sum

START_MS = 1_700_006_400_000
PARAMETERS = use_case.Parameters()
N = 40
USUAL = np.array([0.02, 0.3, 0.25, 0.2, 0.13, 0.1, 0.0, 0.0])
NEW = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


def hour(
    rng: np.random.Generator,
    shares: Mapping[str, FloatArray] = {},
    rate: float = 120.0,
    steady: float = 1e6,
    cohort: FloatArray | None = None,
) -> dict[str, FloatArray]:
    """Mixes of `USUAL`, but for those in `shares`; a small `steady`: they vary by the hour."""
    requests = rng.poisson(rate, N)
    inputs: dict[str, FloatArray] = {"requests": requests.astype(np.float64)}
    for mix in MIXES:
        weights = rng.gamma(shares.get(mix, USUAL) * steady + 1e-9, size=(N, 8)) + 1e-12
        drawn = rng.multinomial(requests, weights / weights.sum(axis=1, keepdims=True))
        inputs[mix] = drawn.astype(np.float64)
    inputs["cohort_profile"] = np.tile(np.zeros(8) if cohort is None else cohort, (N, 4))
    return inputs


class Life:
    """Accounts after a week, at work from `start` to `end` o'clock."""

    def __init__(self, start: int = 0, end: int = 24, steady: float = 1e6) -> None:
        self.rng = np.random.default_rng(8)
        self.state: State = np.zeros(N, use_case.STATE)
        self.hours, self.start, self.end, self.steady = 0, start, end, steady
        for _ in range(7 * 24):
            self.live()

    def now_ms(self) -> int:
        return START_MS + (self.hours + 1) * HOUR_MS

    def evidence(self, inputs: dict[str, FloatArray]) -> tuple[FloatArray, set[str]]:
        found = use_case.score(self.state, inputs, self.now_ms(), PARAMETERS)
        kinds = found.kind[found.value > 0.0].tolist()
        return found.value, {use_case.KINDS[kind] for kind in kinds}

    def live(self, **other: FloatArray) -> FloatArray:
        """One hour; outside work only the clock moves on."""
        value = np.zeros(N)
        if self.start <= self.hours % 24 < self.end:
            inputs = hour(self.rng, other, steady=self.steady)
            value = use_case.score(self.state, inputs, self.now_ms(), PARAMETERS).value
            self.state = use_case.observe(self.state, inputs, self.now_ms(), PARAMETERS)
        self.hours += 1
        return value


@pytest.fixture
def life() -> Life:
    return Life()


def test_the_state_is_small() -> None:
    assert use_case.STATE.itemsize <= 176


def test_usual_hours_are_silent(life: Life) -> None:
    assert max(life.live().max() for _ in range(24)) < 2.5


@pytest.mark.parametrize("mix", MIXES)
def test_the_dimension_that_drifted_is_named(life: Life, mix: str) -> None:
    half = 0.5 * USUAL + 0.5 * NEW
    value, kinds = life.evidence(hour(life.rng, {mix: half}))
    assert value.min() > 5.0
    assert kinds == {f"use_case_{mix}"}


def test_more_of_the_same_is_no_drift(life: Life) -> None:
    assert life.evidence(hour(life.rng, rate=5_000.0))[0].max() < 2.5


def test_few_requests_are_not_judged(life: Life) -> None:
    inputs = {name: values.copy() for name, values in hour(life.rng, rate=0.0).items()}
    inputs["requests"][:], inputs["endpoints"][:, 7] = 9.0, 9.0
    assert life.evidence(inputs)[0].max() == 0.0


def test_an_account_that_always_varies_does_not_drift_when_it_varies_again() -> None:
    steady, restless = Life(), Life(steady=8.0)
    inputs = hour(np.random.default_rng(3), steady=8.0)
    by_steady, by_restless = steady.evidence(inputs)[0], restless.evidence(inputs)[0]
    assert np.median(by_steady) > 5.0
    assert np.median(by_restless) < 0.5
    assert (by_restless < 2.5).all()


def test_moving_towards_ones_cohort_is_less_strange_than_away_from_it(life: Life) -> None:
    half = 0.5 * USUAL + 0.5 * NEW
    towards = hour(np.random.default_rng(3), {"endpoints": half}, cohort=NEW)
    away = hour(np.random.default_rng(3), {"endpoints": half}, cohort=USUAL)
    assert (life.evidence(towards)[0] < life.evidence(away)[0]).all()


def test_the_same_drift_is_found_again_hours_later(life: Life) -> None:
    half = 0.5 * USUAL + 0.5 * NEW
    first = [life.live(endpoints=half).min() for _ in range(3)]
    for _ in range(8):
        life.live()
    assert min(first + [life.live(endpoints=half).min() for _ in range(3)]) > 5.0


def test_after_a_launch_the_profile_follows_within_a_day(life: Life) -> None:
    launched = 0.6 * USUAL + 0.4 * NEW
    values = [np.median(life.live(endpoints=launched, prompt_sizes=launched)) for _ in range(36)]
    assert min(values[:6]) > 5.0
    assert max(values[20:]) < 1.0


def test_gradual_growth_into_something_new_is_followed(life: Life) -> None:
    values = []
    for step in range(10 * 24):
        share = 0.3 * step / 240
        values.append(np.median(life.live(endpoints=(1.0 - share) * USUAL + share * NEW)))
    assert max(values) < 2.0


def test_work_at_night_adds_up_and_is_followed_when_it_stays() -> None:
    life = Life(start=8, end=18)
    life.start, life.end = 0, 24
    night = [life.live().min() for _ in range(3)]
    assert night == sorted(night)
    assert night[2] > 1.0
    assert life.evidence(hour(life.rng))[1] <= {"use_case_hours"}
    for _ in range(3 * 24):
        life.live()
    assert max(life.live().max() for _ in range(24)) < 2.5


def test_a_single_request_at_night_is_nothing() -> None:
    life = Life(start=8, end=18)
    one = {name: np.zeros_like(values) for name, values in hour(life.rng).items()}
    one["requests"][:] = 1.0
    assert life.evidence(one)[0].max() == 0.0


def test_around_the_clock_no_hour_is_odd(life: Life) -> None:
    kinds = set()
    for _ in range(24):
        kinds |= life.evidence(hour(life.rng))[1]
        life.live()
    assert "use_case_hours" not in kinds


def test_expected_shares_are_shares_whatever_is_known(life: Life) -> None:
    for state in (life.state, np.zeros(N, use_case.STATE)):
        for cohort in (None, USUAL):
            inputs = hour(life.rng, cohort=cohort)
            shares = expected_shares(state, inputs, 2, PARAMETERS)
            assert row_sum(shares) == pytest.approx(np.ones(N), abs=1e-12)
            assert (shares > 0.0).all()
    of_nobody = expected_shares(np.zeros(N, use_case.STATE), inputs, 2, PARAMETERS)
    assert np.abs(of_nobody[0] - USUAL).max() < 0.02, "its cohort speaks for a new account"


def test_idle_days_change_no_share_and_in_the_end_the_verdict(life: Life) -> None:
    half = hour(np.random.default_rng(3), {"endpoints": 0.5 * USUAL + 0.5 * NEW})
    before = life.evidence(half)[0]
    life.hours += 24
    assert np.abs(life.evidence(half)[0] / before - 1.0).max() < 0.1
    life.hours += 24 * 60
    assert np.isnan(life.evidence(half)[0]).all()


def test_only_whole_hours_are_learned_and_only_once(life: Life) -> None:
    inputs, end_ms = hour(life.rng), life.now_ms()
    within = use_case.observe(life.state, inputs, end_ms - HOUR_MS // 3, PARAMETERS)
    assert within.tobytes() == life.state.tobytes()
    once = use_case.observe(life.state, inputs, end_ms, PARAMETERS)
    assert use_case.observe(once, inputs, end_ms, PARAMETERS).tobytes() == once.tobytes()


def test_the_explanation_can_be_read(life: Life) -> None:
    inputs = {
        name: values[:1]
        for name, values in hour(life.rng, {"prompt_sizes": 0.5 * USUAL + 0.5 * NEW}).items()
    }
    why = use_case.explain("acct-7", life.state[:1], inputs, life.now_ms(), PARAMETERS, 4.0)
    count, total = inputs["prompt_sizes"][0, 7], inputs["requests"][0]
    assert why.sentence.startswith(
        f"acct-7 sent {count:.0f} of {total:.0f} requests in 1 hour with prompts of 32,768 and more"
        " tokens; its usual is "
    )
    assert (why.metric, why.observed) == ("prompt_sizes[7]", count)
    assert why.expected < why.threshold < why.observed
    assert next(iter(why.drivers)) == "use_case_prompt_sizes"


@pytest.mark.parametrize(("field", "value"), [("half_life_h", 0.0), ("cohort_share", 1.5)])
def test_wrong_parameters_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"use_case {field}: expected .* got {value}"):
        use_case.Parameters(**{field: value})


def test_the_own_profile_must_have_some_share() -> None:
    with pytest.raises(ValueError, match="cohort_share: expected a share that leaves some"):
        use_case.Parameters(cohort_share=0.6, uniform_share=0.5)
