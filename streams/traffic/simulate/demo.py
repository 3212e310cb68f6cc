"""The demonstration's traffic: some history, then a calm population with an attack now and then."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Final

import numpy as np

from streams.traffic.simulate.spec import Attack, AttackKind, SimulationSpec

__all__ = ["demo_spec"]

_HOUR_MS = 3_600_000
_QUIET = 0.12
_RAMP_UP_MS = 2_400_000  # the history reaches full rate this long ...
_STEADY_MS = 600_000  # ... and stays there this long before the start
_BETWEEN_S = (100.0, 140.0)

# Kind, seconds, strength from and to. The first one is a burst: it is what a newcomer sees.
_PROGRAMME: Final[tuple[tuple[AttackKind, float, float, float], ...]] = (
    ("burst", 50, 250, 350),
    ("template_spam", 90, 60, 100),
    ("burst", 60, 80, 120),
    ("coordinated", 180, 4, 6),
    ("dormant", 60, 80, 120),
    ("burst", 45, 90, 140),
    ("new_account", 60, 80, 120),
    ("ramp", 240, 60, 90),
)


def demo_spec(
    start_ms: int,
    seed: int = 0,
    *,
    history_hours: float = 3.0,
    live_hours: float = 48.0,
    rate_per_s: float = 200.0,
) -> SimulationSpec:
    """200 accounts at about `rate_per_s` from `start_ms` on, with history before it.

    The history runs at an eighth of the rate and grows to the full one before the start, slowly
    enough to be no burst itself. The population is steadier than a real one, so that what stands
    out is the attacks: the first begins 20 to 40 s after the start, the next every two minutes.
    A demonstration that goes on from stored traffic asks for no history.
    """
    rng = np.random.default_rng([seed, 9, start_ms])
    end_ms = start_ms + round(live_hours * _HOUR_MS)
    full_ms = start_ms - _STEADY_MS
    return SimulationSpec(
        start_ms=start_ms - round(history_hours * _HOUR_MS),
        end_ms=end_ms,
        seed=seed,
        accounts=200,
        clients=150,
        rate_per_s=rate_per_s,
        volatility=0.12,
        empty_share=0.0,
        day_amplitude=0.2,
        load=((full_ms - _RAMP_UP_MS, _QUIET), (full_ms, 1.0)) if history_hours > 0 else (),
        attacks=tuple(_attacks(rng, start_ms, end_ms)),
    )


def _attacks(rng: np.random.Generator, start_ms: int, end_ms: int) -> Iterator[Attack]:
    ms = start_ms + round(float(rng.uniform(20_000, 40_000)))
    for kind, length_s, low, high in cycle(_PROGRAMME):
        if ms >= end_ms:
            return
        yield Attack(
            kind=kind, start_ms=ms, length_s=length_s, strength=float(rng.uniform(low, high))
        )
        ms += round(1000 * float(rng.uniform(*_BETWEEN_S)))
