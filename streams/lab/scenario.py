"""Scenarios with their truth: who is changed, from when to when, and what should be found.

`Traffic` is a population with scenarios in it: its honest requests, and layers of changed ones. An
`Edit` says what one scenario does to one account; the builders stand in `attacks` and `negatives`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from streams.lab.habits import Floats, Habits, Integers
from streams.lab.population import FIRST_SHARE, Population
from streams.lab.requests import Parts

__all__ = [
    "DAY",
    "HOUR",
    "SECOND_AFTER",
    "WARM_DAYS",
    "Build",
    "Layer",
    "Made",
    "Scenario",
    "Traffic",
    "Truth",
    "busy_rate",
    "loud_first_rate",
    "moment",
]

HOUR: Final = 60  # minutes
DAY: Final = 24 * HOUR
SECOND_AFTER: Final = 6 * HOUR  # an identical second attack begins this long after the first
#: Days before the first scenario, so that there is a history to judge by.
WARM_DAYS: Final = 4

Label = Literal["attack", "negative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One scenario on one account; times are minutes from the start of the span.

    `strength` is what `scenario` varies ("x10", "30 %"), `length` its duration in minutes. An
    attack ends at `end`; `second` is the start of the identical second one, or -1. Of a negative,
    alarms from `start` to `end` count as false alarms of its type. `requests` is how many it made.
    """

    scenario: str
    strength: str
    length: int
    label: Label
    account: int
    client: int
    start: int
    end: int
    second: int = -1
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """What a builder did to an account, see `Truth`."""

    start: int
    end: int
    requests: int
    second: int = -1


@dataclass(frozen=True, slots=True)
class Layer:
    """Requests of one account with habits of their own: `count` (m,) from minute `start` on."""

    account: int
    row: int
    start: int
    count: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A named kind of attack or negative, how often it is planted, and how it is built."""

    name: str
    strength: str
    length: int
    label: Label
    weight: float
    build: Build
    needs: float = 0.0  # usual requests per five minutes below which an account does not qualify


@dataclass(slots=True)
class Traffic:
    """A population and what scenarios made of it; `requests` are those with unchanged habits."""

    population: Population
    requests: NDArray[np.uint16]
    habits: Habits
    layers: list[Layer] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    rows: list[Habits] = field(default_factory=list)

    @classmethod
    def of(cls, population: Population) -> Traffic:
        """Honest traffic."""
        return cls(population, population.requests.copy(), population.habits)

    def row(self, account: int, **changes: Any) -> int:
        """A new row of habits: the account's own with some columns changed; returns its number."""
        self.rows.append(self.population.habits.changed(account, changes))
        return len(self.population.habits) + len(self.rows) - 1

    def add(self, account: int, start: int, count: Integers, row: int | None = None) -> int:
        """Requests on top, from minute `start` on; with the account's own habits or `row`'s."""
        count = count[: max(self.population.minutes - start, 0)]
        self.layers.append(Layer(account, account if row is None else row, start, count))
        return int(count.sum())

    def move(
        self, rng: np.random.Generator, account: int, start: int, end: int, share: float, row: int
    ) -> int:
        """Gives a share of the account's requests from start to end the habits of `row`."""
        held = self.requests[start:end, account].astype(np.int64)
        moved = rng.binomial(held, share)
        self.requests[start:end, account] = held - moved
        return self.add(account, start, moved, row)

    def finish(self) -> None:
        """Joins the new rows of habits to the table; after the last scenario."""
        for row in self.rows:
            self.habits = self.habits.joined(row)
        self.rows = []

    def parts(self, start: int, end: int) -> Parts:
        """Pieces of traffic in minutes [start, end), by minute and account."""
        minute, account = np.nonzero(self.requests[start:end])
        pieces: list[tuple[NDArray[Any], ...]] = [
            (minute + start, account, account, self.requests[start:end][minute, account])
        ]
        for layer in self.layers:
            first, last = max(start, layer.start), min(end, layer.start + len(layer.count))
            if first >= last:
                continue
            count = layer.count[first - layer.start : last - layer.start]
            active = np.flatnonzero(count)
            shape = (len(active),)
            pieces.append(
                (
                    active + first,
                    np.full(shape, layer.account),
                    np.full(shape, layer.row),
                    count[active],
                )
            )
        columns = [np.concatenate(column).astype(np.int64) for column in zip(*pieces, strict=True)]
        if len(pieces) > 1:
            order = np.lexsort((columns[2], columns[1], columns[0]))
            columns = [column[order] for column in columns]
        return Parts(*columns)

    def totals(self) -> NDArray[np.int32]:
        """(minutes, n) all requests."""
        total = self.requests.astype(np.int32)
        for layer in self.layers:
            total[layer.start : layer.start + len(layer.count), layer.account] += (
                layer.count.astype(np.int32)
            )
        return total


#: Changes the traffic of one account; None (and nothing changed) when the account does not suit.
Build = Callable[[Traffic, np.random.Generator, int], Made | None]


def moment(traffic: Traffic, rng: np.random.Generator, account: int, length: int) -> int:
    """A start, any minute of the day, some days after the account's first; -1 when there is none.

    Leaves room for `length` minutes, and as long a second time six hours later.
    """
    population = traffic.population
    first = max(WARM_DAYS * DAY, int(population.first[account]) + 2 * DAY)
    last = population.minutes - length - SECOND_AFTER - 2 * HOUR
    return int(rng.integers(first, last)) if first < last else -1


def busy_rate(population: Population) -> float:
    """Requests a minute of a busy account: the ninetieth percentile of what is usual."""
    rates: Floats = population.usual[: population.regular]
    return float(np.quantile(rates, 0.9)) / 5.0


def loud_first_rate(population: Population) -> float:
    """Requests a minute that 1 in 100 accounts exceeds in its first hour with the platform.

    Of accounts that are there from the start the first hour seen counts with the share of its
    traffic that a new account sends.
    """
    active = population.requests > 0
    begin = active.argmax(axis=0)
    sent = np.array(
        [
            population.requests[start : start + HOUR, account].sum(dtype=np.int64)
            for account, start in enumerate(begin.tolist())
        ]
    )
    share = np.where(population.first > 0, 1.0, FIRST_SHARE)
    return float(np.quantile(sent * share, 0.99)) / HOUR
