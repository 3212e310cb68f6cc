"""The population model of the shape detector: a forest over changes, and the tail of its scores.

State of the partition, not of an account. The fold keeps a sample of the changes that accounts
showed in the last hours: `sample` at each hour's end draws some accounts by the hash of their
identity, so that neither the order of rows nor the cut of batches matters, and `extend` adds them
to the sample. At fixed event times it fits a new model. A snapshot stores the sample the model was
fitted on; `fit` with the same seed gives the same scores to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import EVIDENCE_MAX, FloatArray, Inputs, State
from detectors.shape_features import FEATURES
from detectors.shape_parameters import Parameters
from detectors.shape_state import changes, hours_weight

__all__ = ["FIT_MS", "ROWS_MIN", "Matrix", "Model", "extend", "fit", "sample"]

FIT_MS: Final = 6 * 3_600_000  # the fold fits a new model whenever event time passes a multiple
ROWS_MIN: Final = 256  # a smaller sample says too little about a tail
_TAIL: Final = 0.1  # share of the sample that the exponential tail is fitted to
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: Knuth, TAOCP 3, 6.4

Matrix = NDArray[np.float32]  # (rows, features): changes in spreads


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """What `fit` learned; frozen and picklable, but a snapshot needs `matrix` and `seed` alone."""

    matrix: Matrix
    seed: int
    gate: float  # largest change of a row below which it is not asked
    median: FloatArray  # (12,) of the sample
    scores: FloatArray  # of the sample, sorted
    decade: float  # by so much the score grows beyond the tail's start for a tenth of the rows
    isolation_spread: float  # standard deviations in the sample: of the forest's score
    size_spread: float  # and of the sum of the changes
    forest: Any = field(repr=False)  # pyod.models.iforest.IForest

    def anomaly(self, rows: FloatArray) -> FloatArray:
        """Strangeness (n,) of changes (n, 12): how easily isolated, and how large altogether.

        Each in standard deviations of the sample. The forest alone is bounded by its sample, and
        varies with its seed; the sum of the changes alone does not know which go together.
        """
        if not len(rows):
            return np.zeros(0)
        isolation: FloatArray = self.forest.decision_function(rows)
        size: FloatArray = np.abs(rows).sum(axis=1)
        return isolation / self.isolation_spread + size / self.size_spread

    def evidence(self, rows: FloatArray) -> FloatArray:
        """-log10 of the share (n,) of the population that is as strange; 0 below the gate.

        Ranks within the sample, and beyond its nine tenths an exponential tail with the mean excess
        of the sample (peaks over threshold: Davison and Smith, JRSS B 52, 1990).
        """
        value = np.zeros(len(rows))
        asked = np.flatnonzero(np.abs(rows).max(axis=1, initial=0.0) >= self.gate)
        score = self.anomaly(rows[asked])
        count = len(self.scores)
        above = count - np.searchsorted(self.scores, score, side="left")
        ranked = -np.log10((above + 1.0) / (count + 1.0))
        start = self.scores[int(count * (1.0 - _TAIL))]
        beyond = -np.log10(_TAIL) + (score - start) / self.decade
        value[asked] = np.clip(np.where(score > start, beyond, ranked), 0.0, EVIDENCE_MAX)
        return value


def sample(
    state: State,
    inputs: Inputs,
    identities: NDArray[np.uint64],
    now_ms: int,
    parameters: Parameters,
) -> Matrix:
    """Changes (at most `hour_rows`, 12) of some accounts in the hour that ends at `now_ms`.

    `identities` (n,): hash of each account's id, the same on every machine. The accounts with the
    smallest hash of identity and hour are taken, in that order: a fair draw without a generator.
    Call it before `observe`.
    """
    p = parameters
    fit_to_learn = (inputs["requests"] >= p.min_requests) & (
        hours_weight(state, now_ms, p) >= p.warm_up_h
    )
    rows = np.flatnonzero(fit_to_learn)
    drawn = _hash(identities[rows] ^ _hash(np.array([now_ms], dtype=np.uint64)))
    rows = rows[np.lexsort((identities[rows], drawn))[: p.hour_rows]]
    some = {name: values[rows] for name, values in inputs.items()}
    return changes(state[rows], some, now_ms, p).astype(np.float32)


def extend(matrix: Matrix | None, more: Matrix, parameters: Parameters) -> Matrix:
    """The sample with the rows of one more hour; of too many the oldest go."""
    rows = more if matrix is None else np.concatenate([matrix, more])
    return rows[-parameters.sample_rows :]


def fit(matrix: Matrix, seed: int, parameters: Parameters) -> Model:
    """A model of the changes in `matrix` (rows, 12); the same for the same matrix and seed.

    Raises:
        ValueError: fewer than ROWS_MIN rows, not of float32, or not finite.
    """
    # Importing PyOD takes seconds: whoever only reads the store should not pay for it.
    from pyod.models.iforest import IForest

    if matrix.dtype != np.float32 or matrix.ndim != 2 or matrix.shape[1] != len(FEATURES):
        raise ValueError(
            f"shape sample: expected float32 rows of {len(FEATURES)} changes, "
            f"got {matrix.dtype} of shape {matrix.shape}"
        )
    if len(matrix) < ROWS_MIN:
        raise ValueError(f"shape sample: expected at least {ROWS_MIN} rows, got {len(matrix)}")
    if not np.isfinite(matrix).all():
        raise ValueError("shape sample: expected finite changes, got NaN or infinity")
    rows = matrix.astype(np.float64)
    forest = IForest(
        n_estimators=parameters.trees,
        max_samples=min(parameters.tree_rows, len(rows)),
        n_jobs=1,
        random_state=seed,
    )
    forest.fit(rows)
    isolation, size = forest.decision_scores_, np.abs(rows).sum(axis=1)
    spreads = max(float(isolation.std()), 1e-6), max(float(size.std()), 1e-6)
    scores = np.sort(isolation / spreads[0] + size / spreads[1])
    tail = scores[int(len(scores) * (1.0 - _TAIL)) :]
    excess = float((tail - tail[0]).mean())
    return Model(
        matrix=matrix.copy(),
        seed=seed,
        gate=float(np.quantile(np.abs(rows).max(axis=1), parameters.gate)),
        median=np.median(rows, axis=0),
        scores=scores,
        decade=max(excess, 1e-6) * float(np.log(10.0)),
        isolation_spread=spreads[0],
        size_spread=spreads[1],
        forest=forest,
    )


def _hash(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    x = x + _MIX
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
