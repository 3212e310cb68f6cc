"""The shape detector: its sample and model, what it finds, and how long it remembers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from detectors import shape
from detectors.base import HOUR_MS, FloatArray, State
from detectors.shape_features import FEATURES
from detectors.shape_state import changes
from tests.contract.cases.shape import hour

START_MS = 1_700_006_400_000
PARAMETERS = shape.Parameters(trees=20, tree_rows=256)
N = 60
SEED = 11


class Life:
    """Accounts after four days, and a model of their changes."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(2)
        self.state: State = np.zeros(N, shape.STATE)
        self.identities = self.rng.integers(0, 2**63, N).astype(np.uint64)
        self.hours = 0
        self.matrix: shape.Matrix | None = None
        self.model: shape.Model | None = None
        for _ in range(4 * 24):
            inputs = hour(self.rng, N)
            drawn = self.sample(inputs)
            self.matrix = shape.extend(self.matrix, drawn, PARAMETERS)
            self.live(inputs)
        assert self.matrix is not None
        self.model = shape.fit(self.matrix, SEED, PARAMETERS)

    def now_ms(self) -> int:
        return START_MS + (self.hours + 1) * HOUR_MS

    def sample(self, inputs: dict[str, FloatArray]) -> shape.Matrix:
        return shape.sample(self.state, inputs, self.identities, self.now_ms(), PARAMETERS)

    def evidence(self, inputs: dict[str, FloatArray], part_ms: int = 0) -> FloatArray:
        now_ms = self.now_ms() - part_ms
        return shape.score(self.state, inputs, now_ms, PARAMETERS, model=self.model).value

    def live(self, inputs: dict[str, FloatArray]) -> FloatArray:
        value = self.evidence(inputs)
        self.state = shape.observe(self.state, inputs, self.now_ms(), PARAMETERS)
        self.hours += 1
        return value

    def usual(self) -> dict[str, FloatArray]:
        return hour(self.rng, N)

    def misuse(self) -> dict[str, FloatArray]:
        """Short answers to many new texts from many places, often flagged."""
        inputs = hour(self.rng, N)
        for name, share, of in (
            ("short_outputs", 0.9, "outputs"),
            ("novel", 0.7, "requests"),
        ):
            inputs[name] = np.rint(share * inputs[of])
        inputs["completion_tokens"] = np.rint(0.2 * inputs["completion_tokens"])
        inputs["flagged"][:, 0] = np.rint(0.3 * inputs["requests"])
        inputs["addresses"] = inputs["addresses"] * 5.0
        return inputs


@pytest.fixture(scope="module")
def lived() -> bytes:
    return pickle.dumps(Life())


@pytest.fixture
def life(lived: bytes) -> Life:
    copy: Life = pickle.loads(lived)
    return copy


def test_the_state_is_small() -> None:
    assert shape.STATE.itemsize <= 128


def test_without_a_model_nothing_is_said(life: Life) -> None:
    model, life.model = life.model, None
    assert np.isnan(life.evidence(life.misuse())).all()
    one = {name: values[:1] for name, values in life.usual().items()}
    with pytest.raises(ValueError, match="no model is fitted"):
        shape.explain("a", life.state[:1], one, life.now_ms(), PARAMETERS, 3.0)
    assert model is not None


def test_the_model_may_come_with_the_parameters(life: Life) -> None:
    inputs = life.misuse()
    fitted = shape.Fitted(PARAMETERS, life.model)
    value = shape.score(life.state, inputs, life.now_ms(), fitted).value
    assert value.tobytes() == life.evidence(inputs).tobytes()


def test_a_model_fitted_again_from_its_stored_sample_scores_the_same(life: Life) -> None:
    assert life.model is not None
    stored, shape_of = life.model.matrix.tobytes(), life.model.matrix.shape
    matrix = np.frombuffer(stored, np.float32).reshape(shape_of)
    again = shape.fit(matrix, life.model.seed, PARAMETERS)
    other = shape.fit(matrix, life.model.seed + 1, PARAMETERS)
    inputs = life.misuse()
    expected = life.evidence(inputs)
    for model, same in ((again, True), (pickle.loads(pickle.dumps(again)), True), (other, False)):
        life.model = model
        assert (life.evidence(inputs).tobytes() == expected.tobytes()) == same


def test_fitting_leaves_the_global_generator_alone(life: Life) -> None:
    assert life.model is not None
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    shape.fit(life.model.matrix, SEED, PARAMETERS)
    assert np.random.random() == expected


def test_the_sample_does_not_depend_on_the_order_of_rows(life: Life) -> None:
    inputs = life.usual()
    expected = life.sample(inputs)
    order = np.random.default_rng(5).permutation(N)
    life.state, life.identities = life.state[order], life.identities[order]
    turned = life.sample({name: values[order] for name, values in inputs.items()})
    assert turned.tobytes() == expected.tobytes()
    assert expected.dtype == np.float32
    assert expected.shape == (N, len(FEATURES))


