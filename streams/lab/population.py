"""Honest accounts: how many requests each sends in each minute, cut from real or made-up clients.

First stage of the lab. The clients of one source are split into two halves that share none, A and
B; every account is one client's rate over time, scaled to a size of its own. What is learned on
one half is tested on the other. Some accounts sign up in the middle of the span and grow into their
size within days, as new customers do, and as many more try the service for hours or days and leave:
the honest ones that new attackers must be told from.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from streams.lab.habits import Habits, drawn_habits
from streams.traffic.simulate.population import BuiltInPopulation
from streams.traffic.simulate.population import Population as Source
from streams.traffic.simulate.servegen import ServeGenPopulation
from streams.traffic.simulate.spec import STEP_MS, SimulationSpec
from streams.traffic.simulate.tokens import TokenTable

__all__ = ["FIRST_SHARE", "START_MS", "Half", "Population", "built_in", "servegen"]

Half = Literal["A", "B"]
Floats = NDArray[np.float64]

START_MS: Final = 1_700_006_400_000  # a midnight
STEP_MINUTES: Final = STEP_MS // 60_000
_CLIENTS: Final = 300  # of the built-in source, both halves together
_SMALLEST, _LARGEST = 0.05, 50.0  # requests per five minutes
_LATE_SHARE: Final = 0.2  # accounts that sign up within the span
#: Of its later traffic, what a new account sends at first.
FIRST_SHARE: Final = 0.1
_GROWS_MINUTES: Final = 3 * 1440  # until it sends all of it
_TRIALS: Final = 1.0  # accounts that only try, for each that stays
_TRIAL_LOG: Final = (np.log(30), np.log(2 * 1440))  # minutes they do, log-uniform
_MOST: Final = 60_000  # requests of an account in a minute
# Beyond this the traces' variation comes from a handful of requests.
_CV_MOST: Final = 5.0


@dataclass(slots=True)
class Population:
    """n accounts of one half over `minutes`; the first `regular` of them stay, the rest only try.

    requests: (minutes, n) uint16; client: (n,) number of the source client; habits: row i is
    account i; usual: (n,) mean requests of the five-minute windows that have any; first: (n,)
    minute of the sign-up.
    """

    half: Half
    requests: NDArray[np.uint16]
    client: NDArray[np.int64]
    habits: Habits
    usual: Floats
    first: NDArray[np.int64]
    names: list[str]
    regular: int

    @property
    def minutes(self) -> int:
        """Length of the span."""
        return len(self.requests)


def servegen(folder: Path, accounts: int, seed: int, half: Half, days: int = 14) -> Population:
    """Accounts of one half of the ServeGen clients in `folder`.

    Raises:
        UsageError, BadInput: a table is missing or damaged.
    """
    source = ServeGenPopulation(_spec(seed, days, folder), folder)
    return _cut(source, accounts, seed, half, days, turned=False)


def built_in(accounts: int, seed: int, half: Half, days: int = 14) -> Population:
    """Accounts of one half of made-up clients, drawn from the seed, in many time zones."""
    return _cut(BuiltInPopulation(_spec(seed, days, None)), accounts, seed, half, days, turned=True)


def _spec(seed: int, days: int, folder: Path | None) -> SimulationSpec:
    return SimulationSpec(
        start_ms=0,
        end_ms=days * 86_400_000,
        seed=seed,
        accounts=_CLIENTS,
        clients=_CLIENTS,
        rate_per_s=1.0,
        servegen=folder,
    )


def _cut(
    source: Source, accounts: int, seed: int, half: Half, days: int, *, turned: bool
) -> Population:
    steps = list(islice(source.steps(), days * 1440 // STEP_MINUTES))
    rate = np.array([step.rate for step in steps])
    cv = np.minimum(np.array([step.cv for step in steps]), _CV_MOST)
    known = np.flatnonzero(rate.mean(axis=0) > 0)
    order = np.random.default_rng([seed, 20]).permutation(known)
    ours = np.sort(order[0::2] if half == "A" else order[1::2])
    rng = np.random.default_rng([seed, 21, half == "B"])
    number = accounts + round(_TRIALS * accounts)
    client = ours[rng.permutation(number) % len(ours)]
    size = np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST), number)) / 5.0
    hours = rng.integers(0, 24, number) if turned else np.zeros(number, np.int64)
    late = rng.random(number) < _LATE_SHARE
    late[accounts:] = True
    first = np.where(late, rng.integers(0, days * 1440, number), 0)
    lives = np.exp(rng.uniform(_TRIAL_LOG[0], _TRIAL_LOG[1], number)).astype(np.int64)
    requests = np.zeros((days * 1440, number), np.uint16)
    for account in range(number):
        own, start = client[account], int(first[account])
        means, variation = rate[:, own] / rate[:, own].mean() * size[account], cv[:, own]
        if account >= accounts:  # it tries while it lives: the client's idle steps are left out
            active = np.resize(np.flatnonzero(means), len(means))
            means, variation = FIRST_SHARE * means[active], variation[active]
        elif late[account]:
            means = means * _grown(len(means), start)
        shift = int(hours[account]) * 60 // STEP_MINUTES
        requests[:, account] = _arrivals(rng, np.roll(means, shift), np.roll(variation, shift))
        requests[:start, account] = 0
        if account >= accounts:
            requests[start + lives[account] :, account] = 0
    table = _rows(source.tokens, ours)
    habits = drawn_habits(rng, np.searchsorted(ours, client), table, _busy_day(requests))
    names = [f"{half.lower()}-{account:05}" for account in range(number)]
    usual = usual_rate(requests)
    return Population(half, requests, client, habits, usual, first, names, accounts)


def _grown(steps: int, first: int) -> Floats:
    """(steps,) share of its full traffic that an account sends which signs up in minute `first`."""
    age = np.arange(steps) * STEP_MINUTES - first
    share: Floats = np.clip(FIRST_SHARE + (1 - FIRST_SHARE) * age / _GROWS_MINUTES, 0.0, 1.0)
    return np.where(age >= -STEP_MINUTES, np.maximum(share, FIRST_SHARE), 0.0)


def usual_rate(requests: NDArray[np.uint16]) -> Floats:
    """(n,) mean requests of the five-minute windows that have any."""
    windows = requests.reshape(-1, 5, requests.shape[1]).sum(axis=1, dtype=np.int64)
    usual: Floats = windows.sum(axis=0) / np.maximum((windows > 0).sum(axis=0), 1)
    return usual


def _busy_day(requests: NDArray[np.uint16]) -> Floats:
    """(n,) requests of the busiest day, at least one."""
    daily = requests.reshape(-1, 1440, requests.shape[1]).sum(axis=1, dtype=np.int64)
    busiest: Floats = np.maximum(daily.max(axis=0), 1).astype(np.float64)
    return busiest


def _arrivals(rng: np.random.Generator, mean: Floats, cv: Floats) -> NDArray[np.uint16]:
    """Requests by minute from a mean a minute and CV by step.

    Counts of a renewal process with coefficient of variation CV have variance CV**2 * mean (Cox,
    "Renewal Theory", 1962); a Gamma-Poisson mixture with the same two moments stands for it.
    """
    mean, extra = np.repeat(mean, STEP_MINUTES), np.repeat(cv**2 - 1.0, STEP_MINUTES)
    burstier = (extra > 0.0) & (mean > 0.0)
    scale = np.where(burstier, extra, 1.0)
    drawn = rng.gamma(np.where(burstier, mean / scale, 1.0), scale)
    return np.minimum(rng.poisson(np.where(burstier, drawn, mean)), _MOST).astype(np.uint16)


def _rows(table: TokenTable, clients: NDArray[np.int64]) -> TokenTable:
    return TokenTable(table.prompt[clients], table.completion[clients])
