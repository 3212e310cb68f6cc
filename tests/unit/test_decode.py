"""The decoder: what stands in the columns, what it costs when a line is bad, and the limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from streams.events.decode import CHUNK_LINES, Decoded, Messages, decode
from streams.events.schema import MAX_EVENT_BYTES, MAX_MESSAGE_BYTES

TS = 1_700_000_000_000
GOOD: dict[str, Any] = {"event_id": "e", "ts": TS, "account_id": "a"}


def line(**changed: Any) -> bytes:
    return json.dumps(GOOD | changed).encode()


def decoded(values: Sequence[bytes | None], first: int = 7) -> Decoded:
    return decode(Messages(values, range(first, first + len(values)), [99] * len(values)))


def ids(result: Decoded) -> list[str]:
    names: list[str] = result.table()["event_id"].to_pylist()
    return names


def places(result: Decoded) -> list[tuple[int, int]]:
    offsets = np.concatenate(result.offsets).tolist()
    return list(zip(offsets, np.concatenate(result.lines).tolist(), strict=True))


def test_every_field_arrives_in_its_column() -> None:
    event = {
        "org_id": "o",
        "key_id": "k",
        "end_user": "u",
        "endpoint": "chat",
        "model": "m",
        "status": 429,
        "error": "rate_limit",
        "prompt_tokens": 10_000_000,
        "completion_tokens": 2,
        "max_tokens": 3,
        "latency_ms": 4,
        "stream": True,
        "ip_hash": "aa",
        "network": "bb",
        "country": "DE",
        "user_agent": "curl/8",
        "payment": "cc",
        "account_created_at": TS - 1,
        "use_case": "support",
        "quota_used": 0.5,
        "template": "00ff",
        "bands": ["1", "2"],
        "moderation": {"hate": 0.25},
    }
    (row,) = decoded([line(**event)]).table().to_pylist()
    assert row.pop("ts") == datetime.fromtimestamp(TS / 1000, UTC)
    created = row.pop("account_created_at")
    assert (created.timestamp() * 1000) == pytest.approx(TS - 1)
    wanted = GOOD | event | {"stream": 1, "moderation": [("hate", 0.25)], "extra": []}
    del wanted["ts"], wanted["account_created_at"]
    assert row == wanted


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (TS, TS),
        ("2023-11-14T22:13:20Z", TS),
        ("2023-11-14T23:43:20+01:30", TS),
        ("2023-11-14T20:13:20.250-02:00", TS + 250),
        ("2023-11-14T22:13:20.123456Z", TS + 123),
        ("2023-11-14t22:13:20z", TS),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_times_are_epoch_milliseconds_or_rfc_3339(text: int | str, ms: int) -> None:
    result = decoded([line(ts=text), line(ts=TS)])
    assert result.table()["ts"].cast("int64").to_pylist() == [ms, TS]


def test_unknown_fields_are_kept_as_json_on_both_paths() -> None:
    odd = b'{"zone": {"a": [1, null]}, ' + line()[1:-1] + b', "trace": "x", "n": 1e400}'
    kept = [("zone", '{"a": [1, null]}'), ("trace", '"x"'), ("n", "1e400")]
    fast = decoded([odd, line()])
    slow = decoded([odd, line(), b"{broken"])
    assert not fast.dead
    assert len(slow.dead) == 1
    for result in (fast, slow):
        assert result.table()["extra"].to_pylist() == [kept, []]


def test_an_event_may_have_a_field_called_heartbeat() -> None:
    result = decoded([b'{"heartbeat": 5, ' + line()[1:]])
    assert result.table()["extra"].to_pylist() == [[("heartbeat", "5")]]
    assert result.heartbeats == []


def test_a_bad_line_costs_only_itself() -> None:
    message = b"\n".join([line(event_id="a"), line(prompt_tokens=-3), line(event_id="b")])
    result = decoded([line(event_id="z"), message, line(event_id="c")])
    assert ids(result) == ["z", "a", "b", "c"]
    assert places(result) == [(7, 0), (8, 0), (8, 2), (9, 0)]
    (letter,) = result.dead
    assert (letter.offset, letter.line, letter.broker_time) == (8, 1, 99)
    assert letter.content == line(prompt_tokens=-3)
    assert letter.reason == "out_of_range"
    assert letter.sentence == "field `prompt_tokens`: expected an integer >= 0, got -3"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n \t\n"])
@pytest.mark.parametrize("between", [b"\n", b"\r\n", b"\n\n", b"\n \t\r\n"])
def test_line_ends_and_blank_lines(between: bytes, end: bytes) -> None:
    message = between.join([line(event_id="a"), line(event_id="b")]) + end
    result = decoded([message, line(event_id="c")])
    assert not result.dead
    assert ids(result) == ["a", "b", "c"]
    assert places(result) == [(7, 0), (7, between.count(b"\n")), (8, 0)]


@pytest.mark.parametrize("lead", [b"", b"\n", b"\r\n "])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_pretty_printed_object_is_one_event(ends: str, lead: bytes) -> None:
    pretty = lead + json.dumps(GOOD, indent=2).replace("\n", ends).encode()
    result = decoded([pretty, pretty])
    assert not result.dead
    assert places(result) == [(7, 0), (8, 0)]


def test_a_bad_pretty_printed_object_is_one_dead_letter() -> None:
    pretty = json.dumps(GOOD | {"prompt_tokens": -3}, indent=2).encode()
    result = decoded([pretty])
    assert [(item.line, item.content) for item in result.dead] == [(0, pretty)]
    assert result.dead[0].sentence == "field `prompt_tokens`: expected an integer >= 0, got -3"


def test_an_object_torn_over_two_messages_is_not_put_together() -> None:
    whole = line()
    result = decoded([whole[:20], whole[20:], line(event_id="ok")])
    assert ids(result) == ["ok"]
    assert [item.offset for item in result.dead] == [7, 8]


@pytest.mark.parametrize("between", [b"", b" ", b"\t", b" \r "])
@pytest.mark.parametrize(
    "other", [b"\r\n", b"\n" + line(event_id="x"), line(moderation={}).replace(b"{}", b"\n{}")]
)
def test_two_events_on_a_line_do_not_make_up_for_a_line_without(
    between: bytes, other: bytes
) -> None:
    twice = line(event_id="a") + between + line(event_id="b")
    for messages in ([twice, other], [other, twice], [twice + b"\n" + other]):
        result = decoded(messages)
        assert {"a", "b"}.isdisjoint(ids(result))
        assert twice in [letter.content for letter in result.dead]


def test_events_with_spaces_and_objects_in_them_stay_on_the_fast_path() -> None:
    spaced = json.dumps(GOOD | {"moderation": {"hate": 0.5}, "own": [{"a": 1}, {"b": {}}]}).encode()
    compact = line(moderation={"hate": 0.5}, own=[[{}, {}]])
    result = decoded([spaced, compact, spaced + b"\r\n" + compact])
    assert (result.rows, len(result.batches)) == (4, 1)


def padded(size: int, **changed: Any) -> bytes:
    bare = line(**changed, pad="")
    return line(**changed, pad="x" * (size - len(bare)))


def test_an_event_may_have_64_kib_and_not_a_byte_more() -> None:
    largest, larger = padded(MAX_EVENT_BYTES), padded(MAX_EVENT_BYTES + 1)
    assert (len(largest), len(larger)) == (65_536, 65_537)
    for message in (largest, largest + b"\n" + largest, line() + b"\n" + largest + b"\n" + line()):
        assert not decoded([message]).dead
    result = decoded([line(event_id="a") + b"\n" + larger + b"\n" + largest])
    assert result.rows == 2
    (letter,) = result.dead
    assert (letter.line, letter.reason, letter.content) == (1, "event_too_large", larger)
    assert letter.sentence == "expected at most 65536 bytes an event, got 65537"
    pretty = larger.replace(b'{"event_id"', b'{\n"event_id"')
    assert [item.reason for item in decoded([pretty]).dead] == ["event_too_large"]


def test_a_message_may_have_1_mib_and_not_a_byte_more() -> None:
    start = b"".join(padded(60_000) + b"\n" for _ in range(17))
    largest = start + padded(MAX_MESSAGE_BYTES - len(start))
    assert len(largest) == 1_048_576
    assert decoded([largest]).rows == 18
    damaged = decoded([b"[" + largest[1:]])
    assert (damaged.rows, [item.line for item in damaged.dead]) == (17, [0])
    larger = largest + b"\n"
    result = decoded([larger, line()])
    assert result.rows == 1
    (letter,) = result.dead
    assert (letter.line, letter.reason, letter.content) == (0, "message_too_large", larger)
    assert letter.sentence == "expected at most 1048576 bytes a message, got 1048577"


def test_heartbeats_stand_before_the_row_that_follows() -> None:
    beat = b'{"heartbeat": 12345}'
    message = beat + b"\n" + line(event_id="b") + b"\n" + beat
    result = decoded([beat, line(event_id="a"), beat, message, b"{broken", beat + b"\n"])
    assert ids(result) == ["a", "b"]
    assert result.heartbeats == [(0, 12345), (1, 12345), (1, 12345), (2, 12345), (2, 12345)]
    assert result.heartbeat_times == [99] * 5
    assert len(result.dead) == 1


def test_no_messages_and_only_bad_ones_give_empty_tables() -> None:
    for values in ([], [b""], [None], [b"[1]", b"\n"]):
        result = decoded(values)
        assert result.table().num_rows == result.rows == 0
        assert len(result.dead) == len(values)
        assert "account_id" in result.table().column_names


def test_chunks_do_not_show() -> None:
    """Many messages, some of many lines: places and order hold over the edges of chunks."""
    values, wanted = [], []
    for number in range(2 * CHUNK_LINES + 10):
        count = 30 if number % 100 == 3 else 1
        values.append(b"\n".join(line(event_id=f"{number}-{k}") for k in range(count)))
        wanted += [(7 + number, k, f"{number}-{k}") for k in range(count)]
    result = decoded(values)
    found = [(*place, name) for place, name in zip(places(result), ids(result), strict=True)]
    assert found == wanted
    assert len(result.batches) > 2
