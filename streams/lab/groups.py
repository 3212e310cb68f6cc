"""From the lab's columns to the groups that the fold adds: what `grouped` makes of single events.

The lab's shortcut. Tens of millions of requests are never sorted one by one: the sums of each
account and minute are worked out from counts by bin. Only what the fold itself counts by request
(sizes, endpoints, countries, verdicts) is spread out. A test holds this to what `grouped` makes of
the very same requests as single events (`events`).
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.features.groups import Detail, Groups, Pairs
from streams.features.rows import Rows
from streams.lab.habits import BINS, SIZES, USE_CASES, Integers
from streams.lab.requests import SLOTS, Requests

__all__ = ["MINUTE_MS", "Quotas", "events", "grouped_minutes"]

MINUTE_MS: Final = 60_000
_CALM, _FLAGGED = 2, 204  # moderation scores, in units of 1/255, of a request without and with
_ANSWERED: Final = np.array([1, 2, 3, 4, 5, 6, 7, 0])  # short outputs first, failures last
_CODES: Final = np.array([zlib.crc32(name.encode()) for name in USE_CASES], np.uint32)

Words = NDArray[np.uint64]


class Quotas:
    """Which share of its daily limit each of n accounts has used; starts anew at midnight."""

    def __init__(self, accounts: int) -> None:
        self._used = np.zeros(accounts)
        self._day = -1

    def used(self, requests: Requests) -> NDArray[np.float32]:
        """(p,) as the gateway tells it at the end of each part's minute; 0 where it tells none.

        Parts are ascending by minute and of one day, days ascending from call to call.
        """
        if not len(requests):
            return np.zeros(0, np.float32)
        day = int(requests.minute[0]) // 1440
        if day != self._day:
            self._used[:] = 0.0
            self._day = day
        order = np.argsort(requests.account, kind="stable")
        account, count = requests.account[order], requests.count[order].astype(np.float64)
        total = np.cumsum(count)
        start = np.flatnonzero(np.diff(account, prepend=-1))
        before = np.repeat(total[start] - count[start], np.diff([*start.tolist(), len(account)]))
        sent = np.empty(len(account))
        sent[order] = total - before + self._used[account]
        self._used += np.bincount(account, count, len(self._used))
        limit = requests.quota
        share = np.divide(sent, limit, out=np.zeros(len(sent)), where=limit > 0)
        share = np.where(limit > 0, np.clip(share, requests.quota_least, 1.0), 0.0)
        return share.astype(np.float32)


def grouped_minutes(
    requests: Requests, row_of: Integers, quota: NDArray[np.float32], start_ms: int
) -> Groups:
    """One group an account and minute (ticks of a minute), ascending by tick and row.

    row_of: (accounts,) the fold's row of each account; quota: (p,) of the parts.
    """
    order = np.lexsort((row_of[requests.account], requests.minute))
    requests, quota = requests.take(order), quota[order]
    new = (np.diff(requests.minute) != 0) | (np.diff(requests.account) != 0)
    first = np.concatenate(([0], np.flatnonzero(new) + 1))
    part_group = np.concatenate(([0], np.cumsum(new)))
    answered = requests.count - requests.output[:, 0]
    counts = np.column_stack((requests.count, requests.error, requests.throttled, requests.short))
    tokens = np.column_stack((requests.prompt @ SIZES, requests.output @ SIZES))
    sums, peaks = _moderation(requests)
    pairs = _pairs(requests, part_group)
    template, times = (None, None) if pairs is None else _commonest(pairs, len(first))
    distincts = np.column_stack(
        (_bits(requests.addresses), _bits(requests.users), _template_bits(requests.template))
    )
    minute_ms = start_ms + requests.minute[first] * MINUTE_MS
    return Groups(
        tick=minute_ms + MINUTE_MS,
        account=row_of[requests.account[first]],
        ts=minute_ms,
        late=np.zeros(len(first), np.bool_),
        counts=np.add.reduceat(counts, first, axis=0).astype(np.uint32),
        tokens=np.add.reduceat(tokens, first, axis=0).astype(np.uint64),
        distincts=np.bitwise_or.reduceat(distincts, first, axis=0),
        outputs=np.add.reduceat(answered, first).astype(np.uint32),
        moderation_sum=np.add.reduceat(sums, first, axis=0),
        moderation_max=np.maximum.reduceat(peaks, first, axis=0),
        quota=np.maximum.reduceat(quota, first),
        quota_low=np.minimum.reduceat(np.where(quota > 0, quota, np.float32(np.inf)), first),
        template=template,
        template_count=times,
        keys=np.bitwise_or.reduceat(_bits(requests.keys), first),
        cohort=_CODES[requests.cohort[first]],
        detail=_detail(requests, part_group, pairs, start_ms),
    )


def events(requests: Requests, row_of: Integers, quota: NDArray[np.float32], start_ms: int) -> Rows:
    """The same requests one by one, ascending by tick: what the groups above are sums of."""
    rows = _spread(requests, start_ms)
    part = np.repeat(np.arange(len(requests)), requests.count)
    place = np.arange(len(part)) - np.repeat(
        np.cumsum(requests.count) - requests.count, requests.count
    )
    failed = place - (requests.count - requests.error - requests.throttled)[part]
    rows.account = row_of[requests.account[part]]
    rows.status = np.where(
        failed < 0, 200, np.where(failed < requests.error[part], 500, 429)
    ).astype(np.uint16)
    rows.address = _bit(requests.addresses[part, place % SLOTS])
    rows.user = _bit(requests.users[part, place % SLOTS])
    rows.key = _bit(requests.keys[part, place % SLOTS])
    upto = np.cumsum(requests.template_count, axis=1)[part]
    slot = (place[:, None] >= upto).sum(axis=1)
    padded = np.column_stack((requests.template, np.zeros(len(requests), np.uint64)))
    rows.template = padded[part, slot]
    rows.quota = quota[part]
    rows.cohort = _CODES[requests.cohort[part]]
    return rows


def _spread(requests: Requests, start_ms: int) -> Rows:
    """Requests one by one, with the columns that the fold counts by request; the rest is zero."""
    count = requests.count
    number = int(count.sum())
    minute_ms = np.repeat(start_ms + requests.minute * MINUTE_MS, count)
    nothing: Any = np.broadcast_to(np.uint64(0), (number,))
    return Rows(
        account=nothing,
        ts=minute_ms,
        tick=minute_ms + MINUTE_MS,
        status=nothing,
        prompt=_one_by_one(requests.prompt, np.arange(BINS), SIZES),
        completion=_one_by_one(requests.output, _ANSWERED, SIZES),
        address=nothing,
        user=nothing,
        template=nothing,
        quota=None,
        moderation=_verdicts(requests, number),
        endpoint=_one_by_one(requests.endpoints, np.arange(BINS), np.arange(BINS, dtype=np.uint8)),
        country=_one_by_one(requests.countries, np.arange(BINS), np.arange(BINS, dtype=np.uint8)),
    )


def _one_by_one(counts: Integers, order: Integers, values: Any) -> Any:
    """Values of each part's requests, bin after bin in `order`."""
    return np.repeat(np.tile(values[order], len(counts)), counts[:, order].ravel())


