"""By chance: how often would a group as large, on these objects, lie as close in time?

After the communities: a group alarms only where its timing is improbable. Sharing accuses nobody,
so what is shared is given; what is tested is when. Members are taken one after the other, and each
is tested against those before it: session by session, could it as well have been somewhat earlier
or later (`detectors.coordination.shifts`)? Under that null the members' p-values are independent,
whoever depends on whom, because each is uniform given all before; so they combine by Fisher's
method. A member may follow the others with a constant lag: the test is then made on the shifted
sessions, but for the one that suggested the lag, and pays for every lag that could have been
suggested. At last the group pays for having been picked: with m of n accounts that used the same
objects there were C(n, m) groups to look at (a Bonferroni bound).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.compiled import compiled
from detectors.coordination.shifts import session_starts, surprise

__all__ = ["Chance", "Moments", "chance"]

_LN10: Final = math.log(10.0)
#: Tested are the first so many members, and the latest so many sessions of each.
_MOST_MEMBERS: Final = 64
_MOST_SESSIONS: Final = 32
#: A lag shorter than this is no relay but the same moment (ms); longer than two days is none.
_LEAST_LAG_MS: Final = 60_000
_LONGEST_LAG_MS: Final = 172_800_000
_LAG_WIDTH_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Moments:
    """What the members of one group did, as columns of one length in any order.

    Attributes:
        account: ids; members are tested in their order, so it should not depend on when they met.
        object: hash of what was acted on (uint64); objects of one member only do not matter.
        time_ms: int64, epoch ms.
        popularity: accounts on the object, members included (float32); infinite where not known.
    """

    account: NDArray[np.int64]
    object: NDArray[np.uint64]
    time_ms: NDArray[np.int64]
    popularity: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Chance:
    """How improbable a group's timing is.

    Attributes:
        log10: of the chance that such a group would lie so close, at most 0.
        timing: likewise, before paying for the choice of the members.
        members: those with something to be tested on, beside the first.
        sessions: tested in all.
        lagged: members whose timing is better explained by a constant lag.
        pool: accounts that the group was picked from.
    """

    log10: float
    timing: float
    members: int
    sessions: int
    lagged: int
    pool: float

    @property
    def p_value(self) -> float:
        """As a number, not below 1e-300."""
        return float(10.0 ** max(self.log10, -300.0))


def chance(moments: Moments) -> Chance:
    """The chance figure of one group; 1 where it shares nothing."""
    rows = _prepared(moments)
    if rows is None:
        return Chance(0.0, 0.0, 0, 0, 0, 0.0)
    account, item, time, popularity = rows
    names, rank = np.unique(account, return_inverse=True)
    pool = _pool(rank, popularity, len(names))
    kept = rank < _MOST_MEMBERS
    rank, item, time = rank[kept], item[kept], time[kept]
    order = np.lexsort((rank, time, item))
    start = np.searchsorted(item[order], np.arange(item.max() + 2))
    others = (start, time[order], rank[order].astype(np.int64))
    evidence: list[float] = []
    sessions = lagged = 0
    limits = np.searchsorted(rank, np.arange(rank.max() + 2))
    for member in range(1, len(limits) - 1):
        own = slice(limits[member], limits[member + 1])
        direct, count = _member(time[own], item[own], member, 0, -1, *others)
        by_lag = _by_lag(time[own], item[own], member, others)
        if count == 0 and math.isinf(by_lag):
            continue
        sessions += count
        found = _tail(direct, count) if count else 0.0
        lagged += by_lag < min(found, -_LN10)
        evidence.append(-min(0.0, min(found, by_lag) + math.log(2.0)))
    timing = _tail(sum(evidence), len(evidence)) if evidence else 0.0
    picked = _choices(pool, len(names))
    return Chance(
        log10=min(0.0, timing + picked) / _LN10,
        timing=timing / _LN10,
        members=len(evidence),
        sessions=sessions,
        lagged=lagged,
        pool=pool,
    )


def _prepared(
    moments: Moments,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]] | None:
    """Rows on objects of two members or more, by account, time and object; None without any."""
    _, item = np.unique(moments.object, return_inverse=True)
    pairs = np.unique(np.stack([item, moments.account]), axis=1)
    shared = np.bincount(pairs[0], minlength=item.max(initial=-1) + 1) > 1
    rows = np.flatnonzero(shared[item])
    if not len(rows):
        return None
    order = rows[np.lexsort((item[rows], moments.time_ms[rows], moments.account[rows]))]
    _, item = np.unique(moments.object[order], return_inverse=True)
    return (
        moments.account[order],
        item.astype(np.int64),
        moments.time_ms[order],
        moments.popularity[order],
    )


def _pool(rank: NDArray[np.int64], popularity: NDArray[np.float32], members: int) -> float:
    """Accounts that the group was picked from: those on its members' least popular objects."""
    least = np.full(members, np.inf)
    np.minimum.at(least, rank, popularity.astype(np.float64))
    told = least[np.isfinite(least)]
    return max(float(np.median(told)) if len(told) else 0.0, float(members))


