"""Cold start: a newcomer is news once, a returned account is held to the loudest it ever was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors import cold_start
from detectors.base import HOUR_MS, FloatArray

PARAMETERS = cold_start.Parameters()
START = 1_700_006_400_000  # a midnight
TICK = 60_000
DAY = 24 * HOUR_MS


def sums(requests: float) -> dict[str, FloatArray]:
    """One account that sends so many requests an hour, evenly."""
    found = np.zeros((1, 3, 5))
    found[0, :, 0] = requests / 60.0, requests / 12.0, requests
    return {"sums": found}


def lived(*hourly: float, begin: int = START, state: Any = None) -> Any:
    """The state after so many clock hours, with so many requests in each."""
    state = np.zeros(1, cold_start.STATE) if state is None else state
    for hour, requests in enumerate(hourly):
        for minute in (1, 30, 60):
            now = begin + hour * HOUR_MS + minute * TICK
            state = cold_start.observe(state, sums(requests), now, PARAMETERS)
    return state


def evidence(state: Any, requests: float, now_ms: int) -> float:
    return float(cold_start.score(state, sums(requests), now_ms, PARAMETERS).value[0])


def test_a_loud_newcomer_is_news_in_its_first_hour_and_not_for_the_rest_of_the_day() -> None:
    state = np.zeros(1, cold_start.STATE)
    state = cold_start.observe(state, sums(9000.0), START + TICK, PARAMETERS)
    first = evidence(state, 9000.0, START + 2 * TICK)
    assert first > 6.0
    for hours in range(1, 23):
        state = lived(9000.0, begin=START + (hours - 1) * HOUR_MS, state=state)
        assert evidence(state, 9000.0, START + hours * HOUR_MS + TICK) == 0.0


def test_what_grows_by_half_is_news_again_and_a_little_more_is_not() -> None:
    state = lived(9000.0, 9000.0)
    now = START + 2 * HOUR_MS + TICK
    assert evidence(state, 12_000.0, now) == 0.0
    assert evidence(state, 14_000.0, now) == evidence(lived(1.0), 14_000.0, START + HOUR_MS + TICK)


def test_within_the_clock_hour_what_it_showed_before_takes_nothing_from_it() -> None:
    state = np.zeros(1, cold_start.STATE)
    for minute in range(1, 40):
        state = cold_start.observe(state, sums(9000.0), START + minute * TICK, PARAMETERS)
    assert evidence(state, 9500.0, START + 40 * TICK) > 6.0
    # The hour's end still belongs to it; a tick later the next one has begun.
    assert evidence(state, 9500.0, START + 60 * TICK) > 6.0
    assert evidence(state, 9500.0, START + 60 * TICK + 1) == 0.0


def test_a_returned_account_is_held_to_the_loudest_it_ever_was() -> None:
    busy, small = lived(*[9000.0] * 30), lived(*[90.0] * 30)
    back = START + 10 * DAY + TICK
    assert evidence(busy, 9000.0, back) == 0.0
    assert 0.0 < evidence(busy, 30_000.0, back) < 4.0 < evidence(small, 9000.0, back)
    # So it is an hour later, when what it shows is no return any more but its first hours back.
    for state in (busy, small):
        state[:] = cold_start.observe(state, sums(60.0), back, PARAMETERS)
    later = back + HOUR_MS
    assert evidence(busy, 9000.0, later) == 0.0
    assert 0.0 < evidence(busy, 30_000.0, later) < 4.0 < evidence(small, 9000.0, later)
    found = cold_start.score(small, sums(9000.0), later, PARAMETERS)
    assert cold_start.KINDS[int(found.kind[0])] == "dormant_account"


def test_the_sentence_of_a_returned_account_says_how_loud_it_was_before() -> None:
    state = lived(*[600.0] * 30)
    back = START + 10 * DAY + TICK
    why = cold_start.explain("acct-1", state, sums(9000.0), back, PARAMETERS, 2.0)
    assert "came back after a long silence" in why.sentence
    assert why.sentence.endswith("15 times as loud as ever before")
    assert why.expected == pytest.approx(600.0, rel=0.01)
    assert 600.0 < why.threshold < 9000.0
    new = cold_start.explain(
        "acct-2", lived(1.0), sums(9000.0), START + 2 * HOUR_MS, PARAMETERS, 2.0
    )
    assert "before" not in new.sentence


def test_grown_up_accounts_are_not_judged() -> None:
    state = lived(*[60.0] * 30)
    assert np.isnan(evidence(state, 1e6, START + 30 * HOUR_MS + TICK))
    assert cold_start.strata(state, START + 30 * HOUR_MS + TICK, PARAMETERS).tolist() == [-1]
