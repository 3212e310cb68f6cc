"""Series and charts: sums are right, an unfinished minute pretends no fall, text tells the same."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.live.against import against_usual
from dashboards.live.chart import Plot, chart, spark
from dashboards.live.series import IN_MINUTES, MINUTE, runs_outside, usual, window_sums
from tests.unit.test_page_server import full_incident
from tests.unit.test_page_words import worker

START = 1_763_735_400_000 // MINUTE * MINUTE


@given(
    st.dictionaries(st.integers(-10, 30), st.integers(0, 50), max_size=30),
    st.sampled_from([60, 300, 600]),
)
def test_window_sums_equal_a_naive_sum(values: dict[int, int], window_s: int) -> None:
    minutes = [(START + at * MINUTE, float(value)) for at, value in values.items()]
    points = window_sums(minutes, START, START + 20 * MINUTE, window_s)
    assert [at for at, _ in points] == [START + (n + 1) * MINUTE for n in range(20)]
    for at, total in points:
        naive = sum(v for m, v in minutes if at - window_s * 1000 <= m < at)
        assert total == naive


def test_the_running_minute_shows_a_rise_but_no_fall() -> None:
    calm = [(START + n * MINUTE, 10.0) for n in range(5)]
    until = START + 5 * MINUTE + 1
    watermark = until + 5_000
    falling = window_sums([*calm, (START + 5 * MINUTE, 1.0)], START, until, 60, watermark)
    rising = window_sums([*calm, (START + 5 * MINUTE, 90.0)], START, until, 60, watermark)
    assert falling[-1] == (START + 5 * MINUTE, 10.0)
    assert rising[-1] == (START + 6 * MINUTE, 90.0)


def test_usual_needs_half_an_hour_and_holds_nine_in_ten() -> None:
    points = [(n, float(n)) for n in range(101)]
    assert usual(points[:29]) is None
    assert usual(points) == (5.0, 95.0)


def test_one_point_outside_is_noise_three_are_news() -> None:
    values = [1, 9, 1, 9, 9, 9, 1]
    assert runs_outside([(n, float(v)) for n, v in enumerate(values)], (0.0, 5.0)) == [(3, 5)]


def test_a_chart_says_in_words_and_in_a_table_what_it_shows() -> None:
    points = [(START + n * MINUTE, float(n)) for n in range(40)]
    plot = Plot(points, "requests in 5 minutes", "acct-1", (2, 30), 118, "silent below 118")
    text = chart(plot, key="x").text
    assert (
        "acct-1: between 0 and 39 requests in 5 minutes, usually 2 to 30, silent below 118." in text
    )
    assert text.count("<tr>") == 41
    assert "<svg" in spark(plot).text
    assert "silent below 118" in text


def test_a_chart_without_points_says_so() -> None:
    empty = Plot([], "requests", "acct-1")
    assert "Nothing is stored" in chart(empty, key="x").text
    assert "no minutes" in spark(empty).text


@given(st.lists(st.floats(0, 1e15), min_size=2, max_size=50), st.floats(0, 1e15))
def test_any_values_can_be_drawn(values: list[float], threshold: float) -> None:
    points = [(START + n * MINUTE, value) for n, value in enumerate(values)]
    text = chart(Plot(points, "u", "l", threshold=threshold, threshold_label="t"), key="x").text
    assert "nan" not in text
    assert "inf" not in text


@pytest.mark.parametrize(
    ("metric", "threshold", "drawn", "line"),
    [
        ("errors", 118.0, "errors", 118.0),
        ("errors", math.inf, "errors", None),
        ("quota_used", 0.9, "requests", None),
        ("endpoints[3]", 40.0, "requests", None),
    ],
)
def test_only_what_the_minutes_hold_is_drawn(
    metric: str, threshold: float, drawn: str, line: float | None
) -> None:
    incident: Any = full_incident("a") | {"metric": metric, "threshold": threshold}
    at = incident["started_at"] // MINUTE * MINUTE
    row = dict.fromkeys(IN_MINUTES, 1.0) | {"account_id": "a", "at": at, drawn: 7.0}
    plot = against_usual(worker(), incident, [row], 40 * MINUTE)
    assert plot.unit == f"{drawn} in 5 minutes"
    assert max(value for _, value in plot.points) == 7.0
    assert plot.threshold == line
    assert ("silent below" in plot.alternative) == (line is not None)
    assert "nan" not in str(chart(plot, key="k"))
