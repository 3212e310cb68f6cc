"""What each account did in its clock hour: fed tick by tick, read by the stride detectors.

Beside the rolling windows, from the same groups. The record (`streams/features/hourly_record.py`)
lies in the cold part of the account's row: a tick copies those of the accounts it touches, adds
whole columns, and writes them back. A record that is touched in a later hour is emptied first, so
nothing has to sweep over the accounts when an hour ends.

A row counts in the hour of the tick that counts it: a late row in the hour that runs, not in its
own. What is added does not depend on the order of rows within the tick; a template that is new is
novel for all requests of its day (`streams/features/seen.py`).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.hours import hour_of
from streams.features import seen
from streams.features.groups import Groups, Pairs
from streams.features.hourly_record import (
    BINS,
    BITS,
    CATEGORY_BINS,
    COUNTS,
    HOURLY,
    MIXES,
    MODERATION,
    PASSING,
    PLACES,
    SIZE_EDGES,
    TEMPLATE_BINS,
    TICKS,
    TOKENS,
    WORDS,
)
from streams.features.layout import SHORT_OUTPUT_TOKENS
from streams.features.rows import SCORE_UNIT, Rows
from streams.features.windows import distinct

__all__ = ["add", "hour_of", "inputs", "take", "thinning"]

_Integers = NDArray[np.int64]

_LASTING: Final = np.frombuffer(bytes(PASSING) + b"\xff" * (HOURLY.itemsize - PASSING), np.uint64)
#: Bins count every request up to this many an hour.
_EXACT: Final = 1 << 15
_SIZES: Final = np.searchsorted(SIZE_EDGES, np.arange(SIZE_EDGES[-1] + 1), "right").astype(np.uint8)
_DAY: Final = 24  # hours
_FLAGGED: Final = np.uint8(128)  # a score of 0.5 or more, in SCORE_UNITs
_STRIDE: Final = HOURLY.itemsize // 2  # of records seen as 16-bit words
_FIRST_BIN: Final[int] = HOURLY.fields["bins"][1] // 2  # type: ignore[index]
#: Of the bins of short outputs of new templates among `bins`.
_NEW_SHORT: Final = BINS - TEMPLATE_BINS
_LANES: Final = CATEGORY_BINS + 1  # of a mix while it is counted: the last is for the unknown


def thinning(requests: NDArray[np.int64]) -> NDArray[np.int64]:
    """By how many bits the 16-bit counts of bins are shifted in an hour of so many requests (n,).

    Up to 32,767 requests an hour bins are exact. Beyond, they count in units of 2, 4, 8, ...
    requests and what a tick adds is rounded up or down by a hash of the tick, without bias
    (dithering; Schuchman, "Dither signals and their effect on quantization noise", 1964): bins of
    an hour of two million requests were off by less than 0.1 % of them (`tests/unit`).
    """
    if not len(requests) or int(requests.max()) < _EXACT:
        return np.zeros(len(requests), np.int64)
    _, exponent = np.frexp(requests // _EXACT)
    return exponent.astype(np.int64)


def add(
    hourly: Any,
    rows: NDArray[np.int64],
    groups: Groups,
    place: NDArray[np.int64] | None,
    tick: int,
    tick_ms: int,
    names: Sequence[str],
) -> None:
    """Add the groups of the tick that ends at `tick` (epoch ms) to the records `rows` of `hourly`.

    hourly: the field of the account table, changed in place; rows: (m,) the accounts of `groups`
    and `place` what `Groups.accounts` says of them; names: those of all rows of the table.
    """
    records = take(hourly, rows)
    _begin_hour(records, rows, hour_of(tick), names)
    before = records["counts"][:, 0].astype(np.int64)
    counts = _of_accounts(np.add, groups.counts, place, len(rows))
    requests = before + counts[:, 0]
    records["counts"][:, : counts.shape[1]] += counts
    outputs = _of_accounts(np.add, groups.outputs, place, len(rows))
    records["counts"][:, COUNTS.index("outputs")] += outputs
    records["tokens"] += _of_accounts(np.add, groups.tokens, place, len(rows))
    _mark(records, groups, place)
    _count_ticks(records, counts[:, COUNTS.index("throttled")] > 0, tick // tick_ms)
    _count_quota(records, groups, place)
    account = groups.detail.group if place is None else place[groups.detail.group]
    shift = thinning(requests)
    _thin_bins(records, thinning(before), shift, tick)
    _count_mixes(records, groups.detail.rows, account, shift, tick)
    _count_flagged(records, groups, place, account)
    if groups.detail.pairs is not None:
        _count_templates(records, groups.detail.pairs, place, shift, tick)
    hourly.view(WORDS)[rows] = records.view(WORDS)


def _begin_hour(records: Any, rows: NDArray[np.int64], hour: int, names: Sequence[str]) -> None:
    """Empty the records of an earlier hour; those never used get their place, too."""
    stale = np.flatnonzero(records["hour"] != hour)
    if len(stale):
        records.view(WORDS)[stale] &= _LASTING
        turned = records["hour"][stale] // _DAY != hour // _DAY
        records["templates"][stale] = seen.settle(records["templates"][stale], turned)
        records["hour"][stale] = hour
        new = stale[records["place"][stale] == 0]
        records["place"][new] = [_place(names[row]) for row in rows[new].tolist()]


def _thin_bins(
    records: Any, before: NDArray[np.int64], shift: NDArray[np.int64], tick: int
) -> None:
    """Bring the bins from the unit they were counted in `before` to that of now."""
    grown = np.flatnonzero(shift > before)
    if len(grown):
        more = (shift - before)[grown]
        records["bins"][grown] = _thinned(records["bins"][grown], more, tick)


def _place(name: str) -> int:
    return 1 + zlib.crc32(name.encode()) % PLACES


def _of_accounts(
    operation: np.ufunc, values: Any, place: NDArray[np.int64] | None, count: int, start: Any = 0
) -> Any:
    """Values of groups (g, ...) as values of their accounts (count, ...)."""
    if place is None:
        return values
    result = np.full((count, *values.shape[1:]), start, values.dtype)
    operation.at(result, place, values)
    return result


def _mark(records: Any, groups: Groups, place: NDArray[np.int64] | None) -> None:
    addresses_and_users = groups.distincts[:, :2]
    records["bits"][:, 1:] |= _of_accounts(np.bitwise_or, addresses_and_users, place, len(records))
    if groups.keys is not None:
        records["bits"][:, 0] |= _of_accounts(np.bitwise_or, groups.keys, place, len(records))
    if groups.cohort is not None:
        cohort = _of_accounts(np.maximum, groups.cohort, place, len(records))
        records["cohort"] = np.where(cohort > 0, cohort, records["cohort"])


def _count_ticks(records: Any, throttled: NDArray[np.bool_], number: int) -> None:
    """`number` is that of the tick; a retry is a request in the tick right after one with a 429."""
    ticks, last = records["ticks"], records["throttled_tick"]
    ticks[:, 0] += 1
    ticks[:, 1] += throttled
    ticks[:, 2] += last == np.uint32((number - 1) & 0xFFFF_FFFF)
    records["throttled_tick"] = np.where(throttled, np.uint32(number & 0xFFFF_FFFF), last)


def _count_quota(records: Any, groups: Groups, place: NDArray[np.int64] | None) -> None:
    """The first quota of an hour is the smallest that its first tick with one carries."""
    if groups.quota is None or groups.quota_low is None:
        return
    high = _of_accounts(np.maximum, groups.quota, place, len(records))
    low = _of_accounts(np.minimum, groups.quota_low, place, len(records), np.inf)
    records["quota_max"] = np.maximum(records["quota_max"], high)
    is_first = (records["quota_first"] == 0) & (high > 0)
    records["quota_first"] = np.where(is_first, low, records["quota_first"])


def _count_mixes(
    records: Any, rows: Rows, account: NDArray[np.int64], shift: NDArray[np.int64], tick: int
) -> None:
    """Requests by endpoint, country, prompt size and output size: the bins after the templates'."""
    mixes = (rows.endpoint, rows.country, _size(rows.prompt), _size(rows.completion))
    first = account * _LANES
    thinned = np.flatnonzero(shift)
    for number, mix in enumerate(mixes):
        if mix is None:
            continue
        lane = first + np.minimum(mix, CATEGORY_BINS)
        added = np.bincount(lane, minlength=len(records) * _LANES).reshape(-1, _LANES)[:, :-1]
        start = TEMPLATE_BINS + number * CATEGORY_BINS
        if len(thinned):
            added[thinned] = _thinned(added[thinned], shift[thinned], tick + start)
        records["bins"][:, start : start + CATEGORY_BINS] += added.astype(np.uint16)


