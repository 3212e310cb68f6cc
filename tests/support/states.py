"""The state of a fold as bytes to compare, whatever rows its accounts happen to have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from streams.features.fold import Fold

__all__ = ["fold_state"]


def fold_state(fold: Fold) -> dict[str, bytes]:
    """Accounts in order of name, incidents and times."""
    accounts = fold.accounts
    names = sorted(accounts.index)
    rows = [accounts.index[name] for name in names]
    return {
        "names": "\n".join(names).encode(),
        "orgs": "\n".join(accounts.orgs[row] for row in rows).encode(),
        "state": b"".join(_fields(accounts.state[rows])),
        "stamp": accounts.stamp[rows].tobytes(),
        "incidents": msgspec.json.encode(fold.incidents.dump()),
        "times": msgspec.json.encode((fold.closed, fold.evicted_before)),
    }


def _fields(records: Any) -> Iterator[bytes]:
    """Without the padding between fields."""
    for name in records.dtype.names:
        if records.dtype[name].names:
            yield from _fields(records[name])
        else:
            yield np.ascontiguousarray(records[name]).tobytes()
