"""Reading rolling features out of account records that stand at the current tick."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.events.schema import MODERATION_CATEGORIES
from streams.features.layout import COUNTS, DISTINCTS, MINUTE, MINUTE_COUNTS, TOKENS, Layout
from streams.features.rows import SCORE_UNIT
from streams.features.update import advance

__all__ = [
    "WINDOW_NAMES",
    "distinct",
    "features",
    "five_minute_series",
    "requests_of_five_minutes",
    "standing_at",
    "tick_sums",
    "totals",
]

#: Suffix of a feature's name by ring.
WINDOW_NAMES: Final = {"minute": "1m", "five": "5m", "hour": "1h", "day": "24h"}


#: The counts that are series of their own beside the tokens.
_TROUBLES: Final = ("errors", "throttled")
_BLOCK: Final = 1024


def tick_sums(state: Any, rows: NDArray[np.int64] | slice) -> NDArray[np.float64]:
    """(n, 3, 5) sums over the windows of 1, 5 and 60 minutes, of records that stand at the tick.

    The series: requests, prompt tokens, completion tokens, errors, throttled requests.
    """
    records = state[rows]
    sums = np.empty((len(records), 3, 5), np.float64)
    for start in range(0, len(records), _BLOCK):  # what is summed fits the processor's cache
        part = slice(start, start + _BLOCK)
        for place, ring in enumerate(("minute", "five", "hour")):
            names = MINUTE_COUNTS if ring == "minute" else COUNTS
            counts = _sum_of_buckets(records[f"{ring}_counts"][part])
            sums[part, place, 0] = counts[0]
            sums[part, place, 1:3] = _sum_of_buckets(records[f"{ring}_tokens"][part]).T
            sums[part, place, 3:] = counts[[names.index(name) for name in _TROUBLES]].T
    return sums


def _sum_of_buckets(ring: Any) -> NDArray[np.float64]:
    """(metrics, n) sums of a ring (n, buckets, metrics); exact, far below 2^53.

    Turned round first: numpy adds long rows several times as fast as many short ones.
    """
    sums: NDArray[np.float64] = ring.transpose(2, 1, 0).astype(np.float64, order="C").sum(axis=1)
    return sums


def five_minute_series(
    state: Any, stamp: NDArray[np.int64], rows: NDArray[np.int64], boundary: int
) -> NDArray[np.float64]:
    """(n, 5): the series of `tick_sums` over the five whole minutes that end at `boundary` (ms)."""
    end = boundary // MINUTE
    bucket = end - 5 + (np.arange(5) - (end - 5)) % 5  # which minute each slot stands for
    held = (bucket[None, :] <= ((stamp[rows] - 1) // MINUTE)[:, None])[:, :, None]
    counts = (state["five_counts"][rows] * held).sum(axis=1, dtype=np.int64)
    sums = np.empty((len(rows), 5), np.float64)
    sums[:, 0] = counts[:, 0]
    sums[:, 1:3] = (state["five_tokens"][rows] * held).sum(axis=1, dtype=np.int64)
    sums[:, 3:] = counts[:, [COUNTS.index(name) for name in _TROUBLES]]
    return sums


def requests_of_five_minutes(
    state: Any, stamp: NDArray[np.int64], rows: NDArray[np.int64], tick: int
) -> NDArray[np.int64]:
    """(n,) requests of the window of five minutes that ends at `tick`, whenever last touched."""
    newest = ((stamp[rows] - 1) // MINUTE)[:, None]
    bucket = newest - (newest - np.arange(5)) % 5  # which minute each slot stands for
    held = bucket > (tick - 1) // MINUTE - 5
    requests: NDArray[np.int64] = (state["five_counts"][rows, :, 0] * held).sum(
        axis=1, dtype=np.int64
    )
    return requests


def totals(state: Any, layout: Layout) -> dict[str, NDArray[np.uint64]]:
    """The few sums that `account_state` shows as columns, (n,) each."""
    result = {
        f"requests_{WINDOW_NAMES[ring.name]}": state[f"{ring.name}_counts"][:, :, 0].sum(
            axis=1, dtype=np.uint64
        )
        for ring in layout.counts
    }
    for place, name in enumerate(TOKENS):
        result[f"{name}_24h"] = state["day_tokens"][:, :, place].sum(axis=1, dtype=np.uint64)
    return result


def standing_at(
    state: Any, layout: Layout, stamp: NDArray[np.int64], rows: NDArray[np.int64], tick: int
) -> Any:
    """A copy of the records of `rows`, moved on to `tick` as if they had been touched then."""
    records = state[rows]
    advance(records, layout, stamp[rows], tick)
    return records


def features(state: Any, layout: Layout) -> dict[str, NDArray[np.float64]]:
    """Every rolling feature of records that stand at one tick, by name and window (n,) each.

    `requests_5m`, `prompt_tokens_1h`, `addresses_24h` (linear counting, Whang et al. 1990), ...;
    `short_share_*` and `template_share_1h` are shares of requests in 0..1, the latter a lower
    bound; `moderation_<category>_mean_1h` and `_max_1h` lie in 0..1.
    """
    result: dict[str, NDArray[np.float64]] = {}
    for ring in layout.counts:
        window = WINDOW_NAMES[ring.name]
        counts = state[f"{ring.name}_counts"].sum(axis=1, dtype=np.int64)
        for place, name in enumerate(MINUTE_COUNTS if ring.name == "minute" else COUNTS):
            result[f"{name}_{window}"] = counts[:, place].astype(np.float64)
        tokens = state[f"{ring.name}_tokens"].sum(axis=1, dtype=np.uint64)
        for place, name in enumerate(TOKENS):
            result[f"{name}_{window}"] = tokens[:, place].astype(np.float64)
        if ring.name != "minute":
            short = result.pop(f"short_outputs_{window}")
            result[f"short_share_{window}"] = _share(short, result[f"requests_{window}"])
    for ring in layout.distincts:
        window = WINDOW_NAMES[ring.name.removesuffix("_distinct")]
        words = np.bitwise_or.reduce(state[ring.name], axis=1)
        for place, name in enumerate(DISTINCTS):
            result[f"{name}_{window}"] = distinct(words[:, place])
    for ring in layout.moderation:
        window = WINDOW_NAMES[ring.name.removesuffix("_moderation")]
        requests = result[f"requests_{window}"]
        total = state[f"{ring.name}_sum"].sum(axis=1, dtype=np.int64) * SCORE_UNIT
        peak = state[f"{ring.name}_max"].max(axis=1) * SCORE_UNIT
        for place, category in enumerate(MODERATION_CATEGORIES):
            result[f"moderation_{category}_mean_{window}"] = _share(total[:, place], requests)
            result[f"moderation_{category}_max_{window}"] = peak[:, place].astype(np.float64)
    result["template_share_1h"] = _template_share(state, result["requests_1h"])
    result["quota_1h"] = state["quota_used"].max(axis=1).astype(np.float64)
    return result


def _share(part: Any, whole: NDArray[np.float64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.minimum(
        1.0, np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
    )
    return share


def distinct(words: Any) -> NDArray[np.float64]:
    """Linear counting: m bits of which z are zero stand for -m ln(z/m) distinct values."""
    size = words.dtype.itemsize * 8
    zero = size - np.bitwise_count(words).astype(np.float64)
    counts: NDArray[np.float64] = np.rint(-size * np.log(np.maximum(zero, 0.5) / size)) + 0.0
    return counts


def _template_share(state: Any, requests: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest weight of one template over the buckets of an hour, as a share of its requests."""
    candidate, weight = state["templates_candidate"], state["templates_weight"].astype(np.int64)
    same = candidate[:, :, None] == candidate[:, None, :]
    best = (same * weight[:, None, :]).sum(axis=2).max(axis=1)
    return _share(best.astype(np.float64), requests)
