"""The method under test, as it is used: in one pass over a file, or with the live parameters.

Files are judged as `pulse clusters` judges them; requests of an API as the live flow does: a group
counts when its timing is improbable, and where there are several kinds it shares one at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.chance import Moments, chance
from detectors.coordination.kinds import Dependence
from detectors.coordination.parameters import Parameters
from detectors.coordination.stream import Judged, Stream
from streams.lab.coordination.events import Actions

__all__ = ["Judgement", "Pulse", "judged"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Codes of network and ip: they say one thing twice, whatever the population.
_ADDRESSES: Final = (2, 3)


@dataclass(frozen=True, slots=True)
class Judgement:
    """score (accounts,), and cluster (accounts,) with -1 for none; `suspected` before chance and
    kinds were asked."""

    score: Floats
    cluster: Integers
    suspected: Integers


class Pulse:
    """Reads `actions` of `accounts` accounts from the beginning, and judges when asked."""

    def __init__(self, actions: Actions, accounts: int, *, live: bool) -> None:
        self._actions = actions
        self._accounts = accounts
        self._live = live
        self._parameters = Parameters().live() if live else Parameters()
        self._stream = Stream(self._parameters)
        self._read = 0
        self._proven: set[bytes] = set()

    def until(self, time_ms: int) -> bool:
        """Takes in what is older than `time_ms`; whether anything was."""
        end = self._actions.before(time_ms)
        a, rows = self._actions, slice(self._read, end)
        self._stream.push(a.account[rows], a.object[rows], a.kind[rows], a.time_ms[rows])
        self._read, before = end, self._read
        return end > before

    def judge(self) -> Judgement:
        """As of now."""
        found = self._stream.judge()
        score = np.zeros(self._accounts)
        score[found.accounts.account] = found.accounts.score
        suspected = np.full(self._accounts, -1, np.int64)
        suspected[found.accounts.account] = found.label
        cluster = np.full(self._accounts, -1, np.int64)
        labels = np.unique(found.label[found.label >= 0]).tolist()
        dependence = self._dependence(found) if labels and self._live else None
        for label in labels:
            members = found.accounts.account[found.label == label]
            # What was improbable once is so later: asked once for each set of members.
            name = members.tobytes()
            if name in self._proven or self._counts(members, found, dependence):
                self._proven.add(name)
                cluster[members] = label
        return Judgement(score, cluster, suspected)

    def _dependence(self, found: Judged) -> Dependence:
        """Which kinds go together among the pairs held."""
        dependence = Dependence([_ADDRESSES])
        meetings = found.meetings
        size = np.diff(meetings.start)
        a, b = np.repeat(meetings.account_a, size), np.repeat(meetings.account_b, size)
        dependence.add(a, b, meetings.kind, 0)
        return dependence

    def _counts(self, members: Integers, found: Judged, dependence: Dependence | None) -> bool:
        """Improbable timing, and where there are several kinds one more beside timing."""
        shared = self._shared(members)
        if not len(shared):
            return False
        meetings, objects = found.meetings, np.unique(shared.object)
        item = np.searchsorted(objects, shared.object)
        pairs = np.unique(item * self._accounts + shared.account)
        popular = np.bincount(pairs // self._accounts, minlength=len(objects)).astype(np.float32)
        met = np.flatnonzero(np.isin(meetings.object, objects))
        np.maximum.at(
            popular, np.searchsorted(objects, meetings.object[met]), meetings.popularity[met]
        )
        moments = Moments(shared.account, shared.object, shared.time_ms, popular[item])
        if chance(moments).p_value > self._parameters.chance:
            return False
        mask = sum(1 << int(kind) for kind in np.unique(shared.kind))
        return dependence is None or len(dependence.independent(mask)) >= 1

    def _shared(self, members: Integers) -> Actions:
        """What members did, on objects that two of them or more acted on."""
        a, read = self._actions, self._read
        inside = np.zeros(self._accounts, np.bool_)
        inside[members] = True
        rows = np.flatnonzero(inside[a.account[:read]])
        _, item = np.unique(a.object[rows], return_inverse=True)
        pairs = np.unique(item * self._accounts + a.account[rows])
        several = np.bincount(pairs // self._accounts) > 1
        return a.only(rows[several[item]])


def judged(actions: Actions, accounts: int, *, live: bool) -> Judgement:
    """Everything read, judged once at the end."""
    pulse = Pulse(actions, accounts, live=live)
    pulse.until(np.iinfo(np.int64).max)
    return pulse.judge()
