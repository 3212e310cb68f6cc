"""Low and slow on one account's story at a time: what it must find, and what must stay silent."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from detectors import low_and_slow
from detectors.base import HOUR_MS, FloatArray, State
from detectors.low_and_slow import Parameters

MIDNIGHT_MS = 1_700_006_400_000
ALARM = 3.0
OWN_BINS = [3, 9, 17, 22, 30]
NEW_BIN = 12


def hour_of(
    requests: int = 200,
    short: float = 0.15,
    new_short: float = 0.001,
    one_template: float = 0.0,
    swing: float = 0.0,
) -> dict[str, FloatArray]:
    """One account's hour; `one_template` is the share of requests by a template of its own bin.

    `new_short`: the share of short outputs by one template that is new today.
    """
    brief = round(requests * min(short + swing, 1.0))
    counts = np.zeros((1, 32))
    alone = round(requests * one_template)
    counts[0, NEW_BIN] = alone
    counts[0, OWN_BINS] += np.array([0.35, 0.25, 0.2, 0.12, 0.08]) * (requests - alone)
    new = np.zeros((1, 32))
    new[0, NEW_BIN] = round(requests * new_short)
    numbers = {"outputs": requests, "short_outputs": brief}
    named = {name: np.array([float(value)]) for name, value in numbers.items()}
    return {**named, "template_counts": counts, "new_short_counts": new}


def spam(known: bool = False) -> dict[str, FloatArray]:
    """Four in five requests are short answers by one template, new or not."""
    return hour_of(short=0.83, new_short=0.0 if known else 0.79, one_template=0.8)


class Life:
    """One account, hour by hour."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self.state: State = np.zeros(1, dtype=low_and_slow.STATE)
        self.hour = MIDNIGHT_MS // HOUR_MS
        self.rng = np.random.default_rng(5)

    def live(self, inputs: dict[str, FloatArray]) -> float:
        """Its evidence; the hour is learned."""
        self.hour += 1
        now_ms = self.hour * HOUR_MS
        evidence = low_and_slow.score(self.state, inputs, now_ms, self.parameters)
        self.state = low_and_slow.observe(self.state, inputs, now_ms, self.parameters)
        return float(evidence.value[0])

    def quiet(self, hours: int) -> float:
        """The largest evidence of ordinary hours."""
        swings = self.rng.normal(0.0, 0.04, hours).tolist()
        return max(self.live(hour_of(swing=swing)) for swing in swings)

    def grown(self) -> Life:
        self.quiet(96)
        return self


def kind(life: Life, inputs: dict[str, FloatArray]) -> str:
    now_ms = (life.hour + 1) * HOUR_MS - 600_000
    evidence = low_and_slow.score(life.state, inputs, now_ms, life.parameters)
    return low_and_slow.KINDS[int(evidence.kind[0])]


def test_spam_by_a_new_template_is_found_at_an_unchanged_rate() -> None:
    life = Life().grown()
    assert life.quiet(24) < 1.0
    assert kind(life, spam()) == "template_spam"
    assert life.live(spam()) > ALARM


@pytest.mark.parametrize("hours_later", [2, 5, 8, 11])
def test_the_same_attack_hours_later_is_found_though_its_template_is_known(
    hours_later: int,
) -> None:
    life = Life().grown()
    for known in (False, True, True):
        assert life.live(spam(known)) > ALARM
    life.quiet(hours_later)
    assert life.live(spam(known=True)) > ALARM


def test_an_honest_turn_to_classification_is_silent_within_a_day() -> None:
    life = Life().grown()
    turned = [life.live(spam(known=hour > 9)) for hour in range(72)]
    assert turned[0] > ALARM
    assert max(turned[24:]) < 1.0


def test_a_nightly_batch_is_news_once() -> None:
    life = Life().grown()
    nights = []
    for night in range(6):
        batch = hour_of(1000, short=0.97, new_short=0.85 if night == 0 else 0.0, one_template=0.9)
        nights.append(life.live(batch))
        assert life.quiet(23) < 1.0
    assert nights[0] > ALARM
    assert max(nights[1:]) < 1.0


