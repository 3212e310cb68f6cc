"""Runs a simulation: step by step of event time, one ordered stream of batches.

Memory is bounded by one span of a step (about a million arrivals); spans follow each other without
overlap, so sorting inside each puts the whole stream in order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streams.traffic.batch import BATCH_EVENTS, Batch
from streams.traffic.simulate.arrivals import arrival_times, rounded
from streams.traffic.simulate.attacks import attack_arrivals, plan_attacks, taken_over
from streams.traffic.simulate.encode import Arrivals, Encoder
from streams.traffic.simulate.population import BuiltInPopulation, Population, Step
from streams.traffic.simulate.roster import Roster
from streams.traffic.simulate.servegen import ServeGenPopulation
from streams.traffic.simulate.spec import STEP_MS, SimulationSpec
from streams.traffic.simulate.truth import TruthRow, truth_rows

__all__ = ["Simulation", "simulate"]

Floats = NDArray[np.float64]

_SPAN_EVENTS = 1_000_000
_LOAD_POINTS = 61


class Simulation:
    """Traffic of a spec and its truth; iterating again gives the same bytes again."""

    def __init__(self, spec: SimulationSpec) -> None:
        self.spec = spec
        self._population: Population = (
            BuiltInPopulation(spec)
            if spec.servegen is None
            else ServeGenPopulation(spec, spec.servegen)
        )
        self._roster = Roster(spec, self._population)
        self._plans = plan_attacks(spec, self._roster)
        self._reached_ms = spec.start_ms
        self.truth: list[TruthRow] = truth_rows(self._plans, self._roster.names, spec.end_ms)

    @property
    def fraction(self) -> float:
        """Share of the event time that was simulated, 0..1."""
        done = self._reached_ms - self.spec.start_ms
        return done / (self.spec.end_ms - self.spec.start_ms)

    def __iter__(self) -> Iterator[Batch]:
        spec = self.spec
        seed = spec.seed
        encoder = Encoder(
            self._roster, self._population.tokens, self._plans, _event_prefix(spec), seed
        )
        starts = range(spec.start_ms, spec.end_ms, STEP_MS)
        for start_ms, step in zip(starts, self._population.steps(), strict=False):
            spans = max(1, -(-int(step.rate.sum() * STEP_MS / 1000) // _SPAN_EVENTS))
            edges = np.linspace(start_ms, start_ms + STEP_MS, spans + 1).astype(np.int64).tolist()
            for first, last in pairwise(edges):
                rng = np.random.default_rng([seed, 8, first])
                arrivals = self._arrivals(rng, step, first, last)
                for row in range(0, len(arrivals.ts), BATCH_EVENTS):
                    batch = encoder.encode(rng, arrivals.slice(row, row + BATCH_EVENTS))
                    self._reached_ms = int(batch.ts[-1])
                    yield batch
        self._reached_ms = spec.end_ms

    def _arrivals(
        self, rng: np.random.Generator, step: Step, start_ms: int, stop_ms: int
    ) -> Arrivals:
        """Everything from start to stop, in order; equal times keep the order of accounts."""
        points = np.linspace(start_ms, stop_ms, _LOAD_POINTS)
        load = self._load(points)
        pieces = (load[1:] + load[:-1]) / 2 * np.diff(points) / 1000
        passed = np.concatenate(([0.0], np.cumsum(pieces)))
        counts = rounded(rng, step.rate * passed[-1])
        client, share = arrival_times(rng, counts, step.cv, step.weibull)
        ts = np.interp(share * passed[-1], passed, points).astype(np.int64)
        account = self._roster.pick(rng, client)
        more_account, more_ts, attack = attack_arrivals(
            self._plans, start_ms, stop_ms, self.spec.seed
        )
        ts = self._gathered(np.minimum(ts, stop_ms - 1), start_ms)
        attack = np.concatenate([taken_over(rng, self._plans, account, ts), attack])
        account = np.concatenate([account, more_account])
        ts = np.concatenate([ts, more_ts])
        order = np.argsort(ts, kind="stable")
        order = order[ts[order] < self.spec.end_ms]
        return Arrivals(account[order], ts[order], attack[order])

    def _gathered(self, ts: NDArray[np.int64], start_ms: int) -> NDArray[np.int64]:
        """Times of a span from `start_ms` on, as the spec has the past arrive."""
        spec = self.spec
        if start_ms >= spec.gathered_until_ms:
            return ts
        moment = ts - (ts - spec.start_ms) % spec.gathered_ms
        return np.where(ts < spec.gathered_until_ms, np.maximum(moment, start_ms), ts)

    def _load(self, points: Floats) -> Floats:
        if not self.spec.load:
            return np.ones(len(points))
        times, factors = zip(*self.spec.load, strict=True)
        return np.asarray(np.interp(points, times, factors), np.float64)


def simulate(spec: SimulationSpec) -> Iterator[Batch]:
    """The events of `spec` in order of time; the truth stands in `Simulation(spec).truth`."""
    return iter(Simulation(spec))


def _event_prefix(spec: SimulationSpec) -> str:
    """Ten hex digits of the spec, so that events of two simulations never share an id."""
    text = repr(replace(spec, servegen=None)) + str(spec.servegen is not None)
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest() + "-"
