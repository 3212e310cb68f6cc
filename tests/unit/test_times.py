"""Which event times are believed, live and in a replay, and what a refusal says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from streams.events.decode import Messages, decode
from streams.events.letters import DeadLetter
from streams.features.watermark import NEVER
from streams.ingest.times import TimeRules

DAY = 86_400_000
BROKER = 1_700_000_000_000
LIVE = TimeRules(replay=False, max_ahead_ms=300_000, retention_ms=90 * DAY)
REPLAY = TimeRules(replay=True, max_ahead_ms=300_000, retention_ms=90 * DAY)


def line(ts: Any, **changed: Any) -> bytes:
    return json.dumps({"event_id": "e", "ts": ts, "account_id": "a"} | changed).encode()


def judged(
    rules: TimeRules, values: list[bytes], broker: int = BROKER
) -> tuple[list[bool], list[DeadLetter]]:
    messages = Messages(values, range(40, 40 + len(values)), [broker] * len(values))
    result = decode(messages)
    refused, letters = rules.refuse(
        result.table(),
        np.concatenate(result.offsets),
        np.concatenate(result.lines),
        np.concatenate(result.times),
        messages,
    )
    return refused.tolist(), letters


def letter(rules: TimeRules, value: bytes) -> DeadLetter:
    refused, (item,) = judged(rules, [value])
    assert refused == [True]
    assert item.broker_time == BROKER
    return item


def test_live_times_lie_between_retention_and_five_minutes_ahead() -> None:
    edges = [BROKER - 90 * DAY, BROKER, BROKER + 300_000]
    assert judged(LIVE, [line(ts) for ts in edges]) == ([False] * 3, [])
    early = letter(LIVE, line(BROKER - 90 * DAY - 1))
    assert (early.reason, early.sentence) == (
        "ts_too_old",
        "field `ts`: expected at most 90 days before 2023-11-14T22:13:20.000+00:00, "
        "got 2023-08-16T22:13:19.999+00:00",
    )
    ahead = letter(LIVE, line(BROKER + 300_001))
    assert (ahead.reason, ahead.sentence) == (
        "ts_ahead",
        "field `ts`: expected at most 300 s after 2023-11-14T22:13:20.000+00:00, "
        "got 2023-11-14T22:18:20.001+00:00",
    )


def test_a_replay_takes_its_data_whatever_the_brokers_clock_says() -> None:
    edges = [4_102_444_800, 1_000_000_000_000, BROKER + 365 * DAY, NEVER - 1]
    assert judged(REPLAY, [line(ts) for ts in edges]) == ([False] * 4, [])
    for ts, reason in ((-1, "ts_too_old"), (NEVER, "ts_ahead"), (2**63 - 1, "ts_ahead")):
        item = letter(REPLAY, line(ts))
        assert item.reason == reason
        wanted = f"field `ts`: expected a time from 1970-02-17 to 2199, got {ts}"
        assert item.sentence == wanted


@pytest.mark.parametrize("ts", [BROKER // 1000, 1])
def test_seconds_given_as_milliseconds_are_recognised(ts: int) -> None:
    for rules in (LIVE, REPLAY):
        sentence = letter(rules, line(ts)).sentence
        assert sentence == f"field `ts`: expected epoch milliseconds, got {ts} (seconds?)"


@pytest.mark.parametrize("ts", [2**63 - 1, -(2**63), "0001-01-01T00:00:00+23:59"])
def test_no_time_is_too_far_off_to_be_refused_with_a_sentence(ts: Any) -> None:
    for rules in (LIVE, REPLAY):
        assert letter(rules, line(ts)).sentence.startswith("field `ts`: expected")


@pytest.mark.parametrize("rules", [LIVE, REPLAY])
@pytest.mark.parametrize("created", [-1, NEVER])
def test_the_account_was_created_in_a_time_that_can_be_stored(
    rules: TimeRules, created: int
) -> None:
    item = letter(rules, line(BROKER, account_created_at=created))
    assert item.reason == "out_of_range"
    assert item.sentence.startswith("field `account_created_at`: expected a time from 1970 to 2199")
    assert judged(rules, [line(BROKER, account_created_at=0)])[1] == []


def test_a_heartbeat_is_believed_no_further_than_an_event() -> None:
    assert LIVE.believed(BROKER + 300_000, BROKER) == BROKER + 300_000
    assert LIVE.believed(BROKER + DAY, BROKER) == BROKER + 300_000
    assert LIVE.believed(5, BROKER) == 5
    assert REPLAY.believed(BROKER + DAY, BROKER) == BROKER + DAY


def test_a_letter_has_the_bytes_and_the_place_of_its_line() -> None:
    old = line(1, org_id="o")
    values = [line(BROKER), line(BROKER) + b"\n\n" + old + b"\r\n" + line(BROKER)]
    refused, (item,) = judged(LIVE, values)
    assert refused == [False, False, True, False]
    assert (item.offset, item.line, item.content) == (41, 2, old + b"\r")


@pytest.mark.parametrize("lead", [b"", b"\n"])
def test_a_letter_has_the_whole_of_a_pretty_printed_event(lead: bytes) -> None:
    event = {"moderation": {}, "event_id": "e", "account_id": "a", "ts": 1}
    pretty = lead + json.dumps(event, indent=1).replace(" {},", " {}\n,").encode()
    _, (item,) = judged(LIVE, [pretty])
    assert (item.line, item.content) == (0, pretty)
