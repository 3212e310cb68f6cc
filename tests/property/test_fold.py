"""The fold against a naive reference, and against itself with the stream cut differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streams.features import windows
from streams.features.layout import SHORT_OUTPUT_TOKENS
from streams.features.watermark import NEVER
from tests.support.folding import Driver, encoded, policy, told

START = 1_700_000_000_000
NAMES = ("acct-a", "acct-b", "acct-ü")

events: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    gap=st.integers(0, 40_000) | st.integers(0, 9_000_000),
    back=st.just(0) | st.integers(0, 30_000) | st.integers(0, 5_000_000),
    account=st.sampled_from(NAMES),
    status=st.sampled_from((200, 200, 200, 429, 500)),
    prompt=st.integers(0, 5000),
    completion=st.integers(0, 200),
    ip=st.integers(0, 12),
    template=st.integers(0, 3),
    hate=st.none() | st.floats(0, 1),
)


def as_events(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drawn steps as events: time moves on by `gap`, an event happened `back` earlier."""
    now, result = START, []
    for number, step in enumerate(drawn):
        now += step["gap"]
        event = {
            "event_id": f"e{number}",
            "ts": max(START, now - step["back"]),
            "account_id": step["account"],
            "status": step["status"],
            "prompt_tokens": step["prompt"],
            "completion_tokens": step["completion"],
            "ip_hash": f"{step['ip']:x}" if step["ip"] else "",
            "template": f"{step['template']:x}" if step["template"] else "",
        }
        if step["hate"] is not None:
            event["moderation"] = {"hate": step["hate"], "other": 0.5}
        result.append(event)
    return result


def naive(
    rows: list[tuple[dict[str, Any], int]], name: str, start: int, tick: int
) -> list[dict[str, Any]]:
    """Events of an account that a window [start, tick) counts when `tick` is judged."""
    return [
        event
        for event, counted in rows
        if event["account_id"] == name and start <= event["ts"] < tick and counted <= tick
    ]


@settings(max_examples=80, deadline=None)
@given(st.lists(events, min_size=1, max_size=40))
def test_windows_equal_a_naive_recount(drawn: list[dict[str, Any]]) -> None:
    stream = as_events(drawn)
    driver = Driver(policy())
    driver.feed(encoded(stream))
    driver.finish(max(event["ts"] for event in stream) + 7000)
    fold = driver.fold
    rows = list(zip(stream, driver.ticks, strict=True))
    assert [counted == NEVER for counted in driver.ticks] == [late == 2 for late in driver.late]
    for name, row in fold.accounts.index.items():
        state = windows.standing_at(
            fold.accounts.state, fold.layout, fold.accounts.stamp, np.array([row]), fold.closed
        )
        values = windows.features(state, fold.layout)
        for ring in fold.layout.counts:
            window = windows.WINDOW_NAMES[ring.name]
            seen = naive(rows, name, ring.start(fold.closed), fold.closed)
            assert values[f"requests_{window}"][0] == len(seen)
            assert values[f"prompt_tokens_{window}"][0] == sum(e["prompt_tokens"] for e in seen)
            assert values[f"errors_{window}"][0] == sum(e["status"] == 500 for e in seen)
            if ring.name == "minute":
                continue
            assert values[f"throttled_{window}"][0] == sum(e["status"] == 429 for e in seen)
            short = sum(0 < e["completion_tokens"] <= SHORT_OUTPUT_TOKENS for e in seen)
            assert values[f"short_share_{window}"][0] == pytest.approx(short / max(1, len(seen)))
        for ring in fold.layout.moderation:
            window = windows.WINDOW_NAMES[ring.name.removesuffix("_moderation")]
            seen = naive(rows, name, ring.start(fold.closed), fold.closed)
            scores = [e["moderation"]["hate"] for e in seen if "moderation" in e]
            peak = values[f"moderation_hate_max_{window}"][0]
            assert peak == pytest.approx(max(scores, default=0), abs=0.003)
        ring = fold.layout.distincts[1]
        seen = naive(rows, name, ring.start(fold.closed), fold.closed)
        addresses = len({e["ip_hash"] for e in seen} - {""})
        assert values["addresses_1h"][0] == pytest.approx(addresses, abs=1.6 + 0.15 * addresses)
        seen = naive(rows, name, fold.layout.templates.start(fold.closed), fold.closed)
        commonest = max(Counter(e["template"] for e in seen if e["template"]).values(), default=0)
        assert values["template_share_1h"][0] <= commonest / max(1, len(seen)) + 1e-9


