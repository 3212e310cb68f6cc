"""What the fold relies on in the scores, memory and explanations of every detector."""

from __future__ import annotations

import math
import pickle
import random
import re
from typing import Any

import numpy as np
import pytest

from detectors.base import EVIDENCE_MAX, HOUR_MS, Detector, Evidence, Inputs, State
from tests.contract.detector_cases import Builder
from tests.contract.detector_play import (
    ACCOUNTS,
    as_bytes,
    calls,
    explained,
    frozen,
    hour_end,
    in_every_case,
    made,
    mixed,
    take,
    tuned,
)


@in_every_case
def test_the_case_is_one(detector: Detector, build: Builder) -> None:
    case = made(build)
    assert case.state.dtype == detector.STATE
    assert case.now_ms % HOUR_MS, "judge inside an hour"
    assert case.kind in detector.KINDS
    for inputs in (case.usual, case.attack, case.replace(case.attack, case.observed)):
        assert set(detector.INPUTS) <= set(inputs)
        assert all(values.dtype == np.float64 for values in inputs.values())
        assert {len(values) for values in inputs.values()} == {ACCOUNTS}
    same = case.replace(case.attack, case.observed)
    assert all((same[name] == case.attack[name]).all() for name in detector.INPUTS)


@in_every_case
def test_the_attack_is_found_and_named_and_the_usual_is_not(
    detector: Detector, build: Builder
) -> None:
    case = made(build)
    attacked = detector.score(case.state, case.attack, case.now_ms, tuned(detector, case))
    assert (attacked.value >= case.limit).all()
    assert {detector.KINDS[kind] for kind in attacked.kind.tolist()} == {case.kind}
    usual = detector.score(case.state, case.usual, case.now_ms, tuned(detector, case))
    assert (usual.value < case.limit).all()


@in_every_case
def test_evidence_has_its_shape_and_range(detector: Detector, build: Builder) -> None:
    case = made(build)
    for inputs in (case.usual, case.attack, mixed(case)):
        evidence = detector.score(case.state, inputs, case.now_ms, tuned(detector, case))
        assert_in_range(detector, evidence)
        assert np.isfinite(evidence.value).all()


@in_every_case
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, 1e6, 1e12])
def test_evidence_stays_in_range_for_any_input(
    detector: Detector, build: Builder, value: float
) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    same = {name: np.full_like(values, value) for name, values in case.usual.items()}
    for state in (case.state, np.zeros_like(case.state)):
        for now_ms in (case.now_ms, hour_end(case.now_ms), hour_end(case.now_ms) + 90 * HOUR_MS):
            assert_in_range(detector, detector.score(state, same, now_ms, parameters))
            state = detector.observe(state, same, now_ms, parameters)


def assert_in_range(detector: Detector, evidence: Evidence) -> None:
    assert evidence.value.shape == evidence.stratum.shape == evidence.kind.shape == (ACCOUNTS,)
    assert evidence.value.dtype == np.float64
    assert evidence.stratum.dtype == evidence.kind.dtype == np.int64
    finite = evidence.value[~np.isnan(evidence.value)]
    assert ((finite >= 0.0) & (finite <= EVIDENCE_MAX)).all()
    assert ((evidence.stratum >= 0) & (evidence.stratum < detector.STRATA)).all()
    assert ((evidence.kind >= 0) & (evidence.kind < len(detector.KINDS))).all()


@in_every_case
def test_zero_bytes_are_an_account_never_seen(detector: Detector, build: Builder) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    never = np.frombuffer(bytes(detector.STATE.itemsize * ACCOUNTS), dtype=detector.STATE)
    evidence = detector.score(never, case.attack, case.now_ms, parameters)
    if case.judges_unseen:
        assert np.isfinite(evidence.value).all()
    else:
        assert np.isnan(evidence.value).all()
    now_ms = hour_end(case.now_ms)
    assert (detector.observe(never, case.usual, now_ms, parameters) != never).all()


