"""Networks of TF-IDF cosine similarity: the public method of Pacheco et al., beside ours.

Accounts are vectors over the objects they acted on, weighted by TF-IDF; the cosine of two is their
edge; the network keeps the heaviest edges (the paper: the top 0.5 %) and accounts with enough
actions (Pacheco et al., "Uncovering coordinated networks on social media", ICWSM 2021). Accounts
are ranked by eigenvector centrality (Luceri et al., "Unmasking the web of deceit", 2024), by their
heaviest edge, or by the sum of their edges. With a window an object counts as another one in each
bucket of time, as the paper does for synchronised actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from streams.lab.coordination.events import Events

__all__ = ["SUPPORT", "Network", "network"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_MOST_PAIRS: Final = 12_000_000
_TOP: Final = 0.995
#: The paper leaves out accounts with fewer actions.
SUPPORT: Final = 10


@dataclass(frozen=True, slots=True)
class Network:
    """Symmetric cosine similarities without a diagonal, (accounts, accounts) in CSR."""

    similar: sparse.csr_matrix

    def top(self) -> Network:
        """With the paper's heaviest edges alone."""
        if not self.similar.nnz:
            return self
        kept = self.similar.copy()
        kept.data[kept.data < np.quantile(kept.data, _TOP)] = 0.0
        kept.eliminate_zeros()
        return Network(kept)

    def strongest(self) -> Floats:
        """(accounts,) the heaviest edge of each."""
        found: Floats = np.asarray(self.similar.max(axis=1).todense(), np.float64).ravel()
        return found

    def strength(self) -> Floats:
        """(accounts,) the sum of the edges of each."""
        found: Floats = np.asarray(self.similar.sum(axis=1), np.float64).ravel()
        return found

    def centrality(self) -> Floats:
        """(accounts,) the eigenvector of the largest eigenvalue, not negative."""
        accounts = self.similar.shape[0]
        if not self.similar.nnz or accounts < 3:
            return np.zeros(accounts)
        start = np.full(accounts, accounts**-0.5)
        try:
            vector = eigsh(self.similar.astype(np.float64), k=1, v0=start, tol=1e-6, maxiter=3000)[
                1
            ]
        except ArpackNoConvergence:
            return np.zeros(accounts)
        found: Floats = np.abs(vector[:, 0])
        return np.where(found > 1e-9, found, 0.0)

    def linked(self) -> Bools:
        """(accounts,) who has an edge."""
        found: Bools = np.diff(self.similar.indptr) > 0
        return found


def network(
    events: Events,
    accounts: int,
    *,
    window_s: float = 0.0,
    columns: tuple[int, ...] = (0,),
    support: int = 1,
) -> Network:
    """Similarities of all accounts; those with fewer than `support` actions have none.

    The most popular objects are left out as far as needed to hold the pairs in memory.
    """
    counts = _counts(events, accounts, window_s, columns)
    enough = np.bincount(events.account, minlength=accounts) >= support
    counts = sparse.diags(enough.astype(np.float64)) @ counts
    holders = np.bincount(counts.indices, minlength=counts.shape[1])
    weights = sparse.csr_matrix(counts @ sparse.diags(_idf(holders, accounts)))
    norms = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1))).ravel()
    weights = sparse.diags(1.0 / np.where(norms > 0, norms, 1.0)) @ weights
    shared = weights[:, _affordable(holders)].astype(np.float32).tocsr()
    similar = sparse.csr_matrix(shared @ shared.T)
    similar.setdiag(0.0)
    similar.eliminate_zeros()
    return Network(similar)


def _counts(
    events: Events, accounts: int, window_s: float, columns: tuple[int, ...]
) -> sparse.csr_matrix:
    """(accounts, features) how often each account has each object, or object and bucket of time."""
    objects = events.objects[:, columns].T.reshape(-1)
    account = np.tile(events.account, len(columns))
    if window_s:
        bucket = np.tile(events.time_ms // round(window_s * 1000), len(columns)).astype(np.uint64)
        with np.errstate(over="ignore"):
            mixed = (objects ^ (bucket * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(
                0xBF58476D1CE4E5B9
            )
        objects = np.where(objects != 0, mixed, 0)
    there = objects != 0
    feature = np.unique(objects[there], return_inverse=True)[1]
    ones = np.ones(int(there.sum()))
    shape = (accounts, int(feature.max(initial=-1)) + 1)
    counts = sparse.csr_matrix((ones, (account[there], feature)), shape)
    counts.sum_duplicates()
    return counts


def _idf(holders: NDArray[np.int64], accounts: int) -> Floats:
    """Smoothed as in sklearn's TfidfTransformer: ln((1 + n) / (1 + df)) + 1."""
    found: Floats = np.log((1.0 + accounts) / (1.0 + holders)) + 1.0
    return found


def _affordable(holders: NDArray[np.int64]) -> NDArray[np.int64]:
    """Features shared by two or more, but for those of the most pairs."""
    shared = np.flatnonzero(holders > 1)
    order = shared[np.argsort(holders[shared], kind="stable")]
    fits: NDArray[np.int64] = order[np.cumsum(holders[order].astype(float) ** 2) <= _MOST_PAIRS]
    return np.sort(fits)
