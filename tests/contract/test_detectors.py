"""The face, state and parameters of every detector; the detectors are discovered, not listed.

What their scores and explanations owe the fold stands in `test_detector_scores.py`.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import detectors
from detectors.base import STATE_BYTES_MAX, Detector, all_detectors
from tests.contract.detector_play import BUILDERS, DETECTORS, of_every_detector

FORBIDDEN = {"streams", "dashboards", "deploy", "tests", "time", "datetime", "os", "io", "socket",
             "random", "pathlib", "threading", "requests", "urllib"}  # fmt: skip


def test_detectors_are_discovered() -> None:
    assert {"burst", "low_and_slow", "content"} <= set(DETECTORS)
    assert len(DETECTORS) == len(all_detectors()), "two detectors share a name"


@of_every_detector
def test_every_detector_has_a_case(detector: Detector) -> None:
    assert detector.NAME in BUILDERS, f"write tests/contract/cases/{detector.NAME}.py"


def test_every_case_is_of_a_detector() -> None:
    assert set(BUILDERS) <= set(DETECTORS)


@of_every_detector
def test_the_face_is_complete(detector: Detector) -> None:
    module: Any = detector
    assert module.__name__.split(".")[-1] == detector.NAME
    assert detector.TITLE
    assert detector.TITLE[0].isupper()
    assert detector.CADENCE in ("tick", "stride")
    for names in (detector.KINDS, detector.INPUTS):
        assert names
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    assert detector.STRATA >= 1


def test_no_two_detectors_name_the_same_kind() -> None:
    kinds = [kind for found in DETECTORS.values() for kind in found.KINDS]
    assert len(set(kinds)) == len(kinds), sorted(k for k in kinds if kinds.count(k) > 1)


@of_every_detector
def test_the_docstring_gives_formula_limits_measure_and_source(detector: Detector) -> None:
    text = detector.__doc__ or ""
    assert re.search(r"^References?: ", text, re.M), "papers or standard works"
    sources = text.split("Reference")[-1]
    assert re.search(r"\b(1[89]|20)\d\d\b|see `detectors\.", sources), "a year, or who names it"
    assert re.search(r"^ {4}.*( = | > |P\(| [-+/] )", text, re.M), "a formula, on an indented line"
    assert "Known limits" in text
    assert re.search(r"Measured\s+by\s+`(python -m [\w.]+|pulse evaluate)", text)


@pytest.mark.parametrize(
    "path", sorted(Path(detectors.__path__[0]).glob("*.py")), ids=lambda path: path.stem
)
def test_detectors_import_nothing_of_the_flow_and_no_clock(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "input", "__import__"), f"{path.name}:{node.lineno}"
        assert not {name.split(".")[0] for name in names} & FORBIDDEN, f"{path.name}: {names}"


def test_the_state_of_all_detectors_fits_an_account() -> None:
    sizes = {name: found.STATE.itemsize for name, found in DETECTORS.items()}
    assert sum(sizes.values()) <= STATE_BYTES_MAX, sizes


@of_every_detector
def test_state_is_plain_and_packed(detector: Detector) -> None:
    assert not detector.STATE.hasobject
    packed = sum(detector.STATE[name].itemsize for name in detector.STATE.names or ())
    assert packed == detector.STATE.itemsize, "padding would leave bytes undefined"


@of_every_detector
def test_parameters_are_frozen_have_defaults_and_survive_pickling(detector: Detector) -> None:
    parameters = detector.Parameters()
    first = dataclasses.fields(parameters)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(parameters, first, 1)
    assert pickle.loads(pickle.dumps(parameters)) == parameters
    assert hash(parameters) == hash(detector.Parameters())


@of_every_detector
def test_every_parameter_has_a_unit_comment(detector: Detector) -> None:
    source = inspect.getsource(detector.Parameters)
    lines = source.splitlines()
    (found,) = ast.parse(source).body
    assert isinstance(found, ast.ClassDef)
    for node in found.body:
        if isinstance(node, ast.AnnAssign):
            own = lines[node.lineno - 1 : node.end_lineno]
            above = lines[node.lineno - 2]
            said = any("  # " in line for line in own) or above.strip().startswith("#")
            assert said, f"{detector.NAME} parameters: {ast.unparse(node.target)} has no comment"


@of_every_detector
def test_parameters_refuse_what_is_no_number_and_say_which(detector: Detector) -> None:
    defaults = detector.Parameters()
    for field in dataclasses.fields(defaults):
        for wrong in (math.nan, -math.inf, math.inf):
            for value in broken(getattr(defaults, field.name), wrong):
                with pytest.raises(ValueError) as caught:
                    dataclasses.replace(defaults, **{field.name: value})
                text = str(caught.value)
                assert detector.NAME in text
                assert field.name in text
                assert "expected" in text
                assert str(wrong) in text, "it does not say what it got"


def broken(value: Any, wrong: float) -> Iterator[Any]:
    """`value` with its first and its last number replaced; nothing where it has none."""
    if isinstance(value, bool | str) or value is None:
        return
    if isinstance(value, int | float):
        yield wrong
    elif isinstance(value, tuple) and value:
        for first in broken(value[0], wrong):
            yield (first, *value[1:])
        for last in broken(value[-1], wrong):
            yield (*value[:-1], last)
