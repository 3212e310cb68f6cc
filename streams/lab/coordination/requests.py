"""The API background: accounts cut from ServeGen clients or the built-in ones, over some days.

An account has its client's rate over time, a size of its own, and comes in sessions of a few
requests. Campaigns are dressed here too: what their posts share, and what each member keeps own.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.events import DAY_MS, Events, Integers, Words, joined, words
from streams.lab.coordination.people import AGENTS, People, drawn_people, values
from streams.lab.coordination.scene import Background
from streams.lab.coordination.shapes import Plan, posted
from streams.traffic.simulate.population import BuiltInPopulation, Population
from streams.traffic.simulate.servegen import ServeGenPopulation
from streams.traffic.simulate.spec import STEP_MS, SimulationSpec

__all__ = ["DAYS", "START_MS", "dressed", "requests_background", "requests_of", "week_of"]

Floats = NDArray[np.float64]

START_MS: Final = 1_700_006_400_000  # a midnight
DAYS: Final = 7
SLOT_MS: Final = 30_000
_CLIENTS: Final = 150
_A_SESSION: Final = 3.0  # requests
_GAP_S: Final = 40.0
_MEDIAN, _SPREAD, _MOST = 1.2, 1.0, 20.0  # sessions a day of an account, log-normal
_ALL_SESSIONS: Final = 60_000  # more accounts are more idle ones
_CAMPAIGN: Final = 50  # scope of the objects of campaigns
_TEMPLATES: Final = 3


def requests_background(accounts: int, seed: int, profiles: Floats, source: str) -> Background:
    """A week of requests with objects of eight kinds, by accounts that live by `profiles`."""
    rng = np.random.default_rng([seed, 41])
    people = drawn_people(accounts, rng)
    daily = np.minimum(rng.lognormal(np.log(_MEDIAN), _SPREAD, accounts), _MOST)
    daily *= min(1.0, _ALL_SESSIONS / (daily.sum() * DAYS))
    events = requests_of(people, np.arange(accounts), daily, profiles, rng)
    unsure = np.zeros(accounts, np.bool_)
    title = f"API requests, {source}"
    return Background("requests", title, events.ordered(), accounts, unsure, SLOT_MS)


def requests_of(
    people: People, number: Integers, daily: Floats, profiles: Floats, rng: np.random.Generator
) -> Events:
    """Sessions of `people` for the week; `number` (n,) are their account numbers.

    profiles: (clients, steps) rates; each account follows one of them.
    """
    client = rng.integers(0, len(profiles), len(people))
    sessions = rng.poisson(daily * DAYS)
    who = np.repeat(np.arange(len(people)), sessions)
    steps = np.cumsum(profiles, axis=1)
    steps /= steps[:, -1:]
    at = np.empty(len(who))
    for profile in np.unique(client[who]).tolist():
        rows = np.flatnonzero(client[who] == profile)
        at[rows] = np.searchsorted(steps[profile], rng.random(len(rows)), side="right")
    start = START_MS + ((at + rng.random(len(at))) * STEP_MS).astype(np.int64)
    length = rng.geometric(1.0 / _A_SESSION, len(who))
    session = np.repeat(np.arange(len(who)), length)
    gap = rng.exponential(_GAP_S, len(session))
    gap[np.cumsum(length) - length] = 0.0
    total = np.cumsum(gap)
    since = total - np.repeat(total[np.cumsum(length) - length], length)
    time_ms = start[session] + np.round(since * 1000).astype(np.int64)
    objects = values(people, who[session], session, time_ms, rng)
    kept = time_ms < START_MS + DAYS * DAY_MS
    return Events(number[who[session]], time_ms, objects).only(kept)


def dressed(plan: Plan, rng: np.random.Generator, profiles: Floats) -> Events:
    """A campaign in requests: what it shares, what stays each member's own, and some cover."""
    strength, size = plan.strength, plan.size
    people = drawn_people(size, rng, plan.first)
    moments = np.sort(rng.integers(plan.start_ms, plan.end_ms, strength.posts))
    posts = posted(plan, moments, rng)
    count = len(posts.member)
    session = np.arange(count)
    objects = values(people, posts.member, session, posts.time_ms, rng)
    if plan.shape.shared == "addresses":
        text = plan.first * 10_000 + 3 * session
        for column in range(3):
            objects[:, column] = words(_CAMPAIGN + 1, text + column)
        _share_addresses(objects, plan, posts.member, rng)
    else:
        template = plan.first * 10 + rng.integers(0, _TEMPLATES, strength.posts)[posts.post]
        objects[:, 0] = words(_CAMPAIGN + 2, template)
        objects[:, 1] = words(_CAMPAIGN + 3, template)
        objects[:, 2] = words(_CAMPAIGN + 4, template * 8 + rng.integers(0, 3, count))
        if plan.shape.name != "template":
            _share_addresses(objects, plan, posts.member, rng)
    objects[:, 6] = words(5, rng.integers(0, AGENTS, size))[posts.member]
    daily = np.full(size, strength.cover * strength.posts / _A_SESSION / DAYS)
    cover = requests_of(people, plan.members, daily, profiles, rng)
    return joined([Events(plan.first + posts.member, posts.time_ms, objects), cover])


def _share_addresses(
    objects: Words, plan: Plan, member: Integers, rng: np.random.Generator
) -> None:
    """A rented network: each request leaves by one of a few addresses."""
    addresses = max(2, plan.size // 3)
    objects[:, 3] = words(_CAMPAIGN + 5, plan.first)[0]
    address = plan.first * 100 + rng.integers(0, addresses, len(member))
    objects[:, 4] = words(_CAMPAIGN + 6, address)


def week_of(seed: int, traces: Path | None) -> Floats:
    """(clients, steps) rates over the week, of ServeGen's clients or of built-in ones.

    Raises:
        UsageError, BadInput: the traces are missing or damaged.
    """
    spec = SimulationSpec(
        start_ms=0,
        end_ms=DAYS * DAY_MS,
        seed=seed,
        accounts=_CLIENTS,
        clients=_CLIENTS,
        rate_per_s=1.0,
        servegen=traces,
    )
    source: Population
    source = BuiltInPopulation(spec) if traces is None else ServeGenPopulation(spec, traces)
    rate = np.array([step.rate for step in islice(source.steps(), DAYS * DAY_MS // STEP_MS)]).T
    active: Floats = rate[rate.sum(axis=1) > 0]
    return active