def _size(tokens: NDArray[np.int64]) -> NDArray[np.uint8]:
    return _SIZES[np.minimum(tokens, SIZE_EDGES[-1])]


def _count_templates(
    records: Any,
    pairs: Pairs,
    place: NDArray[np.int64] | None,
    shift: NDArray[np.int64],
    tick: int,
) -> None:
    account = pairs.group if place is None else place[pairs.group]
    counted = np.bincount(account, pairs.count, len(records)).astype(np.uint32)
    records["counts"][:, COUNTS.index("templated")] += counted
    mixed = seen.spread(pairs.template)
    novel = np.flatnonzero(seen.unseen(records["templates"], account, mixed))
    bins = _FIRST_BIN + (mixed >> np.uint64(32)).astype(np.int64) % TEMPLATE_BINS
    place = account * _STRIDE + bins
    _add_at(records, place, pairs.count, shift[account], tick)
    if len(novel):
        counted = np.bincount(account[novel], pairs.count[novel], len(records)).astype(np.uint32)
        records["counts"][:, COUNTS.index("novel")] += counted
        some = novel[pairs.short[novel] > 0]
        where = place[some] + _NEW_SHORT
        _add_at(records, where, pairs.short[some], shift[account[some]], tick + _NEW_SHORT)


def _add_at(records: Any, place: _Integers, count: _Integers, shift: _Integers, tick: int) -> None:
    """Counts (p,), thinned, at places (p,) of the records seen as 16-bit words."""
    if (thinned := np.flatnonzero(shift)).size:
        count = count.copy()
        count[thinned] = _thinned(count[thinned, None], shift[thinned], tick)[:, 0]
    # In one dimension adding at places is several times as fast as in two.
    np.add.at(records.view(np.uint16), place, count.astype(np.uint16))