def _choices(pool: float, members: int) -> float:
    """ln C(pool, members)."""
    return math.lgamma(pool + 1.0) - math.lgamma(members + 1.0) - math.lgamma(pool - members + 1.0)


def _tail(total: float, count: int) -> float:
    """ln P(Gamma(count, 1) >= total): of a sum of `count` surprises."""
    if total <= 0.0:
        return 0.0
    terms = np.arange(count) * math.log(total) - np.array(
        [math.lgamma(j + 1.0) for j in range(count)]
    )
    top = float(terms.max())
    return min(0.0, -total + top + math.log(float(np.exp(terms - top).sum())))


@compiled
def _member(
    time: NDArray[np.int64],
    item: NDArray[np.int64],
    rank: int,
    lag: int,
    left_out: int,
    start: NDArray[np.int64],
    other_time: NDArray[np.int64],
    other_member: NDArray[np.int64],
) -> tuple[float, int]:
    """Sum of a member's surprises over its latest sessions, and how many could be tested."""
    total, count = 0.0, 0
    starts = session_starts(time)
    sessions = len(starts) - 1
    for session in range(max(0, sessions - _MOST_SESSIONS), sessions):
        first, end = starts[session], starts[session + 1]
        if first <= left_out < end:
            continue
        own, objects = time[first:end], item[first:end]
        value = surprise(own, objects, rank, lag, start, other_time, other_member)
        if not math.isnan(value):
            total += value
            count += 1
    return total, count


def _by_lag(
    time: NDArray[np.int64],
    item: NDArray[np.int64],
    rank: int,
    others: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> float:
    """ln of the chance with the best constant lag, all lags tried paid for; inf without one."""
    starts = session_starts(time)[:-1][-_MOST_SESSIONS:]
    if len(starts) < 2:
        return math.inf
    lags, rows = _lags(time, item, starts, rank, *others)
    if not len(lags):
        return math.inf
    best = _commonest(lags, rows)
    total, count = _member(time, item, rank, int(lags[best]), int(rows[best]), *others)
    return _tail(total, count) + math.log(len(lags)) if count else math.inf


@compiled
def _lags(
    time: NDArray[np.int64],
    item: NDArray[np.int64],
    starts: NDArray[np.int64],
    rank: int,
    other_start: NDArray[np.int64],
    other_time: NDArray[np.int64],
    other_member: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lags behind others at which a session began, and the row it began with.

    Of each session the 64 nearest in row, so that standing objects stay cheap.
    """
    most = 64
    lags = np.empty(len(starts) * most, np.int64)
    rows = np.empty(len(starts) * most, np.int64)
    count = 0
    for row in starts:
        low, high = other_start[item[row]], other_start[item[row] + 1]
        here = low + np.searchsorted(other_time[low:high], time[row])
        first, end = max(low, here - most // 2), min(high, here + most // 2)
        for other in range(first, end):
            lag = time[row] - other_time[other]
            if other_member[other] < rank and _LEAST_LAG_MS < abs(lag) <= _LONGEST_LAG_MS:
                lags[count] = lag
                rows[count] = row
                count += 1
    return lags[:count], rows[:count]


@compiled
def _commonest(lags: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
    """The lag that most sessions have within half a minute; the first of equals in order."""
    order = np.argsort(lags, kind="mergesort")
    best, most, low, high = 0, 0, 0, 0
    for place in range(len(order)):
        lag = lags[order[place]]
        while lags[order[low]] < lag - _LAG_WIDTH_MS // 2:
            low += 1
        while high < len(order) and lags[order[high]] <= lag + _LAG_WIDTH_MS // 2:
            high += 1
        number = len(np.unique(rows[order[low:high]]))
        if number > most:
            best, most = order[place], number
    return best
