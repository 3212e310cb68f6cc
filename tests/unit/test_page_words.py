"""The words: numbers a person can plan with, and an all clear only where it is true."""

from __future__ import annotations

import html
import math
from typing import Any, cast

import pytest

from dashboards.live.model import Incident, Status
from dashboards.live.rows import incident_row
from dashboards.live.words import chance, compact, count, duration, headline, verdict, window

NOW = 1_763_735_460_000


def worker(**changes: Any) -> Status:
    status: dict[str, Any] = {
        "now": NOW,
        "started": NOW - 3_600_000,
        "mode": "worker",
        "rate": 100.0,
        "stored": 5000,
        "lag": 0,
        "delay_ms": {"p50": 300.0, "p99": 900.0},
        "alert_ms": None,
        "watermark": NOW - 2_000,
        "accounts": 12,
        "dead": 0,
        "duplicates": 0,
        "late": 0,
        "too_late": 0,
        "store": {"ok": True, "sentence": "", "write_ms": 12.0},
        "broker": {"ok": True, "sentence": ""},
        "partitions": [],
        "hottest": [],
        "incidents": [],
        "gaps": [],
        "rates": [],
    }
    return cast(Status, status | changes)


def incident(state: str = "ongoing", number: int = 1) -> dict[str, Any]:
    return {"incident_id": f"i{number}", "state": state}


@pytest.mark.parametrize(
    ("p_value", "words"),
    [
        (1.1e-5, "1 in 90,000"),
        (2.6e-7, "1 in 4 million"),
        (5.1e-4, "1 in 2,000"),
        (0.3, "1 in 3"),
        (1.05e-6, "1 in 1 million"),
        (1e-300, "less than 1 in a billion"),
        (0.0, "less than 1 in a billion"),
        (0.9, "nothing unusual"),
        (math.nan, "chance unknown"),
    ],
)
def test_chance_in_words(p_value: float, words: str) -> None:
    assert chance(p_value) == words


def test_figures() -> None:
    assert [count(1240), count(0.25), count(math.inf)] == ["1,240", "0.2", "–"]
    assert [compact(9_999), compact(412_345), compact(1_900_000)] == ["9,999", "412k", "1.9M"]
    assert [compact(999_600), compact(12_000_000)] == ["1.0M", "12M"]
    assert [duration(18), duration(900), duration(720_000)] == ["18 ms", "0.9 s", "12 min"]
    assert [duration(None), duration(7_300_000)] == ["–", "2 h"]
    assert [window(300), window(60), window(86_400)] == ["5 minutes", "1 minute", "24 hours"]


def test_all_clear_when_everything_was_seen_and_nothing_is_open() -> None:
    said = verdict(worker(incidents=[incident("resolved")]))
    assert said.heading == "All clear."
    assert said.trusted


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"store": {"ok": False, "sentence": "ClickHouse is away", "write_ms": None}}, "is away"),
        ({"broker": {"ok": False, "sentence": "Kafka is away"}}, "Kafka is away"),
        ({"watermark": NOW - 600_000}, "10 min behind"),
        ({"gaps": [{"started_at": 0, "ended_at": NOW, "sentence": "Blind on 3"}]}, "Blind on 3"),
        ({"gaps": [{"started_at": 0, "ended_at": None, "sentence": "Blind on 3"}]}, "Blind on 3"),
    ],
)
def test_all_clear_is_withheld_where_the_pipeline_was_blind(
    changes: dict[str, Any], reason: str
) -> None:
    said = verdict(worker(**changes))
    assert "not all clear" in said.heading
    assert reason in said.detail
    assert not said.trusted


def test_a_replay_of_an_old_trace_is_not_called_behind() -> None:
    assert verdict(worker(mode="replay", watermark=1_700_000_000_000)).trusted


def test_an_old_gap_no_longer_withholds_the_all_clear() -> None:
    gap = {"started_at": 0, "ended_at": NOW - 7_200_000, "sentence": "Blind"}
    assert verdict(worker(gaps=[gap])).trusted


def test_open_incidents_are_counted_in_words_and_doubts_stay() -> None:
    assert verdict(worker(incidents=[incident()])).heading == "One incident needs you."
    two = verdict(worker(incidents=[incident(), incident(number=2)], watermark=NOW - 120_000))
    assert two.heading == "Two incidents need you."
    assert "behind" in two.detail
    many = [incident(number=n) for n in range(14)]
    assert verdict(worker(incidents=many)).heading == "14 incidents need you."


def test_before_the_first_event_nothing_is_promised() -> None:
    said = verdict(worker(stored=0, accounts=0, watermark=None))
    assert said.heading == "Waiting for the first events."
    assert not said.trusted


def test_a_headline_leaves_the_odds_to_the_line_below() -> None:
    said = "a got 37 429s in 1 hour (1 in 1,275 by its own history)"
    odds = "; 1 in 598,965 account-hours like it show as much"
    assert headline(said) == said
    assert headline(said + odds) == said
    assert headline(f"{said}; so be it{odds}; also use case 1 in 1,832, burst 1 in 125") == (
        f"{said}; so be it"
    )


@pytest.mark.parametrize(
    ("observed", "expected", "threshold", "said"),
    [
        (120.0, 30.0, 80.0, "4 times its usual 30; nothing would have been said below 80"),
        (14.0, 0.02, 0.4, "usual under 0.1; nothing would have been said below 0.4"),
        (36.0, 0.4, 0.0, "90 times its usual 0.4"),
        (40.0, 30.0, 12.0, "usual 30"),
    ],
)
@pytest.mark.parametrize("new", [False, True])
def test_a_row_says_no_more_of_the_usual_than_is_true(
    observed: float, expected: float, threshold: float, said: str, new: bool
) -> None:
    given = {"observed": observed, "expected": expected, "threshold": threshold}
    row = {
        "incident_id": "i",
        "account_id": "a",
        "detector": "quota",
        "kind": "new_account" if new else "retry_abuse",
        "state": "open",
        "severity": "high",
        "sentence": "a did it",
        "p_value": 1e-5,
        "started_at": NOW,
        "last_seen_at": NOW,
        "metric": "throttled",
        "window_s": 3600,
        **given,
    }
    shown = str(incident_row(worker(), cast(Incident, row), []))
    said = said.replace("its usual", "a new account's usual") if new else said
    assert f">{html.escape(said)}</p>" in shown
