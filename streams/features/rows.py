"""Rows as the fold takes them: a few numeric columns of each event, cut from the stored table.

Between storage and the fold. Live, the rows come from the table about to be stored; in a rebuild
from the same columns read back, so both ways make the same numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.events.schema import MODERATION_CATEGORIES

__all__ = [
    "ROW_COLUMNS",
    "SCORE_UNIT",
    "UNKNOWN",
    "Rows",
    "rows_from_table",
    "use_cases",
    "word_codes",
]

#: Stored columns that the fold needs, in any order.
ROW_COLUMNS: Final = (
    "account_id",
    "org_id",
    "ts",
    "tick",
    "late",
    "status",
    "prompt_tokens",
    "completion_tokens",
    "ip_hash",
    "end_user",
    "template",
    "quota_used",
    "moderation",
    "key_id",
    "endpoint",
    "country",
    "use_case",
)
#: Moderation scores are summed as whole units of this size, so that sums do not depend on order.
SCORE_UNIT: Final = 1 / 255
#: Bin of an endpoint or country that the event does not name: it counts in none.
UNKNOWN: Final = 255
_CATEGORY: Final = {name: number for number, name in enumerate(MODERATION_CATEGORIES)}


@dataclass(slots=True)
class Rows:
    """Columns of n events in order of arrival.

    account: (n,) int64 row of the account table; ts, tick: (n,) int64 epoch ms;
    status: (n,) uint16; prompt, completion: (n,) int64 tokens; address, user: (n,) uint64, one bit
    set (0 when unknown); template: (n,) uint64 (0 when unknown); quota: (n,) float32 or None;
    moderation: (n, categories) uint8 in SCORE_UNITs or None when no event carries scores; key: (n,)
    uint64, one bit set; endpoint, country: (n,) uint8 bin 0..7 by hash, or UNKNOWN; cohort: (n,)
    uint32 hash of the approved use case, 0 when unknown. The last four are None when no event
    names one.
    """

    account: NDArray[np.int64]
    ts: NDArray[np.int64]
    tick: NDArray[np.int64]
    status: NDArray[np.uint16]
    prompt: NDArray[np.int64]
    completion: NDArray[np.int64]
    address: NDArray[np.uint64]
    user: NDArray[np.uint64]
    template: NDArray[np.uint64]
    quota: NDArray[np.float32] | None
    moderation: NDArray[np.uint8] | None
    key: NDArray[np.uint64] | None = None
    endpoint: NDArray[np.uint8] | None = None
    country: NDArray[np.uint8] | None = None
    cohort: NDArray[np.uint32] | None = None

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, which: Any) -> Rows:
        """The rows selected by a slice, mask or index array."""
        return Rows(**{name: _taken(getattr(self, name), which) for name in _NAMES})

    @staticmethod
    def concat(parts: list[Rows]) -> Rows:
        """All rows of `parts` in order."""
        if len(parts) == 1:
            return parts[0]
        return Rows(**{name: _joined(parts, name) for name in _NAMES})


_NAMES: Final = tuple(f.name for f in fields(Rows))
_FILL: Final = {"endpoint": UNKNOWN, "country": UNKNOWN}  # for rows of a batch without the column


def _taken(column: Any, which: Any) -> Any:
    return None if column is None else column[which]


def _joined(parts: list[Rows], name: str) -> Any:
    columns = [getattr(part, name) for part in parts]
    given = next((column for column in columns if column is not None), None)
    if given is None:
        return None
    shape = given.shape[1:]
    return np.concatenate(
        [
            np.full((len(part), *shape), _FILL.get(name, 0), given.dtype)
            if column is None
            else column
            for part, column in zip(parts, columns, strict=True)
        ]
    )


def rows_from_table(table: pa.Table, account: NDArray[np.int64], tick: NDArray[np.int64]) -> Rows:
    """The fold's columns of `table`; `account` and `tick` were worked out by the caller."""
    return Rows(
        account=account,
        ts=_integers(table, "ts"),
        tick=tick,
        status=_integers(table, "status").astype(np.uint16),
        prompt=_integers(table, "prompt_tokens"),
        completion=_integers(table, "completion_tokens"),
        address=_hashed(table, "ip_hash", _bits),
        user=_hashed(table, "end_user", _bits),
        template=_hashed(table, "template", _fingerprints),
        quota=_quota(table),
        moderation=_moderation(table),
        key=_hashed_or_none(table, "key_id", _bits),
        endpoint=_hashed_or_none(table, "endpoint", _bins),
        country=_hashed_or_none(table, "country", _bins),
        cohort=_hashed_or_none(table, "use_case", _codes),
    )


