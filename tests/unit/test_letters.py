"""Dead letters: every reason, with its sentence exactly as the sender of the event needs it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.events.decode import Messages, decode
from streams.events.letters import REASONS, DeadLetter, letter_id

GOOD: dict[str, Any] = {"event_id": "e", "ts": 1_700_000_000_000, "account_id": "a"}
START = json.dumps(GOOD).encode()[:-1]
LONG = "x" * 257


def refused(value: bytes) -> DeadLetter:
    result = decode(Messages([value], [5], [99]))
    assert result.rows == 0
    (letter,) = result.dead
    assert (letter.offset, letter.line, letter.content, letter.broker_time) == (5, 0, value, 99)
    assert letter.reason in REASONS
    return letter


@pytest.mark.parametrize(
    ("field", "value", "reason", "problem"),
    [
        ("prompt_tokens", -3, "out_of_range", "expected an integer >= 0, got -3"),
        (
            "prompt_tokens",
            10_000_001,
            "out_of_range",
            "expected an integer <= 10000000, got 10000001",
        ),
        ("prompt_tokens", "7", "wrong_type", 'expected an integer, got "7"'),
        ("prompt_tokens", 1.5, "wrong_type", "expected an integer, got 1.5"),
        ("prompt_tokens", None, "wrong_type", "expected an integer, got null"),
        ("status", 1000, "out_of_range", "expected an integer <= 999, got 1000"),
        ("stream", 1, "wrong_type", "expected true or false, got 1"),
        ("model", {"name": "m"}, "wrong_type", 'expected text, got {"name": "m"}'),
        ("event_id", "", "out_of_range", 'expected text of length >= 1, got ""'),
        ("account_id", 17, "wrong_type", "expected text, got 17"),
        (
            "account_id",
            LONG,
            "out_of_range",
            f'expected text of length <= 256, got "{LONG[:59]}…',
        ),
        ("quota_used", -0.1, "out_of_range", "expected a number >= 0.0, got -0.1"),
        ("bands", "x", "wrong_type", 'expected a list, got "x"'),
        ("bands", [1], "wrong_type", "expected text inside it, got [1]"),
        ("bands", [LONG[:2]] * 65, "out_of_range", "expected a list of length <= 64, got "),
        ("moderation", [], "wrong_type", "expected an object, got []"),
        (
            "moderation",
            {"hate": 1.1},
            "out_of_range",
            'expected a number <= 1.0 inside it, got {"hate": 1.1}',
        ),
        ("moderation", {LONG: 1}, "out_of_range", "expected text of length <= 256 as a key of it"),
        ("ts", "soon", "out_of_range", 'expected epoch milliseconds or RFC 3339, got "soon"'),
        ("ts", True, "wrong_type", "expected epoch milliseconds or RFC 3339, got true"),
        ("ts", 1.5, "wrong_type", "expected epoch milliseconds or RFC 3339, got 1.5"),
        (
            "ts",
            2**63,
            "out_of_range",
            "expected epoch milliseconds or RFC 3339, got 9223372036854775808",
        ),
        (
            "account_created_at",
            -(10**25),
            "out_of_range",
            "expected epoch milliseconds or RFC 3339",
        ),
    ],
)
def test_a_field_is_named_with_what_was_expected(
    field: str, value: Any, reason: str, problem: str
) -> None:
    letter = refused(json.dumps(GOOD | {field: value}).encode())
    assert letter.reason == reason
    assert letter.sentence.startswith(f"field `{field}`: {problem}")


@pytest.mark.parametrize("field", ["event_id", "ts", "account_id"])
def test_a_required_field_is_absent(field: str) -> None:
    letter = refused(json.dumps({k: v for k, v in GOOD.items() if k != field}).encode())
    assert (letter.reason, letter.sentence) == (
        "missing_field",
        f"field `{field}`: required, but absent",
    )


@pytest.mark.parametrize("field", ["ts", "account_created_at"])
def test_a_time_without_an_offset(field: str) -> None:
    letter = refused(json.dumps(GOOD | {field: "2023-11-14T22:13:20"}).encode())
    assert letter.reason == "naive_time"
    assert "expected RFC 3339 with an offset from UTC" in letter.sentence


@pytest.mark.parametrize(
    ("content", "reason", "sentence"),
    [
        (b"", "empty", "expected an event, got an empty message"),
        (b" \r\n\t", "empty", "expected an event, got an empty message"),
        (b"{", "not_json", "expected one JSON object a line: "),
        (b"hello", "not_json", "expected one JSON object a line: invalid character (byte 0)"),
        (START, "not_json", "expected one JSON object a line: "),
        (START + b"} x", "not_json", "expected one JSON object a line: trailing characters"),
        (START + b', "n": NaN}', "not_json", "expected one JSON object a line: "),
        (b"\xef\xbb\xbf" + START + b"}", "not_json", "expected one JSON object a line: "),
        (
            b"[1, 2]",
            "not_an_object",
            "expected a JSON object with the fields of an event, got [1, 2]",
        ),
        (b"null", "not_an_object", "expected a JSON object with the fields of an event, got null"),
        (START + b', "model": "\xff"}', "not_utf8", "expected UTF-8, got byte 0xff in a text"),
        (START + b', "other": "\xfe"}', "not_utf8", "expected UTF-8, got byte 0xfe in a text"),
        (START + b', "\xfd": 1}', "not_utf8", "expected UTF-8, got byte 0xfd in a text"),
        (
            START + b', "deep": ' + b"[" * 9000 + b"]" * 9000 + b"}",
            "too_deep",
            "expected an event, got objects nested too deeply",
        ),
        (b'{"a":' * 9000, "too_deep", "expected an event, got objects nested too deeply"),
        (
            b'{"heartbeat": -5}',
            "out_of_range",
            "field `heartbeat`: expected an integer >= 0, got -5",
        ),
        (
            b'{"heartbeat": 1180591620717411303424}',
            "out_of_range",
            "field `heartbeat`: expected an integer <= 7258118399999, got 1180591620717411303424",
        ),
    ],
)
def test_what_is_no_event_at_all(content: bytes, reason: str, sentence: str) -> None:
    letter = refused(content)
    assert letter.reason == reason
    assert letter.sentence.startswith(sentence)


def test_sentences_stay_short_and_printable() -> None:
    letter = refused(json.dumps(GOOD | {"status": "é\x1b[31m" * 5000}, ensure_ascii=False).encode())
    assert len(letter.sentence) < 200
    assert "\x1b" not in letter.sentence


def test_a_letter_is_named_by_its_place() -> None:
    letter = refused(b"{")
    assert letter_id("s", 1, letter) == letter_id("s", 1, letter)
    names = {
        letter_id(stream, partition, DeadLetter(offset, line, "", "", b"", 0))
        for stream in ("s", "t")
        for partition in (0, 1)
        for offset in (0, 10)
        for line in (0, 1)
    }
    assert len(names) == 16
