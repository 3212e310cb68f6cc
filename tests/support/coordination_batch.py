"""The coordination method written once more, plainly: whole input at once, Python, no tables.

What `detectors.coordination` must agree with as long as nothing is evicted. Slow and short on
purpose: every definition is here in the words of the method, none of it shared with the stream.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detectors.coordination.parameters import Parameters

__all__ = ["Action", "Batch", "batch"]

Action = tuple[int, int, int, int]  # account, object, kind, time in ms
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Meeting:
    """One meeting of a < b."""

    weight: float
    time_a: int
    time_b: int
    object: int
    kind: int
    popularity: float

    def rank(self) -> tuple[float, int, int, int]:
        """Best first."""
        return (-self.weight, self.time_a, self.time_b, self.object)


@dataclass(frozen=True, slots=True)
class Batch:
    """What comes out."""

    moments: dict[int, int]
    coincidences: dict[Pair, list[Meeting]]
    kinds: dict[Pair, int]
    sync: dict[Pair, float]
    lag: dict[Pair, float]
    v: dict[Pair, float]
    support: dict[int, float]
    portfolio: dict[int, float]
    evidence: dict[int, float]
    score: dict[int, float]


def batch(actions: list[Action], parameters: Parameters) -> Batch:
    """All stages over all actions."""
    ordered = sorted(set(actions), key=lambda one: (one[3], one[0], one[1], one[2]))
    moments = Counter(account for account, _ in {(one[0], one[3]) for one in ordered})
    met: dict[Pair, list[Meeting]] = defaultdict(list)
    for signal in {one[1] for one in ordered}:
        of_it = [one for one in ordered if one[1] == signal]
        for pair, meeting in _meetings(of_it, ordered[0][3], parameters):
            met[pair].append(meeting)
    best = {pair: _best_of_each_object(all_of, parameters) for pair, all_of in met.items()}
    coincidences = {pair: _once_a_moment(held) for pair, held in best.items()}
    coincidences = {pair: held for pair, held in coincidences.items() if len(held) >= 2}
    sync = {pair: _sync(held, parameters) for pair, held in coincidences.items()}
    lag = {pair: _lag(held, parameters) for pair, held in coincidences.items()}
    v = {
        (a, b): max(sync[a, b], lag[a, b]) / (moments[a] * moments[b]) ** parameters.activity_power
        for a, b in coincidences
    }
    likeness = {
        (a, b): sum(_rarity(m) ** 2 for m in held)
        / math.sqrt((moments[a] + 10) * (moments[b] + 10))
        for (a, b), held in coincidences.items()
    }
    worth = {pair: _worth(pair, v[pair], best[pair], moments, parameters) for pair in v}
    ranking = _ranked(worth, parameters.partners)
    support = _ranked(v, parameters.partners)
    portfolio = _ranked(likeness, parameters.portfolio_partners)
    return Batch(
        moments,
        coincidences,
        {pair: sum({1 << m.kind for m in best[pair]}) for pair in coincidences},
        sync,
        lag,
        v,
        support,
        portfolio,
        {
            a: support[a] + parameters.portfolio_weight * portfolio[a]
            if moments[a] >= parameters.moments
            else 0.0
            for a in support
        },
        {a: ranking[a] if moments[a] >= parameters.moments else 0.0 for a in support},
    )


def _weight(lag_s: float, horizon_s: float, given: Parameters) -> float:
    if horizon_s <= 0 or abs(lag_s) + 1 >= horizon_s:
        return 0.0
    return float(math.log(horizon_s / (abs(lag_s) + 1)) ** given.kernel_power / given.kernel_scale)


def _meetings(actions: list[Action], started: int, given: Parameters) -> list[tuple[Pair, Meeting]]:
    """Of the actions on one object, in order of time; the first of all was at `started`."""
    found = []
    latest: dict[int, int] = {}  # account -> its latest time; the `ring` latest accounts
    accounts = actions_on_it = np.float32(0)
    before = actions[0][3]
    for account, signal, kind, now in actions:
        idle_s = (now - before) / 1000
        if idle_s > given.horizon_s:
            latest, accounts, actions_on_it = {}, np.float32(0), np.float32(0)
        if latest.get(account) == now:
            continue
        half = 0.5 ** (idle_s / given.horizon_s)
        accounts = np.float32(accounts * half + (account not in latest))
        actions_on_it = np.float32(actions_on_it * half + 1)
        halvings = max((now - started) / 1000, 60) / given.horizon_s
        rate = (actions_on_it - 1) * math.log(2) / given.horizon_s / (1 - 0.5**halvings)
        before = now
        for other, then in latest.items():
            lag_s = (now - then) / 1000
            if other == account or lag_s >= given.horizon_s or rate * lag_s > given.expected_limit:
                continue
            (a, time_a), (b, time_b) = sorted([(account, now), (other, then)])
            weight = float(np.float32(_weight(lag_s, given.horizon_s, given)))
            meeting = Meeting(weight, time_a, time_b, signal, kind, max(float(accounts), 2.0))
            found.append(((a, b), meeting))
        latest[account] = now
        newest = sorted(latest, key=lambda one: (latest[one], one))[-given.ring :]
        latest = {one: latest[one] for one in newest}
    return found


def _best_of_each_object(meetings: list[Meeting], given: Parameters) -> list[Meeting]:
    best: dict[tuple[int, int], Meeting] = {}
    for one in sorted(meetings, key=Meeting.rank):
        bucket = 0
        if not math.isinf(given.renew_s):
            bucket = min(one.time_a, one.time_b) // int(given.renew_s * 1000)
        best.setdefault((one.object, bucket), one)
    return sorted(best.values(), key=Meeting.rank)[: given.meetings]


def _once_a_moment(meetings: list[Meeting]) -> list[Meeting]:
    held: list[Meeting] = []
    for one in meetings:
        if all(one.time_a != h.time_a and one.time_b != h.time_b for h in held):
            held.append(one)
    return held


def _gap_s(one: Meeting, other: Meeting) -> float:
    return min(abs(one.time_a - other.time_a), abs(one.time_b - other.time_b)) / 1000


def _horizon(one: Meeting, gap_s: float, given: Parameters) -> float:
    crowded = given.crowd * given.horizon_s / one.popularity
    return min(given.horizon_s, crowded, given.spacing * gap_s)


def _sync(held: list[Meeting], given: Parameters) -> float:
    total = 0.0
    for rank, one in enumerate(held):
        gap = min((_gap_s(one, better) for better in held[:rank]), default=math.inf)
        lag_s = (one.time_b - one.time_a) / 1000
        total += _weight(lag_s, _horizon(one, gap, given), given)
    return total


def _lag(held: list[Meeting], given: Parameters) -> float:
    def about(j: Meeting) -> float:
        constant = j.time_b - j.time_a
        return sum(
            _weight(
                (e.time_b - e.time_a - constant) / 1000, _horizon(e, _gap_s(e, j), given), given
            )
            for e in held
            if e is not j
        )

    return max(about(j) for j in held)


def _worth(
    pair: Pair, v: float, best: list[Meeting], moments: Mapping[int, int], given: Parameters
) -> float:
    """What a pair counts in the ranking; `best` are its meetings, best first."""
    a, b = (moments[account] for account in pair)
    shared: dict[int, Meeting] = {}
    for one in best:
        shared.setdefault(one.object, one)
    overlap = sum(_rarity(one) ** 2 for one in shared.values()) / math.sqrt((a + 1) * (b + 1))
    habit = (min(1.0, a / given.rank_habit) * min(1.0, b / given.rank_habit)) ** 3
    often = min(1.0, a / given.rank_moments) * min(1.0, b / given.rank_moments)
    return math.cbrt((v * often) ** 3 + (given.rank_likeness * overlap * habit) ** 3)


def _rarity(meeting: Meeting) -> float:
    return min(1.0, max(0.0, math.log(200 / meeting.popularity) / math.log(100)))


def _ranked(value: dict[Pair, float], partners: int) -> dict[int, float]:
    of: dict[int, list[float]] = defaultdict(list)
    for (a, b), one in value.items():
        of[a].append(one)
        of[b].append(one)
    return {
        account: sum(
            one / rank for rank, one in enumerate(sorted(values, reverse=True)[:partners], 1)
        )
        for account, values in of.items()
    }