def _verdicts(requests: Requests, number: int) -> NDArray[np.uint8]:
    """(requests, categories): flagged ones come first among the short, and among the long."""
    scores = np.full((number, requests.flagged.shape[1]), _CALM, np.uint8)
    start = np.cumsum(requests.count) - requests.count
    long = start + requests.short
    for begin, flagged in (
        (start, requests.flagged_short),
        (long, requests.flagged - requests.flagged_short),
    ):
        part, category = np.nonzero(flagged)
        times = flagged[part, category]
        offset = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        scores[np.repeat(begin[part], times) + offset, np.repeat(category, times)] = _FLAGGED
    return scores


def _moderation(requests: Requests) -> tuple[Integers, NDArray[np.uint8]]:
    """Sums and maxima of the scores of each part, (p, categories)."""
    calm = requests.count[:, None] - requests.flagged
    sums = _FLAGGED * requests.flagged + _CALM * calm
    return sums, np.where(requests.flagged > 0, _FLAGGED, _CALM).astype(np.uint8)


def _bit(values: Words) -> Words:
    """One bit of 64 for each value, none for 0."""
    bits: Words = np.where(values > 0, np.uint64(1) << (values & np.uint64(63)), np.uint64(0))
    return bits


def _bits(values: Words) -> Words:
    """(p,) the bits of values (p, SLOTS) together."""
    together: Words = np.bitwise_or.reduce(_bit(values), axis=1)
    return together


def _template_bits(template: Words) -> Words:
    """As `streams.features.groups.grouped` spreads fingerprints over 64 bits."""
    mixed = (template * np.uint64(0x9E37_79B9_7F4A_7C15)) >> np.uint64(58)
    bits = np.where(template > 0, np.uint64(1) << mixed, np.uint64(0))
    together: Words = np.bitwise_or.reduce(bits, axis=1)
    return together


def _pairs(requests: Requests, part_group: Integers) -> Pairs | None:
    """Templates of each group, ascending, with their counts."""
    part, slot = np.nonzero(requests.template)
    if not len(part):
        return None
    group, template = part_group[part], requests.template[part, slot]
    count, short = requests.template_count[part, slot], requests.template_short[part, slot]
    order = np.lexsort((template, group))
    group, template, count, short = group[order], template[order], count[order], short[order]
    new = (np.diff(group) != 0) | (np.diff(template) != 0)
    first = np.concatenate(([0], np.flatnonzero(new) + 1))
    counts = (np.add.reduceat(count, first), np.add.reduceat(short, first))
    return Pairs(group[first], template[first], *counts)


def _commonest(pairs: Pairs, groups: int) -> tuple[Words, Integers]:
    """The commonest template of each group and its count; of several the smallest."""
    best = np.lexsort((pairs.template, -pairs.count, pairs.group))
    top = best[np.diff(pairs.group[best], prepend=-1) != 0]
    template, count = np.zeros(groups, np.uint64), np.zeros(groups, np.int64)
    template[pairs.group[top]], count[pairs.group[top]] = pairs.template[top], pairs.count[top]
    return template, count


def _detail(requests: Requests, part_group: Integers, pairs: Pairs | None, start_ms: int) -> Detail:
    group = np.repeat(part_group, requests.count)
    return Detail(_spread(requests, start_ms), group, pairs)
