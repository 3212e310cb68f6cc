"""The largest share an account was ever seen with, learned late: memory of recurring hours.

A nightly batch of short classifications is strange by the tail of the other hours every night; it
is not news. So the detectors of shares (`detectors.low_and_slow`, `detectors.content`) subtract
what an hour at the record R would have shown: -log10 of P(K >= k | K >= R n). Learned at once, an
attack would hide its own repetition. So a share waits for the rest of its half day and the half
day after, 12 to 24 hours, before it can become the record: DESIGN.md's bounded quarantine. The
record fades by half every `half_life_h`.

Nothing here is special to shares; any number that is large when things are strange will do.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from detectors.base import FloatArray, State
from detectors.forgetting import decay

__all__ = ["HALF_DAY_H", "fields", "record", "remember"]

HALF_DAY_H: Final = 12  # hours; noon and midnight (UTC) part them


def fields(shares: int) -> list[tuple[Any, ...]]:
    """Fields of a state that keeps a record of each of `shares` numbers.

    `hour` is the last one learned, since 1970; `waiting` holds the largest numbers of that hour's
    half day, and of the half day before it.
    """
    return [("hour", "<u4"), ("record", "<f4", (shares,)), ("waiting", "<f4", (2, shares))]


def record(state: State, hour: int, half_life_h: float) -> tuple[FloatArray, FloatArray]:
    """Largest shares (n, shares) known when `hour` (since 1970) began, and those that wait.

    0 where there is none.
    """
    known, before, last = _turned(state, hour, half_life_h)
    return known, np.maximum(before, last)


def remember(new: State, state: State, shares: FloatArray, hour: int, half_life_h: float) -> None:
    """Fill the fields of `new`: what `state` knew, and `shares` (n, shares) of the ended `hour`."""
    known, before, last = _turned(state, hour, half_life_h)
    new["record"] = known
    new["waiting"][:, 0] = np.maximum(last, shares)
    new["waiting"][:, 1] = before
    new["hour"] = hour


def _turned(
    state: State, hour: int, half_life_h: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Record, what waits from the half day before, and from this half day, as `hour` begins."""
    learned = state["hour"].astype(np.int64)
    faded = state["record"] * decay(np.maximum(hour - learned, 0), half_life_h)[:, None]
    last = state["waiting"][:, 0].astype(np.float64)
    before = state["waiting"][:, 1].astype(np.float64)
    turns = (hour // HALF_DAY_H - learned // HALF_DAY_H)[:, None]
    known = np.where(turns >= 1, np.maximum(faded, before), faded)
    known = np.where(turns >= 2, np.maximum(known, last), known)
    return (
        known,
        np.where(turns <= 0, before, np.where(turns == 1, last, 0.0)),
        np.where(turns <= 0, last, 0.0),
    )