@in_every_case
def test_constant_input_stays_silent(detector: Detector, build: Builder) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    state = detector.observe(case.state, case.usual, hour_end(case.now_ms), parameters)
    for now_ms in calls(detector, case.now_ms, 12):
        evidence = detector.score(state, case.usual, now_ms, parameters)
        assert (evidence.value < case.limit).all(), "NaN or an alarm"
        state = detector.observe(state, case.usual, now_ms, parameters)


@in_every_case
def test_state_survives_pickling_and_raw_bytes(detector: Detector, build: Builder) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    expected = as_bytes(detector.score(case.state, case.attack, case.now_ms, parameters))
    for copy in (
        pickle.loads(pickle.dumps(case.state)),
        np.frombuffer(case.state.tobytes(), dtype=detector.STATE),
    ):
        assert as_bytes(detector.score(copy, case.attack, case.now_ms, parameters)) == expected


@in_every_case
def test_nothing_given_is_changed_and_no_global_seed_matters(
    detector: Detector, build: Builder
) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    state, inputs, end_ms = case.state.copy(), frozen(case.attack), hour_end(case.now_ms)
    state.setflags(write=False)
    answers = []
    for seed in (1, 2):
        np.random.seed(seed)
        random.seed(seed)
        one = take(inputs, slice(0, 1))
        answers.append((
            as_bytes(detector.score(state, inputs, case.now_ms, parameters)),
            detector.observe(state, inputs, case.now_ms, parameters).tobytes(),
            detector.observe(state, inputs, end_ms, parameters).tobytes(),
            detector.explain("a", state[:1], one, case.now_ms, parameters, case.limit),
        ))  # fmt: skip
    assert answers[0] == answers[1]
    assert state.tobytes() == case.state.tobytes()
    for now_ms in (case.now_ms, end_ms):
        new = detector.observe(state, inputs, now_ms, parameters)
        assert not np.shares_memory(new, state)
        assert new.dtype == detector.STATE


@in_every_case
def test_inputs_are_found_by_name(detector: Detector, build: Builder) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    expected = as_bytes(detector.score(case.state, case.attack, case.now_ms, parameters))
    turned = {name: case.attack[name] for name in sorted(detector.INPUTS, reverse=True)}
    more = {"somebody_elses": np.full(ACCOUNTS, np.nan), **turned}
    for inputs in (turned, more):
        assert as_bytes(detector.score(case.state, inputs, case.now_ms, parameters)) == expected
    for name in detector.INPUTS:
        rest = {other: values for other, values in turned.items() if other != name}
        with pytest.raises(KeyError, match=name):
            play(detector, case.state, rest, case.now_ms, parameters)


