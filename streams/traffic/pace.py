"""Lets event time pass at the speed of a clock: between a source of traffic and the sender.

Clocks and sleeping are arguments, so a test or a replay can be as fast as it likes. Every batch
that comes out is complete in itself: when it has come, nothing more is due yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np

from streams.traffic.batch import Batch

__all__ = ["at_speed", "follow"]

#: Real time covered by one batch, seconds: small enough that a second's alert is not late for it.
STEP_S = 0.1

# Rounding of a clock's seconds must not keep an event that is due.
_LEAST_S = 1e-4


def at_speed(
    batches: Iterable[Batch],
    factor: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Batch]:
    """Event time passes `factor` times as fast as `clock` (seconds), from the first event on."""
    if not factor > 0:
        raise ValueError("factor must be positive")
    filled = (batch for batch in batches if len(batch))
    first = next(filled, None)
    if first is None:
        return
    started, first_ts = clock(), int(first.ts[0])

    def due(ts: int) -> float:
        return (ts - first_ts) / 1000 / factor - (clock() - started)

    step_ms = max(1, round(STEP_S * 1000 * factor))
    yield from _paced(chain([first], filled), due, step_ms, sleep, stop)


def follow(
    batches: Iterable[Batch],
    now: Callable[[], int],
    *,
    sleep: Callable[[float], None] = time.sleep,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Batch]:
    """Events as soon as `now()` (epoch ms) has reached them; what lies behind passes at once."""
    return _paced(batches, lambda ts: (ts - now()) / 1000, round(STEP_S * 1000), sleep, stop)


def _paced(
    batches: Iterable[Batch],
    due: Callable[[int], float],
    step_ms: int,
    sleep: Callable[[float], None],
    stop: Callable[[], bool],
) -> Iterator[Batch]:
    for batch in batches:
        # A file may be out of order here and there: an event never waits for a later one's turn.
        reached = np.maximum.accumulate(batch.ts)
        start = 0
        while start < len(batch):
            if due(int(reached[-1])) <= _LEAST_S:
                # Behind (history, or a slow consumer): all that is due goes out in one piece.
                end = len(batch)
            else:
                end = int(np.searchsorted(reached, reached[start] + step_ms, side="right"))
            while (wait := due(int(reached[end - 1]))) > _LEAST_S and not stop():
                sleep(min(wait, STEP_S))
            if stop():
                return
            yield batch.slice(start, end)
            start = end
