"""Content on one account's story at a time: counts matter, history matters, policies have names."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from detectors import content
from detectors.base import HOUR_MS, FloatArray, State
from detectors.content import CATEGORIES, Parameters

MIDNIGHT_MS = 1_700_006_400_000
ALARM = 4.0


def hour_of(
    category: str = "hate", flagged: int = 0, short: int = 0, requests: int = 200, bins: int = 12
) -> dict[str, FloatArray]:
    place = CATEGORIES.index(category)
    counts, all_flagged, brief = np.zeros((1, 32)), np.zeros((1, 8)), np.zeros((1, 8))
    counts[0, :bins] = requests / bins
    all_flagged[0, place], brief[0, place] = flagged, short
    return {
        "requests": np.array([float(requests)]),
        "template_counts": counts,
        "moderation_sum": all_flagged * 0.8 + requests * 0.01,
        "flagged": all_flagged,
        "flagged_short": brief,
    }


class Life:
    """One account, hour by hour."""

    def __init__(self) -> None:
        self.state: State = np.zeros(1, dtype=content.STATE)
        self.hour = MIDNIGHT_MS // HOUR_MS
        self.parameters = Parameters()

    def look(self, inputs: dict[str, FloatArray]) -> tuple[float, str]:
        now_ms = (self.hour + 1) * HOUR_MS
        evidence = content.score(self.state, inputs, now_ms, self.parameters)
        return float(evidence.value[0]), content.KINDS[int(evidence.kind[0])]

    def live(self, inputs: dict[str, FloatArray]) -> float:
        """Its evidence; the hour is learned."""
        value, _ = self.look(inputs)
        self.hour += 1
        self.state = content.observe(self.state, inputs, self.hour * HOUR_MS, self.parameters)
        return value

    def grown(self, flagged: int = 0, category: str = "hate") -> Life:
        for _ in range(96):
            self.live(hour_of(category, flagged))
        return self


def test_three_of_five_is_not_three_hundred_of_five_hundred() -> None:
    life = Life().grown()
    few, _ = life.look(hour_of(flagged=3, requests=5))
    many, _ = life.look(hour_of(flagged=300, requests=500))
    two, _ = life.look(hour_of(flagged=2, requests=5))
    assert 0.0 < few < many / 3
    assert two == 0.0


@pytest.mark.parametrize(
    ("category", "short", "bins", "kind"),
    [
        ("medical_spam", 60, 12, "medical_spam"),
        ("medical_spam", 0, 1, "medical_spam"),
        ("medical_spam", 0, 12, "content_medical_spam"),
        ("political_persuasion", 60, 12, "political_amplification"),
        ("political_persuasion", 0, 12, "content_political_persuasion"),
        ("hate", 0, 12, "hate_role_play"),
        ("harassment", 5, 12, "hate_role_play"),
        ("hate", 60, 12, "content_hate"),
        ("self_harm", 30, 12, "content_self_harm"),
        ("sexual", 30, 12, "content_sexual"),
        ("violence", 30, 12, "content_violence"),
        ("illicit", 30, 12, "content_illicit"),
    ],
)
def test_each_policy_is_named_by_category_and_shape_of_output(
    category: str, short: int, bins: int, kind: str
) -> None:
    value, named = Life().grown().look(hour_of(category, 60, short, bins=bins))
    assert value > ALARM
    assert named == kind


def test_a_policy_weighs_more_than_its_category_alone() -> None:
    life = Life().grown()
    role_play, _ = life.look(hour_of("hate", 60, 0))
    short, _ = life.look(hour_of("hate", 60, 60))
    assert role_play == pytest.approx(short / Parameters().category_weight)


def test_what_is_usual_for_the_account_is_not_strange() -> None:
    dark = Life().grown(flagged=40)
    assert dark.look(hour_of(flagged=50))[0] < 1.0
    assert Life().grown().look(hour_of(flagged=50))[0] > ALARM


def test_what_is_usual_for_everybody_is_not_strange() -> None:
    life = Life().grown()
    plain, _ = life.look(hour_of(flagged=10))
    life.parameters = Parameters(population_rate=(0.05,) * 8)
    assert life.look(hour_of(flagged=10))[0] == 0.0 < plain


def test_one_category_in_eight_pays_for_all() -> None:
    life = Life().grown()
    judged, _ = life.look(hour_of("self_harm", 4))
    rate = life.parameters.population_rate[2]
    from scipy.stats import nbinom

    history = float(life.state["requests"][0])
    own = max(1.0 / (history + 2000.0), rate)
    size = 1.0 / (1.0 + 0.5)
    p = nbinom.sf(3, size, size / (size + 200.0 * own))
    assert judged == pytest.approx(0.8 * -np.log10(8.0 * p), rel=1e-6)


@pytest.mark.parametrize("hours_later", [1, 5, 9])
def test_the_same_attack_hours_later_is_found(hours_later: int) -> None:
    life = Life().grown()
    attack = hour_of("medical_spam", 80, 80)
    first = [life.live(attack) for _ in range(3)]
    for _ in range(hours_later):
        assert life.live(hour_of()) == 0.0
    assert min(*first, life.live(attack)) > ALARM


def test_an_honest_change_is_silent_within_a_day() -> None:
    life = Life().grown()
    changed = [life.live(hour_of("violence", 60, 10)) for _ in range(48)]
    assert changed[0] > ALARM
    assert max(changed[24:]) < 1.0


def test_a_young_account_warms_up() -> None:
    life = Life()
    values = [life.live(hour_of("medical_spam", 80, 80)) for _ in range(7)]
    assert np.isnan(values[:6]).all()
    assert np.isfinite(values[6])


def test_the_sentence_names_category_counts_usual_and_population() -> None:
    life = Life().grown()
    now_ms = (life.hour + 1) * HOUR_MS
    inputs = hour_of("medical_spam", 82, 80)
    why = content.explain("acct-7", life.state, inputs, now_ms, life.parameters, ALARM)
    assert why.sentence.startswith(
        "acct-7: 80 of 200 requests of this hour were flagged as medical spam with short answers, "
        "40 %; its own usual is under 0.1 %, that of all accounts under 0.1 %"
    )
    assert why.metric == "flagged_short_medical_spam"
    assert 3 <= why.threshold < 20


def test_the_state_is_small() -> None:
    assert content.STATE.itemsize <= 144


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("population_rate", (0.1,) * 7),
        ("population_rate", (1.0,) * 8),
        ("policy_weight", (1.0, 0.0, 1.0)),
        ("policy_min_flagged", (3, 3)),
        ("half_life_hours", 0.0),
    ],
)
def test_a_parameter_out_of_range_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"content {name}: expected .*got"):
        dataclasses.replace(Parameters(), **{name: value})  # type: ignore[arg-type]


def test_an_attack_hardly_moves_what_is_usual() -> None:
    life = Life().grown()
    attack = hour_of("medical_spam", 80, 80)
    for _ in range(3):
        life.live(attack)
    now_ms = (life.hour + 1) * HOUR_MS
    why = content.explain("a", life.state, attack, now_ms, life.parameters, ALARM)
    assert why.drivers["usual_share"] < 0.003


def test_an_unfinished_hour_after_idle_ones_and_a_row_learned_already_stay_as_they_are() -> None:
    life = Life().grown()
    attack = hour_of("medical_spam", 80, 80)
    later_ms = (life.hour + 9) * HOUR_MS
    middle = content.observe(life.state, attack, later_ms - 1, life.parameters)
    assert middle.tobytes() == life.state.tobytes()
    learned = content.observe(life.state, attack, later_ms, life.parameters)
    rows = np.concatenate([life.state, learned])
    inputs = {name: np.repeat(values, 2, axis=0) for name, values in attack.items()}
    both = content.observe(rows, inputs, later_ms, life.parameters)
    assert both.tobytes() == np.concatenate([learned, learned]).tobytes()