def test_a_product_launch_and_a_new_version_of_a_prompt_stay_silent() -> None:
    life = Life().grown()
    launch = [life.live(hour_of(2000, new_short=0.02)) for hour in range(6)]
    assert max(launch) < ALARM
    version = [life.live(hour_of(new_short=0.01, one_template=0.7))]
    version += [life.live(hour_of(one_template=0.7)) for _ in range(12)]
    assert max(version) < 1.0


def test_short_outputs_alone_count_less_and_have_a_kind_of_their_own() -> None:
    life = Life().grown()
    alone = hour_of(short=0.9)
    assert kind(life, alone) == "short_output_shift"
    assert 1.0 < life.live(alone) < Life().grown().live(spam()) / 2


def test_few_requests_are_no_evidence_and_a_young_account_warms_up() -> None:
    life = Life()
    assert np.isnan(life.quiet(Parameters().warm_up_hours))
    assert life.live(spam()) < life.quiet(96) + ALARM  # on the first day everything is new
    life.quiet(96)
    few = {name: values / 20.0 for name, values in spam().items()}
    assert life.live(few) == 0.0


def test_an_account_that_is_always_short_is_not_strange() -> None:
    life = Life()
    always = [life.live(hour_of(short=0.9, one_template=0.8)) for _ in range(96)]
    assert max(always[12:]) < 1.0


def test_an_hour_is_learned_once_and_only_at_its_end() -> None:
    life = Life().grown()
    now_ms = (life.hour + 1) * HOUR_MS
    half = low_and_slow.observe(life.state, spam(), now_ms - 1_800_000, life.parameters)
    assert half.tobytes() == life.state.tobytes()
    once = low_and_slow.observe(life.state, spam(), now_ms, life.parameters)
    again = low_and_slow.observe(once, spam(), now_ms, life.parameters)
    assert once.tobytes() != life.state.tobytes()
    assert again.tobytes() == once.tobytes()


def test_the_sentence_tells_the_story() -> None:
    life = Life().grown()
    now_ms = (life.hour + 1) * HOUR_MS
    why = low_and_slow.explain("acct-7", life.state, spam(), now_ms, life.parameters, ALARM)
    assert why.sentence.startswith("acct-7: 166 of 200 answers of this hour are short (32 tokens")
    assert "79 % are short answers of one template new to it today" in why.sentence
    assert why.expected == pytest.approx(30.0, abs=3.0)
    assert 8 < why.threshold < 60  # of them 8 are by templates it had


def test_the_state_is_small() -> None:
    assert low_and_slow.STATE.itemsize <= 176


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("short_weight", 1.5),
        ("winsor_margin", 0.0),
        ("prior_mean", (0.2, 1.0, 0.2)),
        ("dispersion_limits", (0.5, 0.1)),
        ("hour_requests", -1.0),
    ],
)
def test_a_parameter_out_of_range_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"low_and_slow {name}: expected .*got"):
        dataclasses.replace(Parameters(), **{name: value})  # type: ignore[arg-type]


def test_an_attack_hardly_moves_what_is_usual() -> None:
    life = Life().grown()

    def usual() -> float:
        now_ms = (life.hour + 1) * HOUR_MS
        why = low_and_slow.explain("a", life.state, spam(), now_ms, life.parameters, ALARM)
        return why.drivers["short_usual"]

    before = usual()
    for known in (False, True, True):
        life.live(spam(known))
    assert before < usual() < before + 0.012


def test_an_unfinished_hour_after_idle_ones_and_a_row_learned_already_stay_as_they_are() -> None:
    life = Life().grown()
    later_ms = (life.hour + 9) * HOUR_MS
    middle = low_and_slow.observe(life.state, spam(), later_ms - 1, life.parameters)
    assert middle.tobytes() == life.state.tobytes()
    learned = low_and_slow.observe(life.state, spam(), later_ms, life.parameters)
    rows = np.concatenate([life.state, learned])
    inputs = {name: np.repeat(values, 2, axis=0) for name, values in spam().items()}
    both = low_and_slow.observe(rows, inputs, later_ms, life.parameters)
    assert both.tobytes() == np.concatenate([learned, learned]).tobytes()
