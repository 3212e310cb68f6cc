"""One member's timing against the others': could it as well have been a little earlier or later?

The inner test of `detectors.coordination.chance`. What a member did in one go (a session) is moved
as one piece over an hour around it, and asked how often it then lies as close to what the others
did. Moving whole sessions keeps a member's own bursts, and places are as likely as the others are
active there within a quarter of an hour, so that working hours, a lesson or an evening accuse
nobody: only closeness finer than that does.

Pattern jitter of spike trains: Harrison and Geman 2009, "A rate and history-preserving resampling
algorithm for neural spike trains", Neural Computation 21(5); the fixed cells make it exact:
Amarasingham et al. 2012, "Conditional modeling and the jitter method", J. Neurophysiology 107(2).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.compiled import compiled

__all__ = ["SESSION_GAP_MS", "session_starts", "surprise"]

#: A pause that ends a session, and its longest length (ms).
SESSION_GAP_MS = 300_000
_SESSION_MS = 1_800_000
#: Sessions are moved within fixed cells of an hour, which do not begin with the clock's hours.
_CELL_MS = 3_600_000
_CELL_OFFSET_MS = 1_337_000
_STEP_MS = 2_000
#: Reach of the others' activity, and from where on two moments are not close at all (ms).
_REACH_MS = 900_000
#: Moments this near are as good as one (ms).
_SAME_MS = 2_000
#: Activity of the others where none was seen, in moments: what is never impossible.
_LEAST = 0.05
_MOST_MOMENTS = 8
_MOST_OTHERS = 4096


@compiled
def session_starts(time: NDArray[np.int64]) -> NDArray[np.int64]:
    """First row of each session of one member, and the number of rows at the end.

    Args:
        time: ascending, epoch ms.
    """
    count = len(time)
    starts = np.empty(count + 1, np.int64)
    found = 0
    for row in range(count):
        if (
            row == 0
            or time[row] - time[row - 1] > SESSION_GAP_MS
            or time[row] - time[starts[found - 1]] > _SESSION_MS
        ):
            starts[found] = row
            found += 1
    starts[found] = count
    return starts[: found + 1]


@compiled
def _some_moments(time: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct ones, evenly thinned to a few."""
    distinct = np.unique(time)
    count = len(distinct)
    if count <= _MOST_MOMENTS:
        return distinct
    kept = np.empty(_MOST_MOMENTS, np.int64)
    for place in range(_MOST_MOMENTS):
        kept[place] = distinct[place * (count - 1) // (_MOST_MOMENTS - 1)]
    return kept


@compiled
def _others(
    objects: NDArray[np.int64],
    before: int,
    first: int,
    last: int,
    start: NDArray[np.int64],
    time: NDArray[np.int64],
    member: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Ascending moments in [first, last] of members below `before` on `objects`."""
    found = np.empty(_MOST_OTHERS, np.int64)
    count = 0
    for item in np.unique(objects):
        low, high = start[item], start[item + 1]
        row = low + np.searchsorted(time[low:high], first)
        while row < high and time[row] <= last and count < _MOST_OTHERS:
            if member[row] < before:
                found[count] = time[row]
                count += 1
            row += 1
    return np.sort(found[:count])


@compiled
def _add(
    others: NDArray[np.int64],
    moment: int,
    places: NDArray[np.int64],
    close: NDArray[np.float64],
    active: NDArray[np.float64],
) -> None:
    """What one moment adds at each of the ascending `places` to closeness and log activity."""
    count = len(others)
    right = low = high = 0
    for place in range(len(places)):
        at = moment + places[place]
        while right < count and others[right] < at:
            right += 1
        while low < count and others[low] < at - _REACH_MS:
            low += 1
        while high < count and others[high] <= at + _REACH_MS:
            high += 1
        near = _REACH_MS
        if right < count:
            near = min(near, others[right] - at)
        if right > 0:
            near = min(near, at - others[right - 1])
        close[place] += max(0.0, math.log(_REACH_MS / (near + _SAME_MS)))
        active[place] += math.log(high - low + _LEAST)


@compiled
def surprise(
    time: NDArray[np.int64],
    objects: NDArray[np.int64],
    rank: int,
    lag: int,
    other_start: NDArray[np.int64],
    other_time: NDArray[np.int64],
    other_member: NDArray[np.int64],
) -> float:
    """-ln of the chance that a session lies as close to the moments of members before `rank`.

    Args:
        time, objects: of the session's rows: epoch ms ascending, and places in `other_start`.
        lag: the session is taken this much earlier (ms).
        other_start, other_time, other_member: by object the rows of all members, by time.

    Returns:
        NaN where no place differs from another, which is known without knowing where it lies.
    """
    moments = _some_moments(time) - lag
    onset, end = moments[0], moments[-1]
    cell = (onset + _CELL_OFFSET_MS) // _CELL_MS * _CELL_MS - _CELL_OFFSET_MS
    steps = _CELL_MS // _STEP_MS
    places = np.empty(steps + 1, np.int64)
    for step in range(steps):
        places[step] = cell + step * _STEP_MS + _STEP_MS // 2 - onset
    # Where it lies is one of the places, so the chance is never 0.
    here = np.searchsorted(places[:steps], 0)
    places[here + 1 :] = places[here:steps].copy()
    places[here] = 0
    others = _others(
        objects,
        rank,
        cell - _REACH_MS,
        cell + _CELL_MS + (end - onset) + _REACH_MS,
        other_start,
        other_time,
        other_member,
    )
    close = np.zeros(steps + 1)
    active = np.zeros(steps + 1)
    for moment in moments:
        _add(others, moment, places, close, active)
    if close.max() - close.min() < 1e-9:
        return math.nan
    # Moments of a session are not independent: their root says how much they are worth.
    weight = np.exp((active - active.max()) / math.sqrt(len(moments)))
    as_close = 0.0
    for place in range(steps + 1):
        if close[place] >= close[here] - 1e-9:
            as_close += weight[place]
    return -math.log(as_close / weight.sum())