def _count_flagged(
    records: Any, groups: Groups, place: NDArray[np.int64] | None, account: NDArray[np.int64]
) -> None:
    rows, moderation = groups.detail.rows, records["moderation"]
    if groups.moderation_sum is None or rows.moderation is None:
        return
    sums = _of_accounts(np.add, groups.moderation_sum, place, len(records))
    moderation[:, 0] += sums.astype(np.uint32)
    flagged = rows.moderation >= _FLAGGED
    if not flagged.any():
        return
    short = (rows.completion > 0) & (rows.completion <= SHORT_OUTPUT_TOKENS)
    for category in range(moderation.shape[2]):
        told = np.flatnonzero(flagged[:, category])
        if len(told):
            moderation[:, 1, category] += _tally(account[told], len(records))
            moderation[:, 2, category] += _tally(account[told[short[told]]], len(records))


def _tally(account: NDArray[np.int64], count: int) -> NDArray[np.uint32]:
    return np.bincount(account, minlength=count).astype(np.uint32)


def _thinned(counts: Any, shift: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Counts (n, k) in units of 2^shift (n,), rounded without bias by a hash of `seed` and k."""
    lanes = np.arange(counts.shape[1], dtype=np.uint64)
    dither = seen.spread(np.uint64(seed) * np.uint64(BINS) + lanes) >> np.uint64(32)
    unit = np.int64(1) << shift[:, None]
    result: NDArray[np.int64] = (counts + dither.astype(np.int64) % unit) >> shift[:, None]
    return result


def take(hourly: Any, rows: NDArray[np.int64]) -> Any:
    """A copy (n,) of the records `rows` of the field `hourly`: words are copied, not fields."""
    return hourly.view(WORDS)[rows].view(HOURLY)[:, 0]


def inputs(hourly: Any, now_ms: int) -> dict[str, NDArray[np.float64]]:
    """The inputs of the stride detectors (n, ...) by name, but for `cohort_profile`.

    hourly: records (n,), see `take`. The numbers are those of the clock hour so far, of all of it
    when `now_ms` is its end; an account that was not touched in that hour has zeros. Scores are
    summed in 0..1; keys, addresses and end users are estimated by linear counting.
    """
    current = hourly["hour"] == hour_of(now_ms)
    block = np.where(current[:, None], hourly.view(WORDS), np.uint64(0))
    records = block.view(HOURLY)[:, 0]
    result: dict[str, NDArray[np.float64]] = {}
    for field, names in (("tokens", TOKENS), ("counts", COUNTS), ("ticks", TICKS)):
        for place, name in enumerate(names):
            result[name] = records[field][:, place].astype(np.float64)
    for place, name in enumerate(BITS):
        result[name] = distinct(records["bits"][:, place])
    for place, name in enumerate(MODERATION):
        result[name] = records["moderation"][:, place].astype(np.float64)
    result["moderation_sum"] *= SCORE_UNIT
    for name in ("quota_max", "quota_first"):
        result[name] = records[name].astype(np.float64)
    shift = thinning(records["counts"][:, 0].astype(np.int64))
    bins = np.ldexp(records["bins"].astype(np.float64), shift[:, None])
    result["template_counts"] = bins[:, :TEMPLATE_BINS]
    result["new_short_counts"] = bins[:, _NEW_SHORT:]
    for place, name in enumerate(MIXES):
        start = TEMPLATE_BINS + place * CATEGORY_BINS
        result[name] = bins[:, start : start + CATEGORY_BINS]
    return result
