"""What scoring hands on: the accounts of one moment with their verdicts, and traces of an hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.scoring.decision import Verdict

__all__ = ["Judged", "Trace", "in_outage"]

#: An account fails when this share of its requests of five minutes, of so many at least, do ...
_FAILING_SHARE: Final = 0.3
_FAILING_REQUESTS: Final = 5.0
#: ... and there is an outage when so many accounts do, and this share of those that say anything.
_OUTAGE_ACCOUNTS: Final = 3
_OUTAGE_SHARE: Final = 0.03

#: hour end (epoch ms), rows, p-values and evidence (n, detectors), standing, combined p.
Trace = Callable[
    [
        int,
        NDArray[np.int64],
        NDArray[np.float64],
        NDArray[np.float64],
        NDArray[np.int64],
        NDArray[np.float64],
    ],
    None,
]


@dataclass(slots=True)
class Judged:
    """Accounts judged at one moment: their rows, records as they were, inputs, and verdicts."""

    rows: NDArray[np.int64]
    records: Any
    inputs: Mapping[str, NDArray[np.float64]]
    now_ms: int
    current: NDArray[np.float32]  # (n, detectors) evidence of this moment; NaN where none
    verdicts: list[Verdict] = field(default_factory=list)

    def one(self, place: int) -> dict[str, NDArray[np.float64]]:
        """The inputs of one account."""
        return {name: column[place : place + 1] for name, column in self.inputs.items()}


def in_outage(judged: Judged) -> NDArray[np.bool_] | None:
    """(n,) accounts of a tick that fail while many do; None when there is no outage, or no tick.

    An outage makes honest clients fail and try again, all at the same time: that is no misuse, and
    whoever uses it as a cover gets nothing but errors.
    """
    sums = judged.inputs.get("sums")
    if sums is None:
        return None
    requests, errors = sums[:, 1, 0], sums[:, 1, 3]
    telling = requests >= _FAILING_REQUESTS
    failing: NDArray[np.bool_] = telling & (errors >= _FAILING_SHARE * requests)
    count = int(failing.sum())
    many = count >= _OUTAGE_ACCOUNTS and count >= _OUTAGE_SHARE * int(telling.sum())
    return failing if many else None
