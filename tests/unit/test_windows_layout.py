"""The account record: where windows start and end, what fits, and the identity of the layout."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detectors.base import Detector
from streams.features import windows
from streams.features.layout import HOUR, MINUTE, layout
from streams.scoring.record import DETECTORS
from tests.support.folding import Driver, encoded, policy

START = 1_700_000_400_000 // HOUR * HOUR
LAYOUT = layout(5000)


def test_what_a_tick_copies_of_an_account_is_less_than_two_kilobytes() -> None:
    assert LAYOUT.hot.itemsize <= 2048
    assert LAYOUT.dtype["hourly"].itemsize <= 576


def test_all_that_is_kept_of_an_account_is_two_kilobytes_beside_the_detectors() -> None:
    detectors = sum(detector.STATE.itemsize for detector in DETECTORS)
    assert LAYOUT.dtype.itemsize - detectors <= 2048


def test_the_hot_part_is_the_beginning_of_the_record() -> None:
    whole, hot = LAYOUT.dtype.descr, LAYOUT.hot.descr
    assert whole[: len(hot)] == hot
    assert whole[len(hot)][0] == "hourly"
    assert LAYOUT.hot.itemsize % 8 == LAYOUT.dtype.itemsize % 8 == 0


@pytest.mark.parametrize("tick_ms", [1000, 2000, 5000, 10_000])
def test_every_window_covers_its_length_and_ends_with_the_tick(tick_ms: int) -> None:
    spans = {"minute": MINUTE, "five": 5 * MINUTE, "hour": HOUR, "day": 24 * HOUR}
    for ring in layout(tick_ms).counts:
        assert ring.span_ms == spans[ring.name]
        for tick in range(START, START + HOUR, tick_ms):
            start = ring.start(tick)
            assert start % ring.width_ms == 0
            assert ring.span_ms - ring.width_ms < tick - start <= ring.span_ms
            assert ring.bucket(tick) == start // ring.width_ms + ring.buckets - 1


def test_another_layout_has_another_identity() -> None:
    identities = {
        layout(5000).identity,
        layout(1000).identity,
        layout(5000, DETECTORS[1:]).identity,
        layout(5000, [changed(DETECTORS[0]), *DETECTORS[1:]]).identity,
    }
    assert len(identities) == 4
    assert layout(5000).identity in identities


def changed(detector: Detector) -> Any:
    """The detector with one number more in its state."""
    state = np.dtype([*detector.STATE.descr, ("more", "<f8")])
    return SimpleNamespace(NAME=detector.NAME, CADENCE=detector.CADENCE, STATE=state)


def standing(ts: list[int], tick: int, **changed: object) -> dict[str, float]:
    driver = Driver(policy())
    driver.feed(
        encoded([{"event_id": f"{t}", "ts": t, "account_id": "a"} | changed for t in sorted(ts)])
    )
    driver.finish(tick + 2000)
    fold = driver.fold
    assert fold.closed == tick
    state = windows.standing_at(
        fold.accounts.state, fold.layout, fold.accounts.stamp, np.array([0]), tick
    )
    return {name: float(value[0]) for name, value in windows.features(state, fold.layout).items()}


def test_an_event_leaves_each_window_when_its_bucket_does() -> None:
    event = START + 1
    seen = {
        tick: standing([event], START + tick)
        for tick in (MINUTE, MINUTE + 5000, 5 * MINUTE, 6 * MINUTE, HOUR, HOUR + 5000)
    }
    assert seen[MINUTE]["requests_1m"] == 1
    assert seen[MINUTE + 5000]["requests_1m"] == 0
    assert seen[5 * MINUTE]["requests_5m"] == 1
    assert seen[6 * MINUTE]["requests_5m"] == 0
    assert seen[HOUR]["requests_1h"] == 1
    assert seen[HOUR + 5000]["requests_1h"] == 0
    assert seen[HOUR + 5000]["requests_24h"] == 1


def test_the_largest_token_counts_fit() -> None:
    most = 10_000_000
    moments = [START + n for n in range(400)]
    values = standing(moments, START + 5000, prompt_tokens=most, completion_tokens=most)
    assert values["prompt_tokens_1m"] == values["completion_tokens_24h"] == 400 * most


def test_shares_and_scores_lie_between_zero_and_one() -> None:
    values = standing(
        [START + n for n in range(50)],
        START + 5000,
        completion_tokens=3,
        template="ff",
        moderation={"hate": 1.0, "unheard_of": 0.5},
    )
    assert values["short_share_5m"] == values["template_share_1h"] == 1.0
    assert values["moderation_hate_mean_1h"] == pytest.approx(1.0)
    assert values["moderation_hate_max_24h"] == pytest.approx(1.0)
    assert values["moderation_sexual_max_24h"] == 0.0
    assert all(np.isfinite(value) for value in values.values())


def test_an_idle_account_has_features_too() -> None:
    values = standing([START + 1], START + 25 * HOUR)
    assert set(values.values()) == {0.0}
