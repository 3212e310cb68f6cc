"""The whole method over a file: actions in, one pass in bounded memory, accounts judged at the end.

What `pulse clusters` runs. The live flow uses the same stages, each in its own place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.communities import communities, decide
from detectors.coordination.compiled import compiled
from detectors.coordination.pairs import PairMeetings, Pairs
from detectors.coordination.parameters import Parameters
from detectors.coordination.rings import Rings
from detectors.coordination.score import AccountScores, PairScores, score_accounts, score_pairs

__all__ = ["Judged", "Stream"]

_BLOCK = 4096  # actions that go through the stages together
_EQUAL = 1 << 20  # actions of one time that are held back at most
_FORGET = 8  # times a horizon
_NEVER = np.iinfo(np.int64).min
_COLUMNS = {"account": np.int64, "object": np.uint64, "kind": np.uint8, "time_ms": np.int64}
_Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the stream has come to.

    Attributes:
        accounts: scores of the accounts that have a pair.
        label: of each of `accounts`, its group or -1 (int64).
        pairs: scores of the pairs.
        meetings: the coincidences they rest on.
        moments: distinct times by account id (int64).
    """

    accounts: AccountScores
    label: NDArray[np.int64]
    pairs: PairScores
    meetings: PairMeetings
    moments: NDArray[np.int64]


class Stream:
    """Actions in order of time, in any portions; equal times in any order.

    The actions of the latest time wait until a later one comes (or a judgement is asked for), so
    that neither how the input was cut nor the order of equal times matters.
    """

    def __init__(self, parameters: Parameters | None = None) -> None:
        self._parameters = parameters or Parameters()
        self._rings = Rings(self._parameters)
        self._pairs = Pairs(self._parameters)
        self._moments = np.zeros(0, np.int64)
        self._last = np.zeros(0, np.int64)
        self._waiting: list[_Columns] = []
        self._held = 0
        self._forgotten = np.zeros(1, np.int64)
        self._accounts = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        own = self._moments.nbytes + self._last.nbytes
        return self._rings.nbytes + self._pairs.nbytes + own

    @property
    def evicted(self) -> int:
        """Pairs that went for want of room: 0 means that nothing was approximated."""
        return self._pairs.evicted

    def push(
        self,
        account: NDArray[np.int64],
        object: NDArray[np.uint64],
        kind: NDArray[np.uint8],
        time_ms: NDArray[np.int64],
    ) -> None:
        """Takes actions in.

        Raises:
            ValueError: an account id is negative or beyond 32 bits.
        """
        if not len(account):
            return
        if account.min() < 0 or account.max() >= 1 << 32:
            raise ValueError("account ids must be numbers from 0 to 2**32 - 1")
        given = (account, object, kind, time_ms)
        self._waiting.append(
            {name: np.array(c, t) for c, (name, t) in zip(given, _COLUMNS.items(), strict=True)}
        )
        self._held += len(account)
        if self._held >= 2 * _BLOCK:
            self._advance(everything=False)

    def judge(self) -> Judged:
        """Scores and groups as of now; the stream may go on."""
        self._advance(everything=True)
        meetings = self._pairs.surviving()
        pairs = score_pairs(meetings, self._moments, self._parameters)
        accounts = score_accounts(pairs, meetings, self._moments, self._parameters)
        found = decide(communities(pairs, self._parameters), accounts, self._parameters)
        label = np.full(len(accounts), -1, np.int64)
        label[np.searchsorted(accounts.account, found.account)] = found.label
        return Judged(accounts, label, pairs, meetings, self._moments[: self._accounts].copy())

    def _advance(self, *, everything: bool) -> None:
        """Whole blocks of what waits; all of it, or what is older than the latest time."""
        if not self._waiting:
            return
        names = list(_COLUMNS)
        rows = {name: np.concatenate([part[name] for part in self._waiting]) for name in names}
        order = np.lexsort((rows["kind"], rows["object"], rows["account"], rows["time_ms"]))
        rows = {name: column[order] for name, column in rows.items()}
        ready = len(order)
        if not everything:
            times = rows["time_ms"]
            if times[0] != times[-1] or ready < _EQUAL:
                ready = int(np.searchsorted(times, times[-1]))
            ready -= ready % _BLOCK
        for start in range(0, ready, _BLOCK):
            self._block({name: column[start : start + _BLOCK] for name, column in rows.items()})
        self._held = len(order) - ready
        self._waiting = [{name: column[ready:].copy() for name, column in rows.items()}]

    def _block(self, rows: _Columns) -> None:
        account, time_ms = rows["account"], rows["time_ms"]
        self._count(account, time_ms)
        meetings = self._rings.meet(account, rows["object"], rows["kind"], time_ms)
        self._pairs.add(meetings, self._moments)
        step = int(self._parameters.horizon_s * 1000 / _FORGET)
        now = int(time_ms[-1]) // step
        if now > self._forgotten[0]:
            self._forgotten[0] = now
            self._rings.forget(int(time_ms[-1]))
            self._pairs.forget(int(time_ms[-1]))

    def _count(self, account: NDArray[np.int64], time_ms: NDArray[np.int64]) -> None:
        """Moments: distinct times of an account."""
        self._accounts = max(self._accounts, int(account.max()) + 1)
        if self._accounts > len(self._moments):
            more = max(self._accounts, len(self._moments) * 3 // 2) - len(self._moments)
            self._moments = np.concatenate([self._moments, np.zeros(more, np.int64)])
            self._last = np.concatenate([self._last, np.full(more, _NEVER)])
        count_moments(self._moments, self._last, account, time_ms)

    def dump(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays, what waits included."""
        state = {f"rings_{name}": array for name, array in self._rings.dump().items()}
        state |= {f"pairs_{name}": array for name, array in self._pairs.dump().items()}
        for name, kind in _COLUMNS.items():
            parts = [np.zeros(0, kind), *(part[name] for part in self._waiting)]
            state[f"waiting_{name}"] = np.concatenate(parts)
        return state | {
            "moments": self._moments[: self._accounts].copy(),
            "last": self._last[: self._accounts].copy(),
            "forgotten": self._forgotten.copy(),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Goes on where the dumped one stood (under the same parameters)."""
        for prefix, stage in (("rings_", self._rings), ("pairs_", self._pairs)):
            part = {name: state[name] for name in state if name.startswith(prefix)}
            stage.load({name.removeprefix(prefix): array for name, array in part.items()})
        self._moments, self._last = state["moments"].copy(), state["last"].copy()
        self._accounts = len(self._moments)
        self._forgotten = state["forgotten"].copy()
        self._waiting = [{name: state[f"waiting_{name}"] for name in _COLUMNS}]
        self._held = len(self._waiting[0]["account"])


@compiled
def count_moments(
    moments: NDArray[np.int64],
    last: NDArray[np.int64],
    account: NDArray[np.int64],
    time_ms: NDArray[np.int64],
) -> None:
    """Adds 1 to an account for every time it was not seen at just before."""
    for i in range(len(account)):
        if last[account[i]] != time_ms[i]:
            last[account[i]] = time_ms[i]
            moments[account[i]] += 1
