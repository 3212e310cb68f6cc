"""The shape detector's population model of one partition: its sample, and when it is fitted."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors import shape

__all__ = ["Shapes"]

_SEED: Final = 1
_WHOLE: Final = 2.0**64


class Shapes:
    """Changes of some accounts each hour; a model is fitted on them every six hours."""

    def __init__(self) -> None:
        self.model: shape.Model | None = None
        self._sample: shape.Matrix | None = None
        self._hour: list[shape.Matrix] = []
        self._fitted_at = 0  # in units of shape.FIT_MS since 1970

    def collect(
        self,
        state: Any,
        inputs: Mapping[str, NDArray[np.float64]],
        names: Sequence[str],
        active: int,
        now_ms: int,
        parameters: Any,
    ) -> None:
        """Take some of these accounts; of all that are `active` about as many as an hour gives.

        Who is taken depends on the account's name and the hour alone, not on who stands beside it.
        """
        identities = np.array([_identity(name) for name in names], np.uint64)
        drawn = np.array([_identity(f"{now_ms} {name}") for name in names], np.uint64)
        share = min(1.0, parameters.hour_rows / max(active, 1))
        rows = np.flatnonzero(drawn.astype(np.float64) < share * _WHOLE)
        some = {name: column[rows] for name, column in inputs.items()}
        self._hour.append(shape.sample(state[rows], some, identities[rows], now_ms, parameters))

    def end_hour(self, now_ms: int, parameters: Any) -> None:
        """Add what was collected; fit when a multiple of six hours has passed."""
        if self._hour:
            more = np.concatenate(self._hour)
            more = more[np.lexsort(more.T)]  # in an order that knows nothing of blocks
            self._sample = shape.extend(self._sample, more, parameters)
            self._hour = []
        due = now_ms // shape.FIT_MS
        if due == self._fitted_at or self._sample is None or len(self._sample) < shape.ROWS_MIN:
            return
        self._fitted_at = due
        self.model = shape.fit(self._sample, _SEED, parameters)

    def dump(self) -> dict[str, Any]:
        """For a snapshot: the sample, and the one the model was fitted on."""
        fitted = None if self.model is None else self.model.matrix
        return {
            "sample": _text(self._sample),
            "fitted": _text(fitted),
            "fitted_at": self._fitted_at,
        }

    def load(self, dumped: Mapping[str, Any], parameters: Any) -> None:
        """From a snapshot."""
        self._sample = _matrix(dumped["sample"])
        fitted = _matrix(dumped["fitted"])
        self.model = None if fitted is None else shape.fit(fitted, _SEED, parameters)
        self._fitted_at = dumped["fitted_at"]


def _identity(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _text(matrix: shape.Matrix | None) -> list[Any] | None:
    if matrix is None:
        return None
    content = base64.b64encode(matrix.astype("<f4").tobytes()).decode()
    return [matrix.shape[1], content]


def _matrix(text: list[Any] | None) -> shape.Matrix | None:
    if text is None:
        return None
    content = np.frombuffer(base64.b64decode(text[1]), "<f4")
    return content.reshape(-1, text[0]).astype(np.float32)
