"""Rows of a batch as groups, sorted and summed once: what shares a tick, account and base bucket.

Between the rows (`streams/features/rows.py`) and what is fed from them tick by tick: the rolling
windows (`streams/features/update.py`) and the accumulators of the clock hour
(`streams/features/hourly.py`). Integers only, so no sum depends on the order of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.features.layout import SHORT_OUTPUT_TOKENS
from streams.features.rows import Rows

__all__ = ["Detail", "Groups", "Pairs", "grouped"]


@dataclass(slots=True)
class Pairs:
    """Templates of each tick and account, ascending by tick, account and template (p pairs)."""

    group: NDArray[np.int64]  # the first group of that tick and account
    template: NDArray[np.uint64]
    count: NDArray[np.int64]  # rows
    short: NDArray[np.int64]  # of them, those with a short output

    def cut(self, start: int, end: int) -> Pairs:
        """The pairs of the groups `start` to `end`, counted from there."""
        low, high = np.searchsorted(self.group, (start, end)).tolist()
        part = slice(low, high)
        columns = (self.template[part], self.count[part], self.short[part])
        return Pairs(self.group[part] - start, *columns)


@dataclass(slots=True)
class Detail:
    """What the groups do not sum up: the rows, ascending by tick, and the group of each (n,)."""

    rows: Rows
    group: NDArray[np.int64]
    pairs: Pairs | None  # None when no row carries a template

    def cut(self, start: int, end: int, tick: int) -> Detail:
        """The detail of one tick: that of the groups `start` to `end`, counted from there."""
        low, high = np.searchsorted(self.rows.tick, (tick, tick + 1)).tolist()
        pairs = None if self.pairs is None else self.pairs.cut(start, end)
        return Detail(self.rows.take(slice(low, high)), self.group[low:high] - start, pairs)


@dataclass(slots=True)
class Groups:
    """Sums of rows that share a tick, an account and a base bucket (g groups), ascending."""

    tick: NDArray[np.int64]
    account: NDArray[np.int64]
    ts: NDArray[np.int64]
    late: NDArray[np.bool_]
    counts: NDArray[np.uint32]  # (g, 4): requests, errors, throttled, short outputs
    tokens: NDArray[np.uint64]  # (g, 2)
    distincts: NDArray[np.uint64]  # (g, 3)
    outputs: NDArray[np.uint32]  # rows with an output
    moderation_sum: NDArray[np.int64] | None
    moderation_max: NDArray[np.uint8] | None
    quota: NDArray[np.float32] | None
    quota_low: NDArray[np.float32] | None  # the smallest that is known, inf when none is
    template: NDArray[np.uint64] | None  # the account's commonest of the tick, 0 when unknown
    template_count: NDArray[np.int64] | None
    keys: NDArray[np.uint64] | None  # a bit of 64 for each
    cohort: NDArray[np.uint32] | None  # the largest code
    detail: Detail

    def accounts(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Accounts of one tick, ascending, and the place in them of each group; see `add`."""
        if not self.late.any():
            return self.account, None
        accounts, place = np.unique(self.account, return_inverse=True)
        return accounts, place

    def ticks(self) -> Iterator[tuple[int, Groups]]:
        """The groups of each tick, ascending."""
        starts = [0, *(np.flatnonzero(self.tick[1:] != self.tick[:-1]) + 1).tolist()]
        for start, end in zip(starts, [*starts[1:], len(self.tick)], strict=True):
            part, tick = slice(start, end), int(self.tick[start])
            columns = {name: getattr(self, name) for name in _COLUMNS}
            cut: dict[str, Any] = {
                name: None if column is None else column[part] for name, column in columns.items()
            }
            yield tick, Groups(**cut, detail=self.detail.cut(start, end, tick))


_COLUMNS = tuple(field.name for field in fields(Groups) if field.name != "detail")


