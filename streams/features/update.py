"""Adding groups of rows to the rolling windows of the account records, tick by tick, integers only.

The inner loop of the fold. Everything added is an integer sum, a maximum or a bit-or, so the
result does not depend on the order of rows; only the commonest template is decided per tick, on
the rows of the whole tick. Records are copies of the rows a tick touches, in the order of
accounts, so that the usual case, all rows in time, adds whole columns without an index.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.features.groups import Groups, grouped
from streams.features.layout import MINUTE_COUNTS, Layout, Ring

__all__ = ["Groups", "add", "advance", "grouped"]


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
        return ("templates_candidate", "templates_weight", "quota_used")
    return (f"{ring.name}_counts", f"{ring.name}_tokens")


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
        counts = groups.counts[:, : len(MINUTE_COUNTS)] if ring.name == "minute" else groups.counts
        put(np.add, ring, f"{ring.name}_counts", counts)
        put(np.add, ring, f"{ring.name}_tokens", groups.tokens if ring.name == "day" else tokens)
    folded = (groups.distincts >> np.uint64(32) | groups.distincts).astype(np.uint32)
    for ring in layout.distincts:
        words = folded if ring.name == "five_distinct" else groups.distincts
        put(np.bitwise_or, ring, ring.name, words)
    if groups.moderation_sum is not None:
        sums = groups.moderation_sum.astype(np.float32)
        for ring in layout.moderation:
            put(np.add, ring, f"{ring.name}_sum", sums)
            put(np.maximum, ring, f"{ring.name}_max", groups.moderation_max)
    if groups.quota is not None:
        put(np.maximum, layout.templates, "quota_used", groups.quota)
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
