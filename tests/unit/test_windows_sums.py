"""What the tick detectors read of the rolling windows, against a naive recount."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.features import windows
from streams.features.layout import MINUTE
from tests.support.folding import Driver, encoded, policy

START = 1_700_000_100_000 // (5 * MINUTE) * 5 * MINUTE
NAMES = ("acct-a", "acct-b")


def stream(seed: int) -> list[dict[str, Any]]:
    """Twenty minutes of two accounts, in order of time."""
    random = np.random.default_rng(seed)
    return [
        {
            "event_id": f"e{number}",
            "ts": int(ts),
            "account_id": NAMES[random.integers(2)],
            "status": int(random.choice([200, 200, 400, 429, 503])),
            "prompt_tokens": int(random.integers(10_000_000)),
            "completion_tokens": int(random.integers(1000)),
        }
        for number, ts in enumerate(START + np.sort(random.integers(0, 20 * MINUTE, 600)))
    ]


def recounted(events: list[dict[str, Any]], name: str, start: int, end: int) -> list[float]:
    seen = [e for e in events if e["account_id"] == name and start <= e["ts"] < end]
    return [
        len(seen),
        sum(e["prompt_tokens"] for e in seen),
        sum(e["completion_tokens"] for e in seen),
        sum(e["status"] in (400, 503) for e in seen),
        sum(e["status"] == 429 for e in seen),
    ]


def test_the_sums_of_a_tick_are_those_of_its_windows() -> None:
    events = stream(1)
    driver = Driver(policy())
    driver.feed(encoded(events))
    driver.finish(START + 20 * MINUTE + 2000)
    fold = driver.fold
    rows = np.array([fold.accounts.index[name] for name in NAMES])
    standing = windows.standing_at(
        fold.accounts.state, fold.layout, fold.accounts.stamp, rows, fold.closed
    )
    expected = [
        [recounted(events, name, ring.start(fold.closed), fold.closed) for ring in rings]
        for name in NAMES
        for rings in [fold.layout.counts[:3]]
    ]
    assert windows.tick_sums(standing, slice(None)).tolist() == expected
    assert windows.tick_sums(standing, np.array([1])).tolist() == expected[1:]
    many = standing[np.arange(3000) % 2]
    assert windows.tick_sums(many, slice(None)).tolist() == (expected * 1500)


def test_five_minutes_are_whole_and_end_at_their_boundary() -> None:
    events = stream(2)
    driver = Driver(policy())
    boundary = START + 10 * MINUTE
    driver.feed(encoded([event for event in events if event["ts"] < boundary - 70_000]))
    driver.finish(boundary + 2000)
    fold = driver.fold
    rows = np.array([fold.accounts.index[name] for name in NAMES])
    kept = [event for event in events if event["ts"] < boundary - 70_000]
    found = windows.five_minute_series(fold.accounts.state, fold.accounts.stamp, rows, boundary)
    expected = [recounted(kept, name, boundary - 5 * MINUTE, boundary) for name in NAMES]
    assert found.tolist() == expected
    assert expected[0][3] > 0 < expected[0][4]
