"""The watermark: which tick counts a row, and from when on a row is late."""

from __future__ import annotations

import numpy as np

from streams.features.watermark import IN_TIME, LATE, NEVER, TOO_LATE, Watermark

T = 1_700_000_000_000


def take(
    watermark: Watermark, *ts: int, heartbeats: tuple[tuple[int, int], ...] = ()
) -> list[tuple[int, int]]:
    counted = watermark.take(np.array(ts, np.int64), heartbeats)
    assert counted.late.dtype == np.uint8
    return list(zip(counted.tick.tolist(), counted.late.tolist(), strict=True))


def test_a_row_counts_at_the_end_of_the_tick_of_its_own_time() -> None:
    watermark = Watermark(5000, 2000, 60_000)
    assert take(watermark, T, T + 4999, T + 5000) == [
        (T + 5000, IN_TIME),
        (T + 5000, IN_TIME),
        (T + 10_000, IN_TIME),
    ]
    assert watermark.value == T + 3000


def test_a_tick_closes_only_when_the_lateness_has_passed() -> None:
    watermark = Watermark(5000, 2000, 60_000)
    take(watermark, T + 6999)
    assert take(watermark, T + 4999) == [(T + 5000, IN_TIME)]
    take(watermark, T + 7000)
    assert take(watermark, T + 4999) == [(T + 10_000, LATE)]


def test_rows_are_late_within_one_fetch_as_well() -> None:
    watermark = Watermark(5000, 0, 60_000)
    assert [late for _, late in take(watermark, T, T + 20_000, T, T + 20_000)] == [0, 0, LATE, 0]


def test_the_limit_of_lateness_is_exact() -> None:
    watermark = Watermark(5000, 2000, 60_000)
    take(watermark, T + 2000)
    rows = take(watermark, T - 60_000, T - 60_001)
    assert rows == [(T + 5000, LATE), (NEVER, TOO_LATE)]


def test_a_heartbeat_lets_time_pass_and_never_back() -> None:
    watermark = Watermark(5000, 2000, 60_000)
    assert take(watermark, heartbeats=((0, T + 7000),)) == []
    assert watermark.value == T + 5000
    take(watermark, heartbeats=((0, T),))
    assert watermark.value == T + 5000
    assert take(watermark, T, T, heartbeats=((1, T + 12_000),)) == [
        (T + 10_000, LATE),
        (T + 15_000, LATE),
    ]


def test_the_first_event_of_all_is_in_time() -> None:
    assert take(Watermark(5000, 2000, 0), 0, 1) == [(5000, IN_TIME), (5000, IN_TIME)]
