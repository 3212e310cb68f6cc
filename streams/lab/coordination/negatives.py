"""Hard negatives: honest groups that look coordinated. A cluster with any of their accounts is one
false cluster.

On the API: a viral template, a shared address, a classroom, a customer's fleet that rotates its
keys, a time zone's mornings. Among shares: a viral object, breaking news, a circle of fans, a time
zone's mornings. Each is planted once or more into the background.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.events import DAY_MS, HOUR_MS, Events, Integers, joined, words
from streams.lab.coordination.people import People, drawn_people, values
from streams.lab.coordination.requests import DAYS, START_MS, requests_of
from streams.lab.coordination.scene import Background, Negative
from streams.lab.coordination.sharing import SHARES

__all__ = ["NEGATIVES_API", "NEGATIVES_FILE", "api_negatives", "file_negatives"]

Floats = NDArray[np.float64]
Planted = tuple[Negative, Events]

_SCOPE: Final = 70  # of the objects that negatives share
_MINUTE_MS: Final = 60_000
NEGATIVES_API: Final = ("viral", "nat", "classroom", "fleet", "time_zone")
NEGATIVES_FILE: Final = ("viral", "news", "fans", "time_zone")


def api_negatives(
    background: Background, viral: int, seed: int, profiles: Floats, first: int | None = None
) -> list[Planted]:
    """Every hard negative of the API; `viral` accounts send the viral template."""
    rng = np.random.default_rng([seed, 44])
    number = background.accounts if first is None else first
    planted: list[Planted] = []
    made: list[tuple[str, str, int, Callable[[int, int], Events]]] = [
        ("viral", "viral template", viral, lambda f, n: _viral(f, n, rng)),
        ("nat", "shared NAT", 60, lambda f, n: _nat(f, n, rng, profiles)),
        ("classroom", "classroom", 30, lambda f, n: _classroom(f, n, rng)),
        ("classroom", "classroom", 30, lambda f, n: _classroom(f, n, rng)),
        ("fleet", "fleet rotating keys", 20, lambda f, n: _fleet(f, n, rng)),
        ("time_zone", "time-zone peak", 200, lambda f, n: _mornings(f, n, rng)),
    ]
    for name, title, size, make in made:
        events = make(number, size)
        planted.append((Negative(name, title, np.arange(number, number + size)), events))
        number += size
    return planted


def file_negatives(background: Background, viral: int, seed: int) -> list[Planted]:
    """Every hard negative among shares; `viral` accounts share the viral object."""
    rng = np.random.default_rng([seed, 45])
    span = background.end_ms - background.start_ms
    start = background.start_ms + round(0.4 * span)
    number, planted = background.accounts, []
    made: list[tuple[str, str, int, Callable[[int, int], Events]]] = [
        ("viral", "viral object", viral, lambda f, n: _viral_object(f, n, start, rng)),
        ("news", "breaking news", 300, lambda f, n: _news(f, n, start, rng)),
        ("fans", "circle of fans", 30, lambda f, n: _fans(f, n, start, rng)),
        ("time_zone", "time-zone peak", 200, lambda f, n: _zone(f, n, start, background, rng)),
    ]
    for name, title, size, make in made:
        events = make(number, size)
        planted.append((Negative(name, title, np.arange(number, number + size)), events))
        number += size
    return planted


def _viral(first: int, size: int, rng: np.random.Generator) -> Events:
    """Within an hour, accounts of everywhere send one template one to three times each."""
    people = drawn_people(size, rng, first)
    who = np.repeat(np.arange(size), rng.integers(1, 4, size))
    start = START_MS + 3 * DAY_MS + 18 * HOUR_MS
    time_ms = start + np.round(rng.beta(1.5, 3.0, len(who)) * HOUR_MS).astype(np.int64)
    objects = values(people, who, np.arange(len(who)), time_ms, rng)
    for column in range(3):
        objects[:, column] = words(_SCOPE, first * 8 + column)[0]
    return Events(first + who, time_ms, objects)


def _nat(first: int, size: int, rng: np.random.Generator, profiles: Floats) -> Events:
    """An office of busy accounts behind one address, all week, in office hours."""
    people = drawn_people(size, rng, first)
    people = _moved(people, first)
    events = requests_of(people, people.names, np.full(size, 12.0), profiles, rng)
    hour = events.time_ms // HOUR_MS % 24
    return events.only((hour >= 8) & (hour < 18))


def _classroom(first: int, size: int, rng: np.random.Generator) -> Events:
    """Students who signed up that day, one address, one exercise, within an hour."""
    people = _moved(drawn_people(size, rng, first), first)
    start = START_MS + int(rng.integers(1, DAYS - 1)) * DAY_MS + 10 * HOUR_MS
    who = np.repeat(np.arange(size), rng.integers(5, 16, size))
    time_ms = start + np.round(rng.random(len(who)) * HOUR_MS).astype(np.int64)
    objects = values(people, who, np.arange(len(who)), time_ms, rng)
    for column in range(3):
        objects[:, column] = words(_SCOPE + 1, first * 8 + column)[0]
    objects[:, 6] = words(_SCOPE + 2, first)[0]
    objects[:, 8] = words(_SCOPE + 3, first)[0]
    return Events(first + who, time_ms, objects)


def _fleet(first: int, size: int, rng: np.random.Generator) -> Events:
    """A customer's batch jobs all week: one payment, network and client; the account in use
    changes every ten minutes, two at a time."""
    people = _moved(drawn_people(size, rng, first), first)
    busy = np.sort(rng.integers(0, DAYS * DAY_MS, 12_000))
    turn = busy // (10 * _MINUTE_MS)
    order = rng.permuted(np.tile(np.arange(size), (int(turn.max()) + 1, 1)), axis=1)
    who = order[turn, rng.integers(0, 2, len(busy))]
    time_ms = START_MS + busy
    objects = values(people, who, np.arange(len(who)), time_ms, rng)
    job = words(_SCOPE + 4, first * 8 + rng.integers(0, 4, len(who)))
    for column in range(3):
        objects[:, column] = words(_SCOPE + 5 + column, 0)[0] ^ job
    objects[:, 4] = words(_SCOPE + 8, first * 8 + rng.integers(0, 4, len(who)))
    objects[:, 5] = words(_SCOPE + 9, first)[0]
    objects[:, 6] = words(_SCOPE + 10, first)[0]
    return Events(first + who, time_ms, objects)


def _mornings(first: int, size: int, rng: np.random.Generator) -> Events:
    """One region at nine in the morning, every day: the same app, many networks, few versions."""
    people = drawn_people(size, rng, first)
    people.app[:] = 0
    people.agent[:] = 100
    each = rng.integers(2, 6, (size, DAYS)).ravel()
    who = np.repeat(np.repeat(np.arange(size), DAYS), each)
    day = np.repeat(np.tile(np.arange(DAYS), size), each)
    since = np.abs(rng.normal(0.0, 0.5, len(who))) * HOUR_MS
    time_ms = START_MS + day * DAY_MS + 9 * HOUR_MS + np.round(since).astype(np.int64)
    objects = values(people, who, np.arange(len(who)), time_ms, rng)
    return Events(first + who, time_ms, objects)


def _moved(people: People, place: int) -> People:
    """All of them behind one address."""
    people.network[:] = 5_000_000 + place
    people.ip[:] = 9_000_000 + place
    people.addresses[:] = 1
    return people


def _viral_object(first: int, size: int, start: int, rng: np.random.Generator) -> Events:
    since = np.round(rng.beta(1.5, 3.0, size) * HOUR_MS).astype(np.int64)
    return _shares(first + np.arange(size), start + since, np.zeros(size, np.int64) + first)


def _news(first: int, size: int, start: int, rng: np.random.Generator) -> Events:
    """Ten stories within a day, each shared by half of the same readers, most within hours."""
    parts = []
    for story in range(10):
        who = rng.permutation(size)[: size // 2]
        born = start + int(rng.integers(0, DAY_MS))
        lag = rng.lognormal(np.log(HOUR_MS), 1.3, len(who)).astype(np.int64)
        item = np.full(len(who), first + 1 + story)
        parts.append(_shares(first + who, born + lag, item))
    return joined(parts)


def _fans(first: int, size: int, start: int, rng: np.random.Generator) -> Events:
    """One source's thirty articles over three weeks; a fan shares most when he comes by, twice a
    day or less."""
    parts = []
    for article in range(30):
        who = np.flatnonzero(rng.random(size) < 0.6)
        born = start + int(rng.integers(0, 21 * DAY_MS))
        lag = rng.exponential(8.0 * HOUR_MS, len(who)).astype(np.int64)
        parts.append(_shares(first + who, born + lag, np.full(len(who), first + 20 + article)))
    return joined(parts)


def _zone(
    first: int, size: int, start: int, background: Background, rng: np.random.Generator
) -> Events:
    """Two hundred readers share the day's most shared objects between eight and nine."""
    events, parts = background.events, []
    for day in range(10):
        begin = start // DAY_MS * DAY_MS + day * DAY_MS
        low, high = np.searchsorted(events.time_ms, [begin - DAY_MS, begin])
        if high <= low:
            continue
        who = np.flatnonzero(rng.random(size) < 0.7)
        row = rng.integers(low, high, len(who))
        time_ms = begin + 8 * HOUR_MS + rng.integers(0, HOUR_MS, len(who))
        parts.append(Events(first + who, time_ms // 1000 * 1000, events.objects[row]))
    return joined(parts)


def _shares(account: Integers, time_ms: Integers, item: Integers) -> Events:
    return Events(
        account.astype(np.int64), time_ms // 1000 * 1000, words(SHARES + 2, item)[:, None]
    )
