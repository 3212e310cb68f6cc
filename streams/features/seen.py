"""Which templates an account has sent before today: a Bloom filter that never fills up.

Part of the hourly record, asked and told once a tick by `streams/features/hourly.py`. Two
generations of 512 bits: a template is known when either holds it. What is sent in a day (UTC) waits
in a third filter until the day is over, so a template that is new stays new for all of its day;
then it goes into the first generation. Whoever sends so many new ones that the third is 30 % full
(some 36 templates) need not wait that long: there a new one stays new for all of its hour. When
the first generation is left more than 40 % full it becomes the second, and an empty one takes its
place, so templates in use stay known and those long out of use are forgotten.

A template sets five bits of one 64-bit word (Putze, Sanders and Singler, "Cache-, hash- and
space-efficient Bloom filters", WEA 2007), so asking costs one memory access a generation. An hour
that would fill more than 60 % at once (a flood of new templates) is not remembered: the first
generation becomes the second without it, so an account cannot make everything look known.

Measured (`tests/unit/test_seen.py`): a template never sent is taken for known in 0.01 % of cases
after 10 templates, 0.4 % after 30 and 2.5 % on average (3.4 % at worst) in an account that keeps
sending new ones. Up to 45 or so templates in use at the same time are all remembered.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["settle", "spread", "unseen"]

_BITS_SET: Final = 5
_SIZE: Final = 512
_FULL: Final = _SIZE * 40 // 100
_OVERFLOW: Final = _SIZE * 60 // 100
_MANY: Final = _SIZE * 30 // 100
_ONE: Final = np.uint64(1)
_WAITING: Final = 2


def spread(template: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(n,) well mixed hashes of fingerprints: the finalizer of SplitMix64 (Steele et al. 2014)."""
    mixed = (template ^ (template >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return mixed ^ (mixed >> np.uint64(31))


def unseen(filters: Any, record: NDArray[np.int64], mixed: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which templates (n,), by their `spread`, each record had not sent before today.

    filters: (m, 3, 8) uint64, changed in place: the new ones are remembered when they settle.
    record: (n,) index into it.
    """
    word = (mixed >> np.uint64(61)).astype(np.int64)
    mask = np.zeros(len(mixed), np.uint64)
    for place in range(_BITS_SET):
        mask |= _ONE << ((mixed >> np.uint64(6 * place)) & np.uint64(63))
    told = np.flatnonzero((filters[record, 0, word] & mask) != mask)
    new = np.zeros(len(mixed), np.bool_)
    if len(told):
        record, word, mask = record[told], word[told], mask[told]
        new[told] = (filters[record, 1, word] & mask) != mask
        waiting = filters[:, _WAITING]
        np.bitwise_or.at(waiting, (record, word), mask)  # those known to the second: sent again
    return new


def settle(filters: Any, turned: NDArray[np.bool_]) -> Any:
    """Filters (m, 3, 8) of an hour that is over, as a copy for the next one.

    turned: (m,) where the day is over as well.
    """
    result = filters.copy()
    waiting = np.bitwise_count(filters[:, _WAITING]).sum(axis=1, dtype=np.int64)
    rows = np.flatnonzero((waiting > 0) & (turned | (waiting > _MANY)))
    if not len(rows):
        return result
    before = filters[rows, 0]
    first = before | filters[rows, _WAITING]
    filled = np.bitwise_count(first).sum(axis=1, dtype=np.int64)
    full = filled > _FULL
    kept = np.where((filled > _OVERFLOW)[:, None], before, first)
    result[rows[full], 1] = kept[full]
    result[rows, 0] = np.where(full[:, None], np.uint64(0), first)
    result[rows, _WAITING] = 0
    return result
