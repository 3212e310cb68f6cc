"""Adding rows to the account records: grouped once a batch, then tick by tick, integers only.

The inner loop of the fold. Everything added is an integer sum, a maximum or a bit-or, so the
result does not depend on the order of rows; only the commonest template is decided per tick, on
the rows of the whole tick. Records are copies of the rows a tick touches, in the order of
accounts, so that the usual case, all rows in time, adds whole columns without an index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.features.layout import SHORT_OUTPUT_TOKENS, Layout, Ring
from streams.features.rows import Rows

__all__ = ["Groups", "add", "advance", "grouped"]


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
    moderation_sum: NDArray[np.float32] | None
    moderation_max: NDArray[np.uint8] | None
    quota: NDArray[np.float32] | None
    template: NDArray[np.uint64] | None  # the account's commonest of the tick, 0 when unknown
    template_count: NDArray[np.int64] | None

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
            part = slice(start, end)
            columns: list[Any] = [getattr(self, name) for name in _COLUMNS]
            cut: list[Any] = [None if column is None else column[part] for column in columns]
            yield int(self.tick[start]), Groups(*cut)


_COLUMNS = tuple(field.name for field in fields(Groups))


def advance(records: Any, layout: Layout, stamp: NDArray[np.int64], tick: int) -> None:
    """Empty the buckets that windows leave when `records` (n,) move from `stamp` (n,) to `tick`."""
    last = np.where(stamp > 0, stamp, tick)  # a record that is new has nothing to lose
    oldest = int(last.min()) - 1
    for width, buckets, names in _clocks(layout):
        new = (tick - 1) // width
        if oldest // width == new:
            continue
        old = (last - 1) // width
        age = (np.arange(buckets) - (old[:, None] + 1)) % buckets  # 0: the next slot to be emptied
        left = age < (new - old)[:, None]
        for name in names:
            records[name][left] = 0


@lru_cache(maxsize=8)  # of a pure function
def _clocks(layout: Layout) -> tuple[tuple[int, int, tuple[str, ...]], ...]:
    """Width, number of buckets, and the fields of all rings that share them."""
    together: dict[tuple[int, int], list[str]] = defaultdict(list)
    for ring in layout.rings.values():
        together[ring.width_ms, ring.buckets] += _fields(ring)
    return tuple((*clock, tuple(names)) for clock, names in together.items())


def _fields(ring: Ring) -> tuple[str, ...]:
    if ring.name.endswith("_distinct"):
        return (ring.name,)
    if ring.name.endswith("_moderation"):
        return (f"{ring.name}_sum", f"{ring.name}_max")
    if ring.name == "templates":
        return ("templates_candidate", "templates_weight", "quota")
    return (f"{ring.name}_counts", f"{ring.name}_tokens")


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
    status, completion = rows.status[order], rows.completion[order]
    counts = np.empty((len(first), 4), np.uint32)
    counts[:, 0] = np.diff(np.append(first, len(order)))
    counts[:, 1] = _counted((status >= 400) & (status != 429), first)
    counts[:, 2] = _counted(status == 429, first)
    counts[:, 3] = _counted((completion > 0) & (completion <= SHORT_OUTPUT_TOKENS), first)
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
    template, template_count = _commonest(key, rows.template[order], first)
    return Groups(
        rows.tick[head],
        rows.account[head],
        rows.ts[head],
        late[head],
        counts,
        tokens,
        distincts,
        None if scores is None else _summed(scores, first),
        None if scores is None else np.maximum.reduceat(scores, first, axis=0),
        None if rows.quota is None else np.maximum.reduceat(rows.quota[order], first),
        template,
        template_count,
    )


def _counted(flags: NDArray[np.bool_], first: NDArray[np.int64]) -> Any:
    return np.add.reduceat(flags.view(np.uint8), first, dtype=np.uint32)


def _summed(scores: NDArray[np.uint8], first: NDArray[np.int64]) -> NDArray[np.float32]:
    sums: NDArray[np.int64] = np.add.reduceat(scores, first, axis=0, dtype=np.int64)
    return sums.astype(np.float32)


def _commonest(
    key: NDArray[np.int64], template: NDArray[np.uint64], first: NDArray[np.int64]
) -> tuple[NDArray[np.uint64] | None, NDArray[np.int64] | None]:
    """The commonest template of each key and its count, at the first group of the key.

    Of several the smallest; rows without one are left out. None when there is none at all.
    """
    known = np.flatnonzero(template)
    if not len(known):
        return None, None
    keys, template = key[known], template[known]
    order = np.lexsort((template, keys))
    keys, template = keys[order], template[order]
    new_pair = np.flatnonzero((keys[1:] != keys[:-1]) | (template[1:] != template[:-1])) + 1
    start = np.concatenate((np.zeros(1, np.int64), new_pair))
    count = np.diff(np.append(start, len(keys)))
    keys, template = keys[start], template[start]
    best = np.lexsort((template, -count, keys))
    top = best[np.concatenate(([True], keys[best][1:] != keys[best][:-1]))]
    place = np.searchsorted(key[first], keys[top])
    commonest, times = np.zeros(len(first), np.uint64), np.zeros(len(first), np.int64)
    commonest[place], times[place] = template[top], count[top]
    return commonest, times


def add(
    records: Any, layout: Layout, groups: Groups, place: NDArray[np.int64] | None, tick: int
) -> None:
    """Add the groups of one tick to `records` that `advance` brought to it.

    `place` is the record of each group; None when group i belongs to record i and none is late.
    Late groups go to the bucket of their own time, as far as the ring still holds it.
    """

    def put(operation: np.ufunc, ring: Ring, name: str, values: Any) -> None:
        field, current = records[name], ring.bucket(tick)
        if place is None:
            column = field[:, current % ring.buckets]
            operation(column, values, out=column)
        else:
            bucket = groups.ts // ring.width_ms
            held = np.flatnonzero((bucket > current - ring.buckets) & (bucket <= current))
            operation.at(field, (place[held], bucket[held] % ring.buckets), values[held])

    tokens = groups.tokens.astype(np.uint32)
    for ring in layout.counts:
        counts = groups.counts[:, :2] if ring.name == "minute" else groups.counts
        put(np.add, ring, f"{ring.name}_counts", counts)
        put(np.add, ring, f"{ring.name}_tokens", groups.tokens if ring.name == "day" else tokens)
    folded = (groups.distincts >> np.uint64(32) | groups.distincts).astype(np.uint32)
    for ring in layout.distincts:
        words = folded if ring.name == "five_distinct" else groups.distincts
        put(np.bitwise_or, ring, ring.name, words)
    if groups.moderation_sum is not None:
        for ring in layout.moderation:
            put(np.add, ring, f"{ring.name}_sum", groups.moderation_sum)
            put(np.maximum, ring, f"{ring.name}_max", groups.moderation_max)
    if groups.quota is not None:
        put(np.maximum, layout.templates, "quota", groups.quota)
    if groups.template is not None:
        _vote(records, layout.templates, groups, place, tick)


def _vote(
    records: Any, ring: Ring, groups: Groups, place: NDArray[np.int64] | None, tick: int
) -> None:
    """Keep a candidate for the commonest template of each bucket (Boyer and Moore's majority vote).

    The weight is a lower bound of the candidate's count, exact when it was never contested.
    """
    assert groups.template is not None
    assert groups.template_count is not None
    told = np.flatnonzero(groups.template)
    where = told if place is None else place[told]
    template, count = groups.template[told], groups.template_count[told]
    slot = ring.bucket(tick) % ring.buckets
    held = records["templates_candidate"][where, slot]
    weight = records["templates_weight"][where, slot].astype(np.int64)
    same = held == template
    taken = ~same & (count > weight)
    records["templates_candidate"][where, slot] = np.where(taken, template, held)
    weight = np.where(same, weight + count, np.abs(weight - count))
    records["templates_weight"][where, slot] = weight.astype(np.uint32)
