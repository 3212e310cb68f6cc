"""Adding the rows of a tick to the account records: grouped, vectorised, integers only.

The inner loop of the fold. Everything added is an integer sum, a maximum or a bit-or, so the
result does not depend on the order of rows; only the commonest template is decided per tick, on
the rows of the whole tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.features.layout import SHORT_OUTPUT_TOKENS, Layout, Ring
from streams.features.rows import Rows

__all__ = ["add", "advance"]


@dataclass(slots=True)
class _Groups:
    """Sums of rows that share an account and a base bucket (g groups)."""

    account: NDArray[np.int64]
    ts: NDArray[np.int64]
    counts: NDArray[np.int64]  # (g, 4): requests, errors, throttled, short outputs
    tokens: NDArray[np.int64]  # (g, 2)
    distincts: NDArray[np.uint64]  # (g, 3)
    moderation_sum: NDArray[np.int64] | None
    moderation_max: NDArray[np.uint8] | None
    quota: NDArray[np.float32] | None
    unique: bool  # each account stands in one group only


def advance(
    state: Any, layout: Layout, rows: NDArray[np.int64], stamp: NDArray[np.int64], tick: int
) -> None:
    """Empty the buckets that windows leave when accounts move from `stamp[rows]` to `tick`."""
    old_stamp = stamp[rows]
    stale = old_stamp > 0
    for ring in layout.rings.values():
        new = ring.bucket(tick)
        passed = new - (old_stamp - 1) // ring.width_ms
        moved = np.flatnonzero(stale & (passed > 0))
        if not len(moved):
            continue
        old = new - passed[moved]
        steps = np.minimum(passed[moved], ring.buckets)
        if int(steps.max()) == 1:
            where, slot = rows[moved], np.full(len(moved), new % ring.buckets)
        else:
            age = (np.arange(ring.buckets)[None, :] - old[:, None] - 1) % ring.buckets
            which, slot = np.nonzero(age < steps[:, None])
            where = rows[moved][which]
        for name in _fields(ring):
            state[name][where, slot] = 0
    stamp[rows] = tick


def _fields(ring: Ring) -> tuple[str, ...]:
    if ring.name.endswith("_distinct"):
        return (ring.name,)
    if ring.name.endswith("_moderation"):
        return (f"{ring.name}_sum", f"{ring.name}_max")
    if ring.name == "templates":
        return ("templates_candidate", "templates_weight", "quota")
    return (f"{ring.name}_counts", f"{ring.name}_tokens")


def add(state: Any, layout: Layout, rows: Rows, tick: int) -> NDArray[np.int64]:
    """Add the rows first counted at `tick`, all rings advanced to it by the caller's `advance`.

    Returns the accounts touched, ascending. Late rows go to the bucket of their own time, as far
    as the ring still holds it.
    """
    groups = _grouped(rows, layout.tick_ms, tick)
    for ring in layout.counts:
        counts = groups.counts[:, :2] if ring.name == "minute" else groups.counts
        _sum_into(state, f"{ring.name}_counts", groups, ring, tick, counts)
        _sum_into(state, f"{ring.name}_tokens", groups, ring, tick, groups.tokens)
    for ring in layout.distincts:
        _or_into(state, ring, groups, tick)
    for ring in layout.moderation:
        if groups.moderation_sum is not None and groups.moderation_max is not None:
            _sum_into(state, f"{ring.name}_sum", groups, ring, tick, groups.moderation_sum)
            _max_into(state, f"{ring.name}_max", groups, ring, tick, groups.moderation_max)
    if groups.quota is not None:
        _max_into(state, "quota", groups, layout.templates, tick, groups.quota)
    _commonest(state, layout.templates, rows, tick)
    return groups.account if groups.unique else np.unique(groups.account)


def _grouped(rows: Rows, tick_ms: int, tick: int) -> _Groups:
    in_time = bool((rows.ts >= tick - tick_ms).all())
    if in_time:
        order = np.argsort(rows.account, kind="stable")
        key = rows.account[order]
        change = np.flatnonzero(key[1:] != key[:-1])
    else:
        base = rows.ts // tick_ms
        order = np.lexsort((base, rows.account))
        account, base = rows.account[order], base[order]
        change = np.flatnonzero((account[1:] != account[:-1]) | (base[1:] != base[:-1]))
    first = np.concatenate((np.zeros(1, np.int64), change + 1))
    status, completion = rows.status[order], rows.completion[order]
    counts = np.empty((len(first), 4), np.int64)
    counts[:, 0] = np.diff(np.append(first, len(order)))
    counts[:, 1] = _reduced((status >= 400) & (status != 429), first)
    counts[:, 2] = _reduced(status == 429, first)
    counts[:, 3] = _reduced((completion > 0) & (completion <= SHORT_OUTPUT_TOKENS), first)
    tokens = np.empty((len(first), 2), np.int64)
    tokens[:, 0] = np.add.reduceat(rows.prompt[order], first)
    tokens[:, 1] = np.add.reduceat(completion, first)
    distincts = np.empty((len(first), 3), np.uint64)
    distincts[:, 0] = np.bitwise_or.reduceat(rows.address[order], first)
    distincts[:, 1] = np.bitwise_or.reduceat(rows.user[order], first)
    # The bit of a template comes from its high bits: SimHash spreads there like anywhere.
    mixed = (rows.template * np.uint64(0x9E37_79B9_7F4A_7C15)) >> np.uint64(58)
    bit = np.where(rows.template > 0, np.uint64(1) << mixed, np.uint64(0))
    distincts[:, 2] = np.bitwise_or.reduceat(bit[order], first)
    moderation = rows.moderation
    return _Groups(
        rows.account[order[first]],
        rows.ts[order[first]],
        counts,
        tokens,
        distincts,
        None
        if moderation is None
        else np.add.reduceat(moderation[order].astype(np.int64), first, axis=0),
        None if moderation is None else np.maximum.reduceat(moderation[order], first, axis=0),
        None if rows.quota is None else np.maximum.reduceat(rows.quota[order], first),
        in_time,
    )


def _reduced(flags: NDArray[np.bool_], first: NDArray[np.int64]) -> Any:
    return np.add.reduceat(flags.view(np.uint8), first, dtype=np.int64)


def _slots(groups: _Groups, ring: Ring, tick: int) -> tuple[Any, Any]:
    """Which groups the ring still holds, and their slots."""
    current = ring.bucket(tick)
    if groups.unique:
        return slice(None), np.full(len(groups.account), current % ring.buckets)
    bucket = groups.ts // ring.width_ms
    held = np.flatnonzero((bucket > current - ring.buckets) & (bucket <= current))
    return held, bucket[held] % ring.buckets


def _sum_into(state: Any, name: str, groups: _Groups, ring: Ring, tick: int, values: Any) -> None:
    held, slot = _slots(groups, ring, tick)
    field = state[name]
    values = values[held].astype(field.dtype)
    if groups.unique:
        field[groups.account, slot] += values
    else:
        np.add.at(field, (groups.account[held], slot), values)


def _or_into(state: Any, ring: Ring, groups: _Groups, tick: int) -> None:
    held, slot = _slots(groups, ring, tick)
    field, values = state[ring.name], groups.distincts[held]
    if field.dtype == np.uint32:  # fold 64 bits to 32
        values = ((values >> np.uint64(32)) | values).astype(np.uint32)
    np.bitwise_or.at(field, (groups.account[held], slot), values)


def _max_into(state: Any, name: str, groups: _Groups, ring: Ring, tick: int, values: Any) -> None:
    held, slot = _slots(groups, ring, tick)
    np.maximum.at(state[name], (groups.account[held], slot), values[held])


def _commonest(state: Any, ring: Ring, rows: Rows, tick: int) -> None:
    """Keep a candidate for the commonest template of each bucket (Boyer and Moore's majority vote).

    The weight is a lower bound of the candidate's count, exact when it was never contested.
    """
    known = np.flatnonzero(rows.template)
    if not len(known):
        return
    account, template = rows.account[known], rows.template[known]
    order = np.lexsort((template, account))
    account, template = account[order], template[order]
    new_pair = np.concatenate(
        ([True], (account[1:] != account[:-1]) | (template[1:] != template[:-1]))
    )
    start = np.flatnonzero(new_pair)
    count = np.diff(np.append(start, len(account)))
    account, template = account[start], template[start]
    best = np.lexsort((template, -count, account))
    account, template, count = account[best], template[best], count[best]
    top = np.concatenate(([True], account[1:] != account[:-1]))
    account, template, count = account[top], template[top], count[top]
    slot = np.full(len(account), ring.bucket(tick) % ring.buckets)
    held = state["templates_candidate"][account, slot]
    weight = state["templates_weight"][account, slot].astype(np.int64)
    same = held == template
    taken = ~same & (count > weight)
    state["templates_candidate"][account, slot] = np.where(taken, template, held)
    weight = np.where(same, weight + count, np.abs(weight - count))
    state["templates_weight"][account, slot] = weight.astype(np.uint32)
