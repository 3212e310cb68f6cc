"""A cluster in words: the sentence a person reads first, and the SQL that returns its numbers.

Between the judgement of a group and its rows. The numbers of the sentence are those that the SQL
returned, so whoever runs it reads the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.wording import amount, one_in
from streams.coordination.evidence import Actions, expression
from streams.storage.base import expand

__all__ = [
    "Closeness",
    "Numbers",
    "Shared",
    "beside",
    "closeness",
    "joint_sql",
    "raster_sql",
    "sentence",
    "shared",
]

_NICE_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 172_800)
_DAY_MS: Final = 86_400_000
#: A constant lag shorter than this is no relay: its members act at once.
_LEAST_LAG_S: Final = 60.0
#: From here on a chance is none worth telling.
_LIKELY: Final = 0.05
_MOST_OBJECTS: Final = 20
#: What members did with the objects of a kind: with one, with several (the number comes in).
_DEEDS: Final = {
    "template": ("pushed the same template", "pushed the same {} templates"),
    "band": ("sent nearly the same text", "sent nearly the same texts, {} in number,"),
    "network": ("acted from one network", "acted from the same {} networks"),
    "ip": ("acted from one address", "acted from the same {} addresses"),
    "payment": ("used one payment means", "used the same {} payment means"),
    "user_agent": ("used the same client", "used the same {} clients"),
    "end_user": ("acted for one end user", "acted for the same {} end users"),
    "signup": ("were made in one hour and acted", "were made in the same {} hours and acted"),
}
_SHARES: Final = {
    "template": "share one template",
    "band": "send nearly the same text",
    "network": "share one network",
    "ip": "share one address",
    "payment": "share one payment means",
    "user_agent": "share one client",
    "end_user": "share one end user",
    "signup": "signed up in one hour",
}
#: A kind that says most to a person is named first, if it ties nearly as many.
_ORDER: Final = ("template", "band", "payment", "end_user", "ip", "signup", "network", "user_agent")
_NEARLY: Final = 0.6
#: Two of these are one thing said twice.
_SAME: Final = ({"template", "band"}, {"ip", "network"})
_MOST_OTHERS: Final = 2
_MOST: Final = 0.7  # of the weight of the coincidences


@dataclass(frozen=True, slots=True)
class Closeness:
    """How close in time members act: within so many seconds, after a constant lag (0: none)."""

    within_s: int
    lag_s: int


@dataclass(frozen=True, slots=True)
class Shared:
    """The objects of one kind on which members act close to each other; accounts on each."""

    kind: str
    values: tuple[str, ...]
    accounts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the sentence says: joint actions, accounts and objects in them, the first (epoch ms)."""

    joint: int
    accounts: int
    objects: int
    first_ms: int


