"""What is written about policies: the default file, its examples, its schema."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from detectors.base import all_detectors
from streams.policy.load import load, parse
from streams.policy.model import default_policy
from streams.policy.schema import schema, text
from streams.policy.template import comments_of, default_file, toml_value, written
from tests.unit.policy_cases import DETECTORS, Parameters, parsed

FULL = """
fdr = 0.25
[budget]
unit = "pages_per_shift"
[detectors.burst]
enabled = false
[detectors.ramp]
parameters = { limits = [1, 2], strict = true }
[[cohorts]]
name = "a \\"quoted\\" \\u007f name"
use_cases = ["*"]
[[allow]]
orgs = ["o"]
owner = "me"
reason = "r"
expires = 2030-01-01
[[channels]]
name = "c"
url_file = "/run/secrets/c"
title = "{kind} \\u007f {{}}"
body = "{sentence}\\n\\"{link}\\""
[[routes]]
name = "r"
kinds = ["ramp"]
hours = "22:00-06:00"
time_zone = "Europe/Berlin"
channel = "c"
"""


def shipped() -> str:
    return resources.files("streams.policy").joinpath("default.toml").read_text(encoding="utf-8")


def test_the_default_file_is_the_built_in_policy() -> None:
    assert shipped() == default_file(), "run `make docs`"
    assert parse(shipped(), "default.toml", today=date(2026, 1, 1)) == default_policy()


def test_the_examples_in_the_default_file_are_right() -> None:
    lines = [re.sub(r"^# (?=\[\[|\w+ = )", "", line) for line in default_file().splitlines()]
    policy = parse("\n".join(lines), "default.toml", today=date(2026, 1, 1))
    assert (len(policy.cohorts), len(policy.allow), len(policy.routes)) == (1, 1, 1)
    assert [route.channel for route in policy.routes] == [one.name for one in policy.channels]


def test_the_default_file_says_what_every_parameter_is() -> None:
    silent = [
        f"{detector.NAME}.{name}"
        for detector in all_detectors()
        for name, comment in comments_of(detector.Parameters).items()
        if not comment
    ]
    assert not silent, f"a unit or a meaning behind each, as a comment: {silent}"


@pytest.mark.parametrize("comments", [True, False])
@pytest.mark.parametrize("source", ["", FULL])
def test_what_is_written_reads_back_as_the_same_policy(source: str, comments: bool) -> None:
    policy = parsed(source)
    again = parsed(written(policy, DETECTORS, comments=comments))
    assert again == policy
    assert again.version == policy.version


def test_without_comments_nothing_is_left_to_a_default() -> None:
    content = tomllib.loads(written(parsed(""), comments=False))
    assert "#" not in written(parsed(""), comments=False)
    assert content["detectors"]["ramp"]["parameters"] == {
        "half_life_h": 24.0,
        "limits": [0.1, 2.0],
        "minimum": 3,
        "weights": [1.0, 0.5],
        "strict": False,
    }


def test_lines_stay_readable() -> None:
    assert max(map(len, default_file().splitlines())) <= 100
    assert comments_of(Parameters)["minimum"] == "requests"


def test_toml_values_are_only_those_a_policy_holds() -> None:
    with pytest.raises(TypeError, match="object"):
        toml_value(object())


# A validator of the few words that our schema uses; JSON Schema 2020-12.


def valid(value: Any, rule: dict[str, Any]) -> bool:
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    kind = rule.get("type")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in ("number", "integer"):
        if not number or (kind == "integer" and value != int(value)):
            return False
    elif kind is not None and not isinstance(value, kinds[kind]):
        return False
    checks = [
        value in rule["enum"] if "enum" in rule else True,
        value > rule["exclusiveMinimum"] if "exclusiveMinimum" in rule else True,
        value >= rule["minimum"] if "minimum" in rule else True,
        value <= rule["maximum"] if "maximum" in rule else True,
        re.search(rule["pattern"], value) is not None if "pattern" in rule else True,
        set(rule.get("required", ())) <= set(value) if isinstance(value, dict) else True,
    ]
    if isinstance(value, dict):
        known = rule["properties"]
        checks.append(rule["additionalProperties"] is False and set(value) <= set(known))
        checks += [valid(part, known[name]) for name, part in value.items() if name in known]
    if isinstance(value, list):
        first = rule.get("prefixItems", [])
        checks.append(rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", 10**9))
        checks += [valid(part, one) for part, one in zip(value, first, strict=False)]
        checks += [valid(part, rule["items"]) for part in value if "items" in rule]
    return all(checks)


def as_json(toml: str) -> Any:
    return json.loads(json.dumps(tomllib.loads(toml), default=str))


def test_the_schema_takes_what_the_program_takes() -> None:
    assert valid(as_json(FULL), schema(DETECTORS))
    assert valid(as_json(written(parsed(FULL), comments=False)), schema(DETECTORS))
    assert valid(as_json(shipped()), schema())
    assert json.loads(text(DETECTORS)) == schema(DETECTORS)


@pytest.mark.parametrize(
    "wrong",
    [
        "budget.hihg = 1",
        "budget.high = 0",
        "budget.high = '2'",
        "budget.unit = 'weeks'",
        "fdr = 1.5",
        "detectors.burts.share = 1",
        "detectors.burst.share = 0",
        "detectors.burst.parameters.minimun = 1",
        "detectors.burst.parameters.minimum = 1.5",
        "detectors.burst.parameters.limits = [1]",
        "incidents.resolve_after_s = 1",
        "[[cohorts]]\norgs = ['o']",
        "[[cohorts]]\nname = ' '\norgs = ['o']",
        "[[allow]]\norgs = ['o']\nowner = 'me'\nreason = 'r'",
        "[[routes]]\nname = 'r'\nchannel = 'c'\nseverities = ['low']",
        "[[routes]]\nname = 'r'\nchannel = 'c'\nkinds = ['brust']",
    ],
)
def test_the_schema_refuses_what_the_program_refuses(wrong: str) -> None:
    assert not valid(as_json(wrong), schema(DETECTORS))


def test_a_file_is_read_as_its_text(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(FULL, encoding="utf-8")
    assert load(file, today=date(2026, 1, 1), detectors=DETECTORS) == parsed(FULL)
