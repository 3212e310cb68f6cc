"""How busy each client is, step by step: the interface, and a built-in population.

The built-in one is fitted to what 152 real clients show (ServeGen): the ten largest send 63 to
93 % of all requests, arrivals have a coefficient of variation of typically 1.25 to 1.5 with a long
tail, and half to 70 % of a client's 10-minute steps are empty, in long runs rather than at random
(an active step is followed by an active one in 97 % of cases).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streams.traffic.simulate.spec import STEP_MS, SimulationSpec
from streams.traffic.simulate.tokens import TokenTable, drawn_tokens

__all__ = ["BuiltInPopulation", "Population", "Step"]

Floats = NDArray[np.float64]

_LARGEST = 10  # clients that are hardly ever silent
_LARGEST_ON = 0.96
_TURNOVER = 0.065  # chance to switch a step: active stays active in 97 % of cases
_MEMORY = 0.9  # autocorrelation of the log rate from step to step
_BUSY_HOUR = 20  # UTC


@dataclass(frozen=True, slots=True)
class Step:
    """One step of all clients: rate (requests/s), CV of inter-arrival times, Weibull or Gamma."""

    rate: Floats
    cv: Floats
    weibull: NDArray[np.bool_]


class Population(Protocol):
    """Clients, largest first; long-run `mean_rate` in requests/s and `on_share` in 0..1."""

    mean_rate: Floats
    on_share: Floats
    tokens: TokenTable

    def steps(self) -> Iterator[Step]:
        """Steps of 600 s from the simulation's start on, without end."""
        ...


class BuiltInPopulation:
    """Clients drawn from the seed: Zipf mean rates, switching on and off, a daily curve."""

    def __init__(self, spec: SimulationSpec) -> None:
        self._spec = spec
        rng = np.random.default_rng([spec.seed, 1])
        count = min(spec.clients, spec.accounts)
        weights = np.arange(1, count + 1) ** -spec.zipf
        self.mean_rate: Floats = spec.rate_per_s * weights / weights.sum()
        self.on_share: Floats = _on_shares(rng, count, spec.empty_share)
        self.tokens: TokenTable = drawn_tokens(rng, count)
        self._cv = np.clip(1.35 * np.exp(0.45 * rng.standard_normal(count)), 0.9, 6.0)
        self._weibull = rng.random(count) < 0.28

    def steps(self) -> Iterator[Step]:
        """See `Population.steps`."""
        spec = self._spec
        rng = np.random.default_rng([spec.seed, 2])
        on = rng.random(len(self.mean_rate)) < self.on_share
        deviation = rng.standard_normal(len(on))
        # E exp(v z) = exp(v^2 / 2): the long-run mean stays what the spec asks for.
        base = self.mean_rate / self.on_share * np.exp(-(spec.volatility**2) / 2)
        ms = spec.start_ms
        while True:
            rate = on * base * np.exp(spec.volatility * deviation) * self._day(ms)
            yield Step(rate, self._cv, self._weibull)
            chance = _TURNOVER * np.where(on, 1 - self.on_share, self.on_share)
            on = on ^ (rng.random(len(on)) < chance)
            shock = rng.standard_normal(len(on))
            deviation = _MEMORY * deviation + np.sqrt(1 - _MEMORY**2) * shock
            ms += STEP_MS

    def _day(self, ms: int) -> float:
        hour = ms / 3_600_000 % 24
        return 1 + self._spec.day_amplitude * float(np.cos((hour - _BUSY_HOUR) * np.pi / 12))


def _on_shares(rng: np.random.Generator, count: int, empty_share: float) -> Floats:
    """Share of active steps: the largest nearly always, the others mostly-on or mostly-off."""
    shares = np.full(count, _LARGEST_ON)
    others = count - min(_LARGEST, count)
    if empty_share > 0 and others:
        total = count * (1 - empty_share) - (count - others) * _LARGEST_ON
        mean = np.clip(total / others / _LARGEST_ON, 0.05, 0.97)
        drawn = rng.beta(1.1 * mean, 1.1 * (1 - mean), others)
        shares[count - others :] = np.clip(drawn, 0.02, 1) * _LARGEST_ON
    elif empty_share == 0:
        shares[:] = 1.0
    return shares