@in_every_case
@pytest.mark.parametrize("at_hour_end", [False, True])
def test_an_account_does_not_depend_on_its_batch(
    detector: Detector, build: Builder, at_hour_end: bool
) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    # Some rows an hour and a half behind the others: lazy updates must not leak between rows.
    state, inputs = case.state.copy(), mixed(case)
    first = hour_end(case.now_ms)
    thirds = take(case.usual, slice(None, None, 3))
    state[::3] = detector.observe(state[::3], thirds, first, parameters)
    later = first + HOUR_MS * 2 - (0 if at_hour_end else HOUR_MS // 2)
    whole = detector.score(state, inputs, later, parameters)
    whole_state = detector.observe(state, inputs, later, parameters)
    rng = np.random.default_rng(3)
    for cuts in ([1, 2, 3], [17], list(range(1, ACCOUNTS))):
        for rows in np.split(rng.permutation(ACCOUNTS), cuts):
            part = detector.score(state[rows], take(inputs, rows), later, parameters)
            assert as_bytes(part) == as_bytes(whole, rows)
            part_state = detector.observe(state[rows], take(inputs, rows), later, parameters)
            assert part_state.tobytes() == whole_state[rows].tobytes()
    none = take(inputs, slice(0))
    assert len(detector.score(state[:0], none, later, parameters).value) == 0
    assert len(detector.observe(state[:0], none, later, parameters)) == 0


@in_every_case
def test_state_may_be_a_part_of_a_wider_row(detector: Detector, build: Builder) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    wide = np.zeros(ACCOUNTS, dtype=[("a", "u1"), ("mine", detector.STATE), ("b", "u2")])
    wide["mine"] = case.state
    inside = detector.score(wide["mine"], case.attack, case.now_ms, parameters)
    alone = detector.score(case.state, case.attack, case.now_ms, parameters)
    assert as_bytes(inside) == as_bytes(alone)
    for now_ms in (case.now_ms, hour_end(case.now_ms)):
        new = detector.observe(wide["mine"], case.attack, now_ms, parameters)
        assert new.dtype == detector.STATE
        other = detector.observe(case.state, case.attack, now_ms, parameters)
        assert new.tobytes() == other.tobytes()


@in_every_case
def test_an_hour_is_judged_by_what_was_known_before_it(detector: Detector, build: Builder) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    once = as_bytes(detector.score(case.state, case.attack, case.now_ms, parameters))
    seen = detector.observe(case.state, case.attack, case.now_ms, parameters)
    assert as_bytes(detector.score(seen, case.attack, case.now_ms, parameters)) == once
    after = detector.observe(seen, case.attack, hour_end(case.now_ms), parameters)
    assert (after != case.state).all(), "the hour is over and was not remembered"


@in_every_case
def test_the_explanation_names_the_injected_cause_in_the_inputs_own_numbers(
    detector: Detector, build: Builder
) -> None:
    case, parameters = made(build), tuned(detector, made(build))
    for row in range(ACCOUNTS):
        why = explained(detector, case, row, parameters, case.limit)
        observed = float(case.observed[row])
        assert (why.metric, why.window_s) == (case.metric, case.window_s)
        assert why.observed == observed
        assert math.isfinite(why.expected)
        assert why.threshold <= observed
        assert next(iter(why.drivers)) in case.causes, why.drivers
        assert all(math.isfinite(number) for number in why.drivers.values())
        assert why.sentence.startswith(f"acct-{row}")
        assert "\n" not in why.sentence
        assert re.search(rf"(?<![\d,.]){re.escape(case.said(observed))}(?![\d])", why.sentence)
        assert not re.search(r"\b(nan|inf|None|np\.float64)\b", why.sentence)


@in_every_case
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_at_the_threshold_it_alarms_and_just_below_it_does_not(
    detector: Detector, build: Builder, share: float
) -> None:
    """`share` of the way from the case's limit to the evidence of the attack."""
    case, parameters = made(build), tuned(detector, made(build))
    value = detector.score(case.state, case.attack, case.now_ms, parameters).value
    limits = case.limit + share * (value - case.limit)
    thresholds = np.array([
        explained(detector, case, row, parameters, float(limit)).threshold
        for row, limit in enumerate(limits)
    ])  # fmt: skip
    assert (thresholds <= case.observed).all()
    for less, fires in ((0.0, True), (case.step, False)):
        inputs = case.replace(case.attack, thresholds - less)
        evidence = detector.score(case.state, inputs, case.now_ms, parameters)
        assert ((evidence.value >= limits) == fires).all()


@in_every_case
def test_what_nothing_reaches_has_no_threshold(detector: Detector, build: Builder) -> None:
    case = made(build)
    why = explained(detector, case, 0, tuned(detector, case), EVIDENCE_MAX + 1.0)
    assert why.threshold == math.inf


def play(detector: Detector, state: State, inputs: Inputs, now_ms: int, parameters: Any) -> None:
    """Everything that reads inputs."""
    detector.score(state, inputs, now_ms, parameters)
    detector.observe(state, inputs, hour_end(now_ms), parameters)
    detector.explain("a", state[:1], take(inputs, slice(1)), now_ms, parameters, 1.0)