def _integers(table: pa.Table, name: str) -> NDArray[np.int64]:
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(column.to_numpy(), np.int64)


def word_codes(table: pa.Table, name: str) -> tuple[NDArray[np.int64], list[str]]:
    """Dictionary codes (n,) and words of a text column, whether dictionary-encoded or plain."""
    column = table.column(name)
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    if column.num_chunks == 0:
        return np.zeros(0, np.int64), []
    if column.num_chunks > 1:  # comparing large dictionaries chunk by chunk is dear
        column = column.unify_dictionaries()
    words: list[str] = column.chunk(0).dictionary.to_pylist()
    codes = [
        np.asarray(chunk.indices.to_numpy(zero_copy_only=False), np.int64)
        for chunk in column.chunks
    ]
    return np.concatenate(codes), words


def _hashed(
    table: pa.Table, name: str, hashed: Callable[[list[str]], NDArray[np.uint64]]
) -> NDArray[np.uint64]:
    codes, words = word_codes(table, name)
    return hashed(words)[codes]


def _hashed_or_none(
    table: pa.Table, name: str, hashed: Callable[[list[str]], NDArray[Any]]
) -> NDArray[Any] | None:
    codes, words = word_codes(table, name)
    return hashed(words)[codes] if any(words) else None


def _bits(words: list[str]) -> NDArray[np.uint64]:
    """One bit of 64 for each of these distinct words, none for the empty one."""
    bits = np.uint64(1) << (_hashes(words) & np.uint64(63))
    if "" in words:
        bits[words.index("")] = 0
    return bits


def _bins(words: list[str]) -> NDArray[np.uint8]:
    """One of eight bins for each of these distinct words, UNKNOWN for the empty one."""
    bins = (_hashes(words) & np.uint64(7)).astype(np.uint8)
    if "" in words:
        bins[words.index("")] = UNKNOWN
    return bins


def _codes(words: list[str]) -> NDArray[np.uint32]:
    """The hash of each word, never 0 but for the empty one: the same in every batch and process."""
    codes = np.maximum(_hashes(words), 1).astype(np.uint32)
    if "" in words:
        codes[words.index("")] = 0
    return codes


def use_cases(table: pa.Table) -> dict[int, str]:
    """The approved use cases that the rows of `table` name, by the hash in `Rows.cohort`."""
    codes, words = word_codes(table, "use_case")
    if not any(words):
        return {}
    named = [words[place] for place in np.unique(codes).tolist()]
    hashes = _codes(named).tolist()
    return {code: word for code, word in zip(hashes, named, strict=True) if word}


def _hashes(words: list[str]) -> NDArray[np.uint64]:
    return np.fromiter(map(zlib.crc32, map(str.encode, words)), np.uint64, len(words))


def _fingerprints(words: list[str]) -> NDArray[np.uint64]:
    return np.fromiter(map(_fingerprint, words), np.uint64, len(words))


def _fingerprint(word: str) -> int:
    if not word:
        return 0
    try:
        return (int(word, 16) & 0xFFFF_FFFF_FFFF_FFFF) or 1
    except ValueError:
        data = word.encode()
        return zlib.crc32(data) << 32 | zlib.crc32(data[::-1]) or 1


def _quota(table: pa.Table) -> NDArray[np.float32] | None:
    column = np.asarray(table.column("quota_used").to_numpy(), np.float32)
    return column if column.any() else None


def _moderation(table: pa.Table) -> NDArray[np.uint8] | None:
    """(n, categories) of scores in SCORE_UNITs; categories that no feature follows are left out."""
    maps = table.column("moderation").combine_chunks()
    if isinstance(maps, pa.ChunkedArray):
        maps = maps.chunk(0) if maps.num_chunks else pa.array([], maps.type)
    ends: NDArray[np.int64] = np.asarray(maps.offsets.to_numpy(), np.int64)
    lengths = ends[1:] - ends[:-1]
    if not len(lengths) or not lengths.any():
        return None
    first, last = maps.offsets[0].as_py(), maps.offsets[len(maps)].as_py()
    keys = maps.keys.slice(first, last - first).dictionary_encode()
    known = np.array([_CATEGORY.get(word, -1) for word in keys.dictionary.to_pylist()], np.int64)
    category = known[keys.indices.to_numpy()]
    score = np.asarray(
        maps.items.slice(first, last - first).to_numpy(zero_copy_only=False), np.float64
    )
    row = np.repeat(np.arange(len(lengths)), lengths)
    kept = category >= 0
    scores = np.zeros((len(lengths), len(_CATEGORY)), np.uint8)
    scores[row[kept], category[kept]] = np.rint(score[kept] / SCORE_UNIT).astype(np.uint8)
    return scores
