"""What a finding counted, as an aggregate over the rows of `events` that it saw.

The features keep distinct values as 64 bits and words as hashed bins; the aggregates here count the
same bits and bins, so the SQL of a finding returns its number, not an estimate of it.
"""

from __future__ import annotations

import re
from typing import Final

from streams.errors import PulseError
from streams.events.schema import MODERATION_CATEGORIES
from streams.features.hourly_record import SIZE_EDGES
from streams.features.layout import SHORT_OUTPUT_TOKENS

__all__ = ["aggregate", "metrics"]

_SHORT: Final = f"completion_tokens BETWEEN 1 AND {SHORT_OUTPUT_TOKENS}"
_SIMPLE: Final = {
    "requests": "count()",
    "prompt_tokens": "sum(prompt_tokens)",
    "completion_tokens": "sum(completion_tokens)",
    "tokens": "sum(prompt_tokens + completion_tokens)",
    "errors": "countIf(status >= 400 AND status != 429)",
    "throttled": "countIf(status = 429)",
    "outputs": "countIf(completion_tokens > 0)",
    "short_outputs": f"countIf({_SHORT})",
    "templated": "countIf(template != '')",
    "novel": "countIf(template != '' AND template NOT IN (SELECT template FROM events "
    "WHERE account_id = {account_id} "
    "AND tick <= toStartOfDay(fromUnixTimestamp64Milli({start}, 'UTC'))))",
    "quota_used": "max(quota_used)",
    "flagged": " + ".join(f"countIf(moderation['{c}'] >= 0.5)" for c in MODERATION_CATEGORIES),
}
_DISTINCT: Final = {"keys": "key_id", "addresses": "ip_hash", "end_users": "end_user"}
_HASHED: Final = {"endpoints": "endpoint", "countries": "country"}
_SIZES: Final = {"prompt_sizes": "prompt_tokens", "output_sizes": "completion_tokens"}
_EDGES: Final = (0, *SIZE_EDGES)
_BIN: Final = re.compile(r"(\w+)\[(\d)\]")


def metrics() -> tuple[str, ...]:
    """Every metric that has an aggregate, a bin standing for all of its kind."""
    flagged = [f"flagged_{shape}{c}" for shape in _SHAPES for c in MODERATION_CATEGORIES]
    bins = [f"{name}[0]" for name in (*_HASHED, *_SIZES)]
    return (*_SIMPLE, *_DISTINCT, *bins, *flagged)


_SHAPES: Final = {"": "", "short_": f" AND {_SHORT}", "long_": f" AND NOT ({_SHORT})"}


def aggregate(metric: str) -> str:
    """The aggregate of a metric, with `{account_id}` and `{start}` where it asks for them.

    Raises:
        PulseError: the metric has none (every metric a detector names must).
    """
    if metric in _SIMPLE:
        return _SIMPLE[metric]
    if metric in _DISTINCT:
        return _distinct(_DISTINCT[metric])
    if (found := _BIN.fullmatch(metric)) is not None:
        name, number = found[1], int(found[2])
        if name in _HASHED and number < 8:
            return f"countIf({_HASHED[name]} != '' AND CRC32({_HASHED[name]}) % 8 = {number})"
        if name in _SIZES and number < len(_EDGES):
            return f"countIf({_range(_SIZES[name], number)})"
    for shape, condition in sorted(_SHAPES.items(), reverse=True):
        category = metric.removeprefix(f"flagged_{shape}")
        if metric.startswith(f"flagged_{shape}") and category in MODERATION_CATEGORIES:
            return f"countIf(moderation['{category}'] >= 0.5{condition})"
    raise PulseError(f"metric {metric}: expected one of {', '.join(metrics())}")


def _distinct(column: str) -> str:
    """Linear counting over the bits that the features set (Whang et al. 1990)."""
    bit = f"if({column} = '', toUInt64(0), bitShiftLeft(toUInt64(1), CRC32({column}) % 64))"
    empty = f"greatest(64 - bitCount(groupBitOr({bit})), 0.5)"
    return f"round(-64 * log({empty} / 64)) + 0"


def _range(column: str, number: int) -> str:
    if number == len(_EDGES) - 1:
        return f"{column} >= {_EDGES[number]}"
    return f"{column} BETWEEN {_EDGES[number]} AND {_EDGES[number + 1] - 1}"