def grouped(rows: Rows, tick_ms: int) -> Groups:
    """`rows`, ascending by tick, as groups."""
    base = rows.ts // tick_ms
    late = base != rows.tick // tick_ms - 1
    # Tick and account in one number: how many ticks came before, then the account's row.
    rank = np.cumsum(np.diff(rows.tick, prepend=rows.tick[:1]) != 0)
    key = rank << np.int64(32) | rows.account
    if late.any():
        order = np.lexsort((base, key))
        base = base[order]
        key = key[order]
        new = np.flatnonzero((key[1:] != key[:-1]) | (base[1:] != base[:-1]))
    else:
        order = np.argsort(key, kind="stable")
        key = key[order]
        new = np.flatnonzero(key[1:] != key[:-1])
    first = np.concatenate((np.zeros(1, np.int64), new + 1))
    head = order[first]
    sizes = np.diff(np.append(first, len(order)))
    status, completion = rows.status[order], rows.completion[order]
    answered = completion > 0
    counts = np.empty((len(first), 4), np.uint32)
    counts[:, 0] = sizes
    counts[:, 1] = _counted((status >= 400) & (status != 429), first)
    counts[:, 2] = _counted(status == 429, first)
    short = answered & (completion <= SHORT_OUTPUT_TOKENS)
    counts[:, 3] = _counted(short, first)
    tokens = np.empty((len(first), 2), np.uint64)
    tokens[:, 0] = np.add.reduceat(rows.prompt[order], first)
    tokens[:, 1] = np.add.reduceat(completion, first)
    distincts = np.empty((len(first), 3), np.uint64)
    distincts[:, 0] = np.bitwise_or.reduceat(rows.address[order], first)
    distincts[:, 1] = np.bitwise_or.reduceat(rows.user[order], first)
    # The bit of a template comes from its high bits: SimHash spreads there like anywhere.
    mixed = (rows.template * np.uint64(0x9E37_79B9_7F4A_7C15)) >> np.uint64(58)
    bit = np.where(rows.template > 0, np.uint64(1) << mixed, np.uint64(0))
    distincts[:, 2] = np.bitwise_or.reduceat(bit[order], first)
    scores = None if rows.moderation is None else rows.moderation[order]
    quota = None if rows.quota is None else rows.quota[order]
    pairs = _pairs(key, rows.template[order], short, first)
    # Late rows do not vote: a vote stands in the running bucket, which would outlive them.
    in_time = pairs
    if pairs is not None and late.any():
        in_time = _pairs(key, np.where(late, np.uint64(0), rows.template)[order], short, first)
    template, template_count = (None, None) if in_time is None else _commonest(in_time, len(first))
    group = np.empty(len(order), np.int64)
    group[order] = np.repeat(np.arange(len(first)), sizes)
    return Groups(
        tick=rows.tick[head],
        account=rows.account[head],
        ts=rows.ts[head],
        late=late[head],
        counts=counts,
        tokens=tokens,
        distincts=distincts,
        outputs=_counted(answered, first),
        moderation_sum=None
        if scores is None
        else np.add.reduceat(scores, first, axis=0, dtype=np.int64),
        moderation_max=None if scores is None else np.maximum.reduceat(scores, first, axis=0),
        quota=None if quota is None else np.maximum.reduceat(quota, first),
        quota_low=None if quota is None else _smallest(quota, first),
        template=template,
        template_count=template_count,
        keys=None if rows.key is None else np.bitwise_or.reduceat(rows.key[order], first),
        cohort=None if rows.cohort is None else np.maximum.reduceat(rows.cohort[order], first),
        detail=Detail(rows, group, pairs),
    )


def _counted(flags: NDArray[np.bool_], first: NDArray[np.int64]) -> Any:
    return np.add.reduceat(flags.view(np.uint8), first, dtype=np.uint32)


def _smallest(quota: NDArray[np.float32], first: NDArray[np.int64]) -> Any:
    return np.minimum.reduceat(np.where(quota > 0, quota, np.float32(np.inf)), first)


def _pairs(
    key: NDArray[np.int64],
    template: NDArray[np.uint64],
    short: NDArray[np.bool_],
    first: NDArray[np.int64],
) -> Pairs | None:
    """The templates of each key, ascending; rows without one are left out."""
    known = np.flatnonzero(template)
    if not len(known):
        return None
    keys, template = key[known], template[known]
    order = np.lexsort((template, keys))
    keys, template = keys[order], template[order]
    new_pair = np.flatnonzero((keys[1:] != keys[:-1]) | (template[1:] != template[:-1])) + 1
    start = np.concatenate((np.zeros(1, np.int64), new_pair))
    count = np.diff(np.append(start, len(keys)))
    brief = np.add.reduceat(short[known][order].view(np.uint8), start, dtype=np.int64)
    return Pairs(np.searchsorted(key[first], keys[start]), template[start], count, brief)


def _commonest(pairs: Pairs, groups: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The commonest template of each key and its count, at the first group of the key.

    Of several the smallest.
    """
    best = np.lexsort((pairs.template, -pairs.count, pairs.group))
    group = pairs.group[best]
    top = best[np.concatenate(([True], group[1:] != group[:-1]))]
    commonest, times = np.zeros(groups, np.uint64), np.zeros(groups, np.int64)
    commonest[pairs.group[top]], times[pairs.group[top]] = pairs.template[top], pairs.count[top]
    return commonest, times
