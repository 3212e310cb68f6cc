"""What the fold relies on in every detector; the detectors are discovered, not listed."""

from __future__ import annotations

import ast
import dataclasses
import pickle
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detectors
from detectors.base import STATE_BYTES_MAX, Detector, Scores, all_detectors
from tests.contract.detector_cases import CASES, Case

ACCOUNTS = 40
DETECTORS = all_detectors()
FORBIDDEN = {"streams", "dashboards", "deploy", "time", "datetime", "os", "io", "socket", "random"}


@pytest.fixture(params=DETECTORS, ids=lambda detector: detector.NAME)
def detector(request: pytest.FixtureRequest) -> Detector:
    found: Detector = request.param
    return found


@pytest.fixture(scope="module")
def made() -> dict[str, Case]:
    return {}


@pytest.fixture
def case(detector: Detector, made: dict[str, Case]) -> Case:
    assert detector.NAME in CASES, f"tests/contract/detector_cases.py has no case {detector.NAME}"
    if detector.NAME not in made:
        made[detector.NAME] = CASES[detector.NAME](ACCOUNTS, 7)
    return made[detector.NAME]


def as_bytes(scores: Scores, rows: Any = slice(None)) -> list[bytes]:
    """Every array of the scores, for the rows asked for."""
    columns = fields(scores)  # type: ignore[arg-type]
    return [np.ascontiguousarray(getattr(scores, f.name)[rows]).tobytes() for f in columns]


def test_detectors_are_discovered() -> None:
    assert "burst" in {found.NAME for found in DETECTORS}


def test_state_is_small_plain_and_zero_when_never_seen(detector: Detector, case: Case) -> None:
    assert detector.STATE.itemsize <= STATE_BYTES_MAX
    assert not detector.STATE.hasobject
    packed = sum(detector.STATE[name].itemsize for name in detector.STATE.names or ())
    assert packed == detector.STATE.itemsize, "padding would leave bytes undefined"
    never = np.frombuffer(bytes(detector.STATE.itemsize * ACCOUNTS), dtype=detector.STATE)
    scores = detector.score(never, case.attack, case.now_ms, detector.Parameters())
    assert np.isnan(scores.p_value).all()
    assert not scores.alarm.any()
    assert np.isfinite(scores.expected).all()


def test_parameters_are_frozen_have_defaults_and_survive_pickling(detector: Detector) -> None:
    parameters = detector.Parameters()
    first = fields(parameters)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(parameters, first, 1)
    assert pickle.loads(pickle.dumps(parameters)) == parameters


def test_state_survives_pickling_and_raw_bytes(detector: Detector, case: Case) -> None:
    parameters = detector.Parameters()
    expected = as_bytes(detector.score(case.state, case.attack, case.now_ms, parameters))
    for copy in (
        pickle.loads(pickle.dumps(case.state)),
        np.frombuffer(case.state.tobytes(), dtype=detector.STATE),
    ):
        assert as_bytes(detector.score(copy, case.attack, case.now_ms, parameters)) == expected


def test_the_input_is_never_changed_and_the_answer_is_the_same_twice(
    detector: Detector, case: Case
) -> None:
    state, sums = case.state.copy(), case.attack.copy()
    state.setflags(write=False)
    sums.setflags(write=False)
    parameters = detector.Parameters()
    answers = [
        (
            as_bytes(detector.score(state, sums, now, parameters)),
            detector.observe(state, sums, now, parameters).tobytes(),
            detector.explain("a", state[:1], sums[:1], now, parameters),
        )
        for now in (case.now_ms, case.now_ms)
    ]
    assert answers[0] == answers[1]
    assert state.tobytes() == case.state.tobytes()
    assert sums.tobytes() == case.attack.tobytes()
    new = detector.observe(state, sums, case.now_ms, parameters)
    assert not np.shares_memory(new, state)


def test_constant_input_is_silent_and_finite(detector: Detector, case: Case) -> None:
    parameters = detector.Parameters()
    state = case.state
    for step in range(200):
        now = case.now_ms + step * 60_000
        scores = detector.score(state, case.usual, now, parameters)
        assert not scores.alarm.any()
        assert np.isfinite(scores.p_value).all()
        state = detector.observe(state, case.usual, now, parameters)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e6, 1e12])
def test_scores_are_probabilities_for_any_input(
    detector: Detector, case: Case, value: float
) -> None:
    sums = np.full_like(case.usual, value)
    scores = detector.score(case.state, sums, case.now_ms, detector.Parameters())
    assert ((scores.p_value > 0.0) & (scores.p_value <= 1.0)).all()
    assert np.isfinite(scores.expected).all()