def test_a_template_that_is_never_contested_is_counted_exactly() -> None:
    stream = [
        {
            "event_id": f"e{n}",
            "ts": START + 1000 * n,
            "account_id": "a",
            "template": "ab" if n % 4 else "",
        }
        for n in range(400)
    ]
    driver = Driver(policy())
    driver.feed(encoded(stream))
    driver.finish(START + 410_000)
    fold = driver.fold
    state = windows.standing_at(
        fold.accounts.state, fold.layout, fold.accounts.stamp, np.array([0]), fold.closed
    )
    assert windows.features(state, fold.layout)["template_share_1h"][0] == pytest.approx(0.75)


@cache
def busy_stream() -> tuple[list[bytes], bytes, bytes]:
    """Four hours of 30 accounts with late events and two bursts; what one single feed finds."""
    rng = np.random.default_rng(5)
    moments: list[tuple[int, int, str]] = []
    for account in range(30):
        times = START + np.sort(rng.integers(0, 4 * 3_600_000, int(rng.integers(150, 500))))
        moments += [(int(t), int(t), f"acct-{account:02d}") for t in times]
    for begin, account in ((2.4, 3), (3.1, 17)):
        times = START + int(begin * 3_600_000) + rng.integers(0, 240_000, 900)
        moments += [(int(t), int(t), f"acct-{account:02d}") for t in times]
    late = rng.random(len(moments)) < 0.05
    arrivals = sorted(
        (t + (int(rng.integers(1000, 200_000)) if is_late else 0), t, name)
        for (_, t, name), is_late in zip(moments, late, strict=True)
    )
    lines = encoded(
        [
            {"event_id": f"e{n}", "ts": t, "account_id": name, "prompt_tokens": int(t % 700)}
            for n, (_, t, name) in enumerate(arrivals)
        ]
    )
    driver = Driver(policy())
    driver.feed(lines)
    driver.finish(START + 5 * 3_600_000)
    return lines, told(driver.found), fold_bytes(driver)


def fold_bytes(driver: Driver) -> bytes:
    """State of every account in order of name, independent of row numbers and of padding."""
    accounts = driver.fold.accounts
    rows = [accounts.index[name] for name in sorted(accounts.index)]
    return b"".join(field_bytes(accounts.state[rows])) + accounts.stamp[rows].tobytes()


def field_bytes(records: Any) -> Iterator[bytes]:
    """Bytes of each field, those of nested records included."""
    for name in records.dtype.names:
        if records.dtype[name].names:
            yield from field_bytes(records[name])
        else:
            yield np.ascontiguousarray(records[name]).tobytes()


def test_the_busy_stream_has_something_to_find() -> None:
    driver = Driver(policy())
    driver.feed(busy_stream()[0])
    driver.finish(START + 5 * 3_600_000)
    assert {alert.finding.account_id for alert in driver.found.alerts} == {"acct-03", "acct-17"}
    assert {item.state for item in driver.found.incidents} == {"open", "ongoing", "resolved"}
    assert 1 in driver.late


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking a stream takes minutes
)
@given(st.lists(st.integers(0, 20_000), max_size=60), st.booleans())
def test_findings_do_not_depend_on_where_fetches_were_cut(cuts: list[int], grain: bool) -> None:
    lines, found, state = busy_stream()
    edges = sorted({0, len(lines), *(cut % len(lines) for cut in cuts)})
    driver = Driver(policy())
    for start, stop in pairwise(edges):
        step = 37 if grain and stop - start < 2000 else stop - start
        for first in range(start, stop, step):
            driver.feed(lines[first : min(first + step, stop)])
    driver.finish(START + 5 * 3_600_000)
    assert told(driver.found) == found
    assert fold_bytes(driver) == state