def test_the_sample_is_bounded_fair_and_new_every_hour(life: Life) -> None:
    few = shape.Parameters(hour_rows=10, sample_rows=25)
    drawn = [
        shape.sample(life.state, life.usual(), life.identities, life.now_ms() + at * HOUR_MS, few)
        for at in range(3)
    ]
    assert [len(rows) for rows in drawn] == [10, 10, 10]
    matrix = None
    for rows in drawn:
        matrix = shape.extend(matrix, rows, few)
    assert matrix is not None
    assert matrix.tobytes() == np.concatenate(drawn)[-25:].tobytes()
    inputs = life.usual()
    inputs["requests"] = np.where(np.arange(N) < 7, inputs["requests"], 3.0)
    assert len(life.sample(inputs)) == 7, "hours with too little in them teach nothing"


@pytest.mark.parametrize(
    ("matrix", "complaint"),
    [
        (np.zeros((10, 12), np.float32), "expected at least 256 rows, got 10"),
        (
            np.zeros((300, 11), np.float32),
            r"float32 rows of 12 changes, got .*\(300, 11\)",
        ),
        (np.zeros((300, 12)), "got float64"),
        (np.full((300, 12), np.nan, np.float32), "expected finite changes"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(matrix: shape.Matrix, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        shape.fit(matrix, SEED, PARAMETERS)


def test_a_sample_of_equal_rows_gives_finite_evidence() -> None:
    model = shape.fit(np.zeros((300, 12), np.float32), SEED, PARAMETERS)
    rows = np.array([np.zeros(12), np.full(12, 8.0)])
    assert np.isfinite(model.evidence(rows)).all()


def test_evidence_is_about_the_share_of_hours_that_are_as_strange(life: Life) -> None:
    values = np.concatenate([life.live(life.usual()) for _ in range(80)])
    for decades in (1.0, 2.0):
        share = float((values >= decades).mean())
        assert 0.4 < share / 10.0**-decades < 2.5, (decades, share)


def test_a_conjunction_of_changes_is_found_and_the_usual_is_not(life: Life) -> None:
    assert life.evidence(life.misuse()).min() > 3.5
    assert np.quantile(life.evidence(life.usual()), 0.9) < 2.0


def test_a_short_part_of_an_hour_is_no_change(life: Life) -> None:
    """A tenth of an hour is a tenth of everything."""
    inputs = {name: np.floor(values / 10.0) for name, values in life.usual().items()}
    for name in ("keys", "addresses", "end_users"):
        inputs[name] = np.maximum(inputs[name], 1.0)
    assert np.median(life.evidence(inputs, part_ms=HOUR_MS * 9 // 10)) < 1.0
    levels = [column for column, feature in enumerate(FEATURES) if feature.of is None]
    assert changes(life.state, inputs, life.now_ms(), PARAMETERS)[:, levels].max() == 0.0


def test_hours_with_few_requests_say_nothing(life: Life) -> None:
    inputs = life.misuse()
    inputs["requests"][:] = 9.0
    assert life.evidence(inputs).max() == 0.0


def test_the_same_attack_is_found_again_hours_later(life: Life) -> None:
    first = [life.live(life.misuse()).min() for _ in range(3)]
    for _ in range(8):
        life.live(life.usual())
    assert min(first + [life.live(life.misuse()).min() for _ in range(3)]) > 3.0


def test_an_honest_change_falls_silent_within_a_day(life: Life) -> None:
    values = [np.median(life.live(life.misuse())) for _ in range(30)]
    assert min(values[:6]) > 3.5
    assert max(values[12:]) < 0.5


def test_back_from_a_long_pause_it_warms_up_again(life: Life) -> None:
    life.hours += 60 * 24
    assert np.isnan(life.evidence(life.misuse())).all()


def test_only_whole_hours_are_learned_and_only_once(life: Life) -> None:
    inputs, end_ms = life.usual(), life.now_ms()
    within = shape.observe(life.state, inputs, end_ms - HOUR_MS // 3, PARAMETERS)
    assert within.tobytes() == life.state.tobytes()
    once = shape.observe(life.state, inputs, end_ms, PARAMETERS)
    assert shape.observe(once, inputs, end_ms, PARAMETERS).tobytes() == once.tobytes()


def test_the_drivers_name_what_changed_and_not_what_did_not(life: Life) -> None:
    inputs = {name: values[:1] for name, values in life.misuse().items()}
    why = shape.explain(
        "acct-7", life.state[:1], inputs, life.now_ms(), PARAMETERS, 3.0, model=life.model
    )
    changed = {"short_share", "novel_share", "completion_length", "flagged_share", "addresses"}
    assert set(list(why.drivers)[:5]) == changed
    assert why.drivers["change_completion_length"] < -3.0
    assert abs(why.drivers["change_error_share"]) < 2.0
    assert why.sentence.startswith("acct-7 changed in an unusual way: ")
    assert why.expected < why.observed


@pytest.mark.parametrize(
    ("field", "value"), [("half_life_h", 0.0), ("trees", 2.5), ("gate", 1.0), ("sample_rows", 9999)]
)
def test_wrong_parameters_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"shape {field}: expected .* got {value}"):
        shape.Parameters(**{field: value})  # type: ignore[arg-type]
