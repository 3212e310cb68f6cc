"""What the synthetic series of `tests.bench.series_kinds` are made of: rhythms, noise, places."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DAY",
    "START_S",
    "Made",
    "Rng",
    "Spans",
    "Values",
    "ar",
    "hops",
    "hump",
    "midday",
    "phase_of",
    "place",
    "square",
    "two_places",
    "weekend",
]

Values = NDArray[np.float64]
Rng = np.random.Generator
Spans = list[tuple[int, int]]
START_S: Final = 1_700_006_400  # a midnight
DAY: Final = 86_400


Made = tuple[Values, Spans]


def ar(rng: Rng, rows: int, phi: float, scale: float = 1.0) -> Values:
    """A first-order autoregression with standard deviation `scale`."""
    noise = rng.normal(0.0, scale * np.sqrt(1.0 - phi * phi), rows)
    out = np.empty(rows)
    level = rng.normal(0.0, scale)
    for i in range(rows):
        level = phi * level + noise[i]
        out[i] = level
    return out


def phase_of(rows: int, step: int) -> Values:
    return (np.arange(rows) * step % DAY) / DAY


def hump(rows: int, step: int, sharp: float = 2.0) -> Values:
    """A daily hump in 0..1, its top at 15:00."""
    return np.exp(sharp * (np.cos(2 * np.pi * (phase_of(rows, step) - 0.625)) - 1.0))


def weekend(rows: int, step: int) -> NDArray[np.bool_]:
    return (np.arange(rows) * step // DAY) % 7 >= 5


def place(rng: Rng, rows: int, length: int, after: float = 0.35) -> tuple[int, int]:
    """Where an anomaly of `length` rows goes: never in the first third, never at the very end."""
    start = int(rng.integers(int(after * rows), rows - length - rows // 20))
    return start, start + length


def two_places(rng: Rng, rows: int, length: int) -> Spans:
    first = int(rng.integers(int(0.3 * rows), int(0.55 * rows)))
    second = int(rng.integers(int(0.65 * rows), rows - length - rows // 20))
    return [(first, first + length), (second, second + length)]


def hops(rng: Rng, rows: int) -> Values:
    """Levels that hop at random times: what autoscaled or re-deployed services do all day."""
    x = np.empty(rows)
    at = 0
    while at < rows:
        length = int(rng.geometric(1 / 150))
        x[at : at + length] = rng.lognormal(3.0, 0.5)
        at += length
    return x + rng.normal(0.0, 1.0, rows)


def square(rng: Rng, rows: int = 4032, noise: float = 4.0) -> Values:
    phase = phase_of(rows, 300)
    day = (phase > 0.375) & (phase < 0.75)
    return np.where(day, 80.0, 40.0) + rng.uniform(-noise, noise, rows)


def midday(rng: Rng, rows: int = 4032) -> tuple[int, int]:
    day = int(rng.integers(6, rows // 288 - 1))
    return day * 288 + 108, day * 288 + 216
