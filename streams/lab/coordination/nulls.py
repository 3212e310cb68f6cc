"""Null traffic: the same accounts and objects without coordination. No method may see a cluster.

    times      the times of the visits to an object change hands among the accounts that came
    accounts   the accounts of a kind of signal are dealt out anew to its actions

Both keep how popular every object is and how active every account is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.events import Actions

__all__ = ["accounts_permuted", "times_shuffled"]

_VISIT_MS: Final = 600_000


def times_shuffled(actions: Actions, rng: np.random.Generator) -> Actions:
    """Each object keeps its accounts and the beginnings of their visits; who came when is drawn.

    A visit is a run of one account on one object with gaps below ten minutes, and stays whole:
    dealt out among a few accounts, the requests of one session would be a ring.
    """
    by = np.lexsort((actions.time_ms, actions.account, actions.object))
    account, item, time_ms = actions.account[by], actions.object[by], actions.time_ms[by]
    begins = np.ones(len(by), np.bool_)
    begins[1:] = (
        (account[1:] != account[:-1])
        | (item[1:] != item[:-1])
        | (time_ms[1:] - time_ms[:-1] >= _VISIT_MS)
    )
    first = np.flatnonzero(begins)
    visit = np.cumsum(begins) - 1
    plain = np.lexsort((first, item[first]))
    mixed = np.lexsort((rng.random(len(first)), item[first]))
    start = np.empty(len(first), np.int64)
    start[plain] = time_ms[first[mixed]]
    moved = time_ms - time_ms[first][visit] + start[visit]
    return _ordered(account, actions.only(by), moved)


def accounts_permuted(actions: Actions, rng: np.random.Generator) -> Actions:
    """Each kind keeps its objects and times, who acted is drawn."""
    account = actions.account.copy()
    for kind in np.unique(actions.kind).tolist():
        rows = np.flatnonzero(actions.kind == kind)
        account[rows] = account[rng.permutation(rows)]
    return _ordered(account, actions, actions.time_ms)


def _ordered(account: NDArray[np.int64], actions: Actions, time_ms: NDArray[np.int64]) -> Actions:
    order = np.lexsort((actions.object, account, time_ms))
    return Actions(account[order], actions.object[order], actions.kind[order], time_ms[order])