def test_an_account_does_not_depend_on_its_batch(detector: Detector, case: Case) -> None:
    parameters = detector.Parameters()
    sums = np.where(np.arange(ACCOUNTS)[:, None, None] % 2, case.attack, case.usual)
    # Some rows an hour and a half behind the others: lazy updates must not leak between rows.
    state = case.state.copy()
    later = case.now_ms + 5_400_000
    state[::3] = detector.observe(state[::3], case.usual[::3], later, parameters)
    whole = detector.score(state, sums, later, parameters)
    whole_state = detector.observe(state, sums, later, parameters)
    rng = np.random.default_rng(3)
    for cuts in ([1, 2, 3], [17], list(range(1, ACCOUNTS))):
        order = rng.permutation(ACCOUNTS)
        for rows in np.split(order, cuts):
            part = detector.score(state[rows], sums[rows], later, parameters)
            assert as_bytes(part) == as_bytes(whole, rows)
            part_state = detector.observe(state[rows], sums[rows], later, parameters)
            assert part_state.tobytes() == whole_state[rows].tobytes()
    assert len(detector.score(state[:0], sums[:0], later, parameters).alarm) == 0


def test_state_may_be_a_part_of_a_wider_row(detector: Detector, case: Case) -> None:
    parameters = detector.Parameters()
    wide = np.zeros(ACCOUNTS, dtype=[("a", "u1"), ("mine", detector.STATE), ("b", "u2")])
    wide["mine"] = case.state
    inside = detector.score(wide["mine"], case.attack, case.now_ms, parameters)
    alone = detector.score(case.state, case.attack, case.now_ms, parameters)
    assert as_bytes(inside) == as_bytes(alone)
    new = detector.observe(wide["mine"], case.attack, case.now_ms, parameters)
    assert new.dtype == detector.STATE
    assert (
        new.tobytes()
        == detector.observe(case.state, case.attack, case.now_ms, parameters).tobytes()
    )


def test_score_comes_before_update(detector: Detector, case: Case) -> None:
    parameters = detector.Parameters()
    larger = case.usual + 10.0 * (case.attack - case.usual)
    once = detector.score(case.state, case.attack, case.now_ms, parameters)
    more = detector.score(case.state, larger, case.now_ms, parameters)
    at: Any = (..., *case.cell)
    assert once.alarm.all()
    assert (more.p_value[at] <= once.p_value[at]).all()
    assert (more.expected == once.expected).all(), "what is judged must not be in what is expected"
    assert detector.observe(case.state, case.attack, case.now_ms, parameters).tobytes() != (
        case.state.tobytes()
    )


def test_the_explanation_names_the_injected_cause_in_the_inputs_own_numbers(
    detector: Detector, case: Case
) -> None:
    parameters = detector.Parameters()
    scores = detector.score(case.state, case.attack, case.now_ms, parameters)
    for row in range(ACCOUNTS):
        one = slice(row, row + 1)
        why = detector.explain(
            f"acct-{row}", case.state[one], case.attack[one], case.now_ms, parameters
        )
        at = (row, *case.cell)
        assert (why.metric, why.window_s) == (case.metric, case.window_s)
        assert why.observed == why.drivers["observed"] == case.attack[at]
        assert why.p_value == why.drivers["p_value"] == scores.p_value[at]
        assert why.expected == why.drivers["expected"] == scores.expected[at]
        assert why.threshold <= why.observed
        assert all(np.isfinite(list(why.drivers.values())))
        assert why.sentence.startswith(f"acct-{row} ")
        assert f" {case.attack[at]:,.0f} {case.metric} " in why.sentence


def test_the_threshold_alarms_and_one_less_is_silent(detector: Detector, case: Case) -> None:
    parameters = detector.Parameters()
    limits = case.threshold(case.state, case.now_ms)
    at: Any = (..., *case.cell)
    for less, expected in ((0.0, True), (1.0, False)):
        sums = np.zeros_like(case.usual)
        sums[at] = limits - less
        scores = detector.score(case.state, sums, case.now_ms, parameters)
        assert (scores.alarm == expected).all()


def test_the_docstring_gives_formula_limits_and_source(detector: Detector) -> None:
    text = detector.__doc__ or ""
    assert "References:" in text
    assert "P(" in text
    assert "Known limits" in text
    assert "Measured by" in text


def test_detectors_import_nothing_of_the_flow_and_no_clock() -> None:
    for path in Path(detectors.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & FORBIDDEN, path.name