def closeness(
    lag_ms: NDArray[np.int64], weight: NDArray[np.float32], constant_s: NDArray[np.float64]
) -> Closeness:
    """Of a group's coincidences (b after a, ms; weights) and the constant lags of its ties.

    What most of the weight lies within; about a constant lag, what half of them do.
    """
    lagged = np.abs(constant_s[np.abs(constant_s) >= _LEAST_LAG_S])
    apart = np.abs(lag_ms) / 1000.0
    if 2 * len(lagged) > len(constant_s):
        lag_s = round(float(np.median(lagged)))
        usual = float(np.median(np.abs(apart - lag_s))) if len(apart) else 0.0
        return Closeness(min(_nice(usual), lag_s // 2), lag_s)
    order = np.argsort(apart, kind="stable")
    reached = np.cumsum(weight[order], dtype=np.float64)
    place = np.searchsorted(reached, _MOST * reached[-1]) if len(reached) else 0
    return Closeness(_nice(float(apart[order][place])) if len(reached) else 1, 0)


def _nice(seconds: float) -> int:
    return next((nice for nice in _NICE_S if seconds <= nice), _NICE_S[-1])


def shared(actions: Actions, near: Closeness) -> list[Shared]:
    """What is shared, the kind that ties most first; only objects with joint actions.

    Of the others it says how many accounts use their commonest object at all.
    """
    order = np.lexsort((actions.account, actions.ms, actions.item))
    item, account, ms = actions.item[order], actions.account[order], actions.ms[order]
    joint = _joint(item, account, ms, near)
    users = np.unique(np.stack([item, account]), axis=1)[0]
    accounts = np.bincount(users, minlength=len(actions.values))
    acted = np.bincount(item[joint], minlength=len(actions.values))
    found, ties = [], {}
    for kind in dict.fromkeys(actions.kinds):
        places = np.array([p for p, name in enumerate(actions.kinds) if name == kind])
        best = places[np.lexsort((places, -accounts[places], -acted[places]))][:_MOST_OBJECTS]
        if acted[best[0]]:
            best = best[acted[best] > 0]
        inside = np.isin(item, best) & joint
        ties[kind] = len(np.unique(account[inside]))
        found.append(
            Shared(
                kind,
                tuple(actions.values[place] for place in best),
                tuple(int(accounts[place]) for place in best),
            )
        )
    return _telling(found, ties)


def _telling(found: Sequence[Shared], ties: Mapping[str, int]) -> list[Shared]:
    """What says most to a person first, of those that tie nearly as many as any."""
    most = max(ties.values(), default=0)

    def rank(one: Shared) -> tuple[bool, int, int]:
        place = _ORDER.index(one.kind) if one.kind in _ORDER else -1  # a kind of one's own: first
        return ties[one.kind] < _NEARLY * most, place, -ties[one.kind]

    return sorted(found, key=rank)


def beside(what: Shared, parts: Sequence[Shared], members: int) -> list[Shared]:
    """Of the kinds that are shared beside `what`, those that the sentence names."""
    wide = [one for one in parts if one.accounts and one.accounts[0] >= max(3, members // 10)]
    named = [what]
    for one in _telling(wide, {one.kind: one.accounts[0] for one in wide}):
        if not any(one.kind == other.kind or {one.kind, other.kind} in _SAME for other in named):
            named.append(one)
    return named[1 : _MOST_OTHERS + 1]


def _joint(
    item: NDArray[np.int64], account: NDArray[np.int64], ms: NDArray[np.int64], near: Closeness
) -> NDArray[np.bool_]:
    """(n,) which rows, by object and time, follow another member's (as `joint_sql` has it)."""
    if near.lag_s:
        lag, within = near.lag_s * 1000, near.within_s * 1000
        found = np.zeros(len(item), bool)
        starts = np.flatnonzero(np.diff(item, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(item)], strict=True):
            times, who = ms[start:stop], account[start:stop]
            low = np.searchsorted(times, times - lag - within)
            high = np.searchsorted(times, times - lag + within, side="right")
            for place in np.flatnonzero(high > low):
                found[start + place] = (who[low[place] : high[place]] != who[place]).any()
        return found
    follows = np.diff(item, prepend=-1) == 0
    follows &= np.diff(account, prepend=-1) != 0
    follows &= np.diff(ms, prepend=ms[:1]) <= near.within_s * 1000
    return np.asarray(follows, np.bool_)


def _rows(members: Sequence[str], what: Shared, field: str, since: int, slot: int) -> str:
    """Actions of members on objects: account_id, ms, object."""
    return expand(
        f"SELECT account_id, toUnixTimestamp64Milli(ts) AS ms, {expression(field)} AS object "
        "FROM events WHERE account_id IN {members} AND object IN {objects} "
        "AND ts >= fromUnixTimestamp64Milli({since}, 'UTC') "
        "AND tick <= fromUnixTimestamp64Milli({slot}, 'UTC')",
        {"members": list(members), "objects": list(what.values), "since": since, "slot": slot},
    )


def joint_sql(
    members: Sequence[str], what: Shared, field: str, near: Closeness, since: int, slot: int
) -> str:
    """Returns `observed`, `accounts`, `objects` and `first_ms`: actions on the objects that follow
    another member's, at most so much later, or after the constant lag."""
    rows = _rows(members, what, field, since, slot)
    within = near.within_s * 1000
    if near.lag_s:
        low, high = near.lag_s * 1000 - within, near.lag_s * 1000 + within
        return (
            "SELECT toFloat64(uniqExact(b.account_id, b.ms, b.object)) AS observed, "
            "uniqExact(arrayJoin([a.account_id, b.account_id])) AS accounts, "
            "uniqExact(b.object) AS objects, toInt64(min(a.ms)) AS first_ms "
            f"FROM ({rows}) AS a INNER JOIN ({rows}) AS b ON a.object = b.object "
            f"WHERE a.account_id != b.account_id AND b.ms - a.ms BETWEEN {low} AND {high}"
        )
    return (
        "SELECT toFloat64(countIf(follows)) AS observed, "
        "uniqExactArrayIf([account_id, other], follows) AS accounts, "
        "uniqExactIf(object, follows) AS objects, toInt64(minIf(before, follows)) AS first_ms "
        f"FROM (SELECT account_id, object, other, before, "
        f"other NOT IN ('', account_id) AND ms - before <= {within} AS follows FROM ("
        "SELECT account_id, object, ms, lagInFrame(account_id, 1, '') OVER past AS other, "
        f"lagInFrame(ms, 1, 0) OVER past AS before FROM ({rows}) WINDOW past AS "
        "(PARTITION BY object ORDER BY ms, account_id "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)))"
    )


def raster_sql(members: Sequence[str], what: Shared, field: str, since: int, slot: int) -> str:
    """Who acted when: account_id, ms (epoch) and object of every action on the shared objects."""
    return f"{_rows(members, what, field, since, slot)} ORDER BY ms, account_id, object"


def sentence(
    members: int,
    what: Shared,
    others: Sequence[Shared],
    near: Closeness,
    numbers: Numbers,
    p_value: float,
    joined: int,
    now_ms: int,
) -> str:
    """What a person reads first; `others` are shared kinds that stand on their own."""
    one, many = _DEEDS.get(
        what.kind, (f"shared one {what.kind}", f"shared the same {{}} of {what.kind}")
    )
    deed = one if numbers.objects == 1 else many.format(amount(numbers.objects))
    times = "once" if numbers.joint == 1 else f"{amount(numbers.joint)} times"
    when = f"within {_span(near.within_s)} of each other"
    if near.lag_s:
        when = f"each {_span(near.lag_s)} after another"
    parts = [
        f"{amount(members)} accounts {deed} {when} {times} "
        f"since {_clock(numbers.first_ms, now_ms)}",
        f"by chance {one_in(p_value)} such groups would"
        if p_value < _LIKELY
        else "people who act when they like would do as much",
    ]
    for other in others:
        how = _SHARES.get(other.kind, f"share one {other.kind}")
        number = "all" if other.accounts[0] == members else amount(other.accounts[0])
        parts.append(f"{number} {how}")
    if joined:
        parts.append(f"{amount(joined)} joined today")
    return "; ".join(parts)


def _span(seconds: int) -> str:
    """
    >>> [_span(s) for s in (1, 10, 90, 3600, 5400, 7200)]
    ['1 second', '10 seconds', '90 seconds', '1 hour', '90 minutes', '2 hours']
    """
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and (seconds % size == 0 or seconds >= 10 * size):
            number = round(seconds / size)
            return f"{number} {name}{'s' * (number != 1)}"
    return f"{seconds} second{'s' * (seconds != 1)}"


def _clock(ms: int, now_ms: int) -> str:
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{at:%H:%M} UTC" if now_ms - ms < _DAY_MS else f"{at:%Y-%m-%d %H:%M} UTC"
