"""Signals: what each event shares with other events, as columns.

After ingest has stored a batch (or rows are read back from the store), before the rings. A signal
is one action of an account on one object; an object is a kind with a value: a prompt template, a
MinHash band, an address, a means of payment, the hour of sign-up. Values are hashed by dictionary,
never by row, and what one account repeats within a slot is left out as far as it is seen at once:
only the earliest counts in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.coordination.hashing import hash_text, hash_word, mixed
from streams.events.columns import EVENT_SCHEMA
from streams.features.watermark import NEVER
from streams.policy.coordination import SIGNALS

__all__ = ["KINDS", "SLOT_MS", "Signals", "columns_of", "signals", "slot_end"]

#: Seconds of the stored column `tick` that are sorted and thinned together; whole ticks fit in.
SLOT_MS: Final = 30_000
#: The kinds of signals unless a policy names others, by name; what they are made of: a field of the
#: event, one that is not among its own fields included, or one of these words.
KINDS: Final[Mapping[str, str]] = {kind: kind for kind in SIGNALS}
_COLUMN: Final = {"band": "bands", "ip": "ip_hash", "signup": "account_created_at"}
_SOURCE: Final = "source"
_HOUR_MS: Final = 3_600_000
_SCATTER: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


@dataclass(frozen=True, slots=True)
class Signals:
    """n signals, in order of arrival within a kind.

    names: the accounts, in UTF-8; account: (n,) int64 code into them; kind: (n,) uint8 place in the
    kinds asked for; object: (n,) uint64; ts, tick: (n,) int64 epoch ms; offset: (n,) uint64 in
    Kafka.
    """

    names: list[bytes]
    account: NDArray[np.int64]
    kind: NDArray[np.uint8]
    object: NDArray[np.uint64]
    ts: NDArray[np.int64]
    tick: NDArray[np.int64]
    offset: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.object)

    @staticmethod
    def none() -> Signals:
        """No signals."""
        number, wide = np.zeros(0, np.int64), np.zeros(0, np.uint64)
        return Signals([], number, np.zeros(0, np.uint8), wide, number, number, wide)

    def take(self, which: Any) -> Signals:
        """Those selected by a slice, mask or index array; the names stay."""
        return Signals(
            self.names, *(getattr(self, name)[which] for name in self.__slots__ if name != "names")
        )

    def partition(self, partitions: int) -> NDArray[np.uint16]:
        """(n,) partition of usage.signals: all signals of an object meet in one."""
        return partition_of(self.object, partitions)


def partition_of(objects: NDArray[np.uint64], partitions: int) -> NDArray[np.uint16]:
    """Partition of usage.signals of each object."""
    return ((objects >> np.uint64(32)) % np.uint64(partitions)).astype(np.uint16)


def slot_end(ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """End of the slot that each tick (epoch ms) lies in."""
    return -(-ms // SLOT_MS) * SLOT_MS


def columns_of(kinds: Mapping[str, str]) -> list[str]:
    """Columns of the table `events` that `signals` reads for these kinds."""
    wanted = ["account_id", "ts", "tick", "kafka_offset"]
    for made_of in kinds.values():
        column = _COLUMN.get(made_of, made_of)
        wanted.append(column if column in EVENT_SCHEMA.names else "extra")
    if "signup" in kinds.values():
        wanted.append("extra")
    return list(dict.fromkeys(wanted))


def signals(table: pa.Table, kinds: Mapping[str, str]) -> Signals:
    """The signals of rows of `events`; rows that came too late to count bring none.

    Raises:
        KeyError: a column that `columns_of` names is missing.
    """
    tick = _millis(table, "tick")
    if len(tick) and tick.max() >= NEVER:
        table = table.filter(pa.array(tick < NEVER))
        tick = tick[tick < NEVER]
    account, names = _codes(_whole(table.column("account_id")))
    ts = _millis(table, "ts")
    who = mixed(account.view(np.uint64) ^ slot_end(tick).view(np.uint64) << np.uint64(24))
    rows, objects, codes = [], [], []
    for code, (kind, made_of) in enumerate(kinds.items()):
        row, object_ = _objects(table, made_of, hash_word(kind))
        kept = _unrepeated(object_ + who[row], ts[row])
        rows.append(row[kept])
        objects.append(object_[kept])
        codes.append(np.full(len(rows[-1]), code, np.uint8))
    row = np.concatenate([np.zeros(0, np.int64), *rows])
    return Signals(
        names.cast(pa.binary()).to_pylist(),
        account[row],
        np.concatenate([np.zeros(0, np.uint8), *codes]),
        np.concatenate([np.zeros(0, np.uint64), *objects]),
        ts[row],
        tick[row],
        np.asarray(table.column("kafka_offset").to_numpy(), np.uint64)[row],
    )


def _unrepeated(key: NDArray[np.uint64], ts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) False for what an account is seen to repeat on an object in a slot, not earlier.

    `key` stands for account, object and slot. A small table remembers one row for each of its
    places, so some repetitions stay; no action that would count is ever left out.
    """
    bits = np.uint64(max(8, min(18, len(key).bit_length() + 1)))
    place = key * _SCATTER >> (np.uint64(64) - bits)
    marks = np.empty(1 << int(bits), np.int32)
    here = np.arange(len(key), dtype=np.int32)
    marks[place[::-1]] = here[::-1]
    first = marks[place]
    kept: NDArray[np.bool_] = (first == here) | (key[first] != key) | (ts[first] > ts)
    return kept


def _objects(
    table: pa.Table, made_of: str, salt: np.uint64
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Rows that have a value of this field, and the object of each; `salt` stands for the kind."""
    column = _COLUMN.get(made_of, made_of)
    if made_of == "signup":
        return _sign_up(table, salt)
    if column not in EVENT_SCHEMA.names:
        rows, hashes = _extra(table, column)
        return rows, mixed(hashes ^ salt)
    values = _whole(table.column(column))
    if pa.types.is_list(values.type):
        rows, hashes = _listed(values)
        return rows, mixed(hashes ^ salt)
    codes, words = _codes(values)
    objects = mixed(hash_text(words) ^ salt)
    given = np.asarray(pc.binary_length(words).to_numpy(zero_copy_only=False)) > 0
    if given.all():
        return np.arange(len(codes)), objects[codes]
    rows = np.flatnonzero(given[codes]) if given.any() else np.zeros(0, np.int64)
    return rows, objects[codes[rows]]


def _sign_up(table: pa.Table, salt: np.uint64) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The hour in which the account was made, together with where it came from, when told."""
    hour = _millis(table, "account_created_at") // _HOUR_MS
    rows, sources = _extra(table, _SOURCE)
    known = np.flatnonzero(hour > 0)
    if not len(known):
        return known, np.zeros(0, np.uint64)
    hashes = mixed(hour.view(np.uint64))
    hashes[rows] = mixed(hashes[rows] ^ sources)
    return known, mixed(hashes[known] ^ salt)


def _extra(table: pa.Table, name: str) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    maps = _whole(table.column("extra"))
    ends = np.asarray(maps.offsets.to_numpy(), np.int64)
    keys = maps.keys.slice(ends[0], ends[-1] - ends[0])
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    found = np.flatnonzero(pc.equal(keys, name).to_numpy(zero_copy_only=False))
    items = maps.items.slice(ends[0], ends[-1] - ends[0]).take(pa.array(found))
    rows = np.repeat(np.arange(len(maps)), np.diff(ends))[found]
    told = ~pc.is_in(items, pa.array(["", '""', "null"])).to_numpy(zero_copy_only=False)
    return rows[told], hash_text(items.cast(pa.string()))[told]


def _listed(values: pa.ListArray) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    ends = np.asarray(values.offsets.to_numpy(), np.int64)
    flat = values.values.slice(ends[0], ends[-1] - ends[0])
    rows = np.repeat(np.arange(len(values)), np.diff(ends))
    hashes = hash_text(flat)
    given = np.asarray(pc.binary_length(flat).to_numpy(zero_copy_only=False)) > 0
    return (rows, hashes) if given.all() else (rows[given], hashes[given])


def _codes(values: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    """Dictionary codes and the words themselves."""
    if not pa.types.is_dictionary(values.type):
        values = values.cast(pa.string()).dictionary_encode()
    return np.asarray(values.indices.to_numpy(), np.int64), values.dictionary.cast(pa.string())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    whole = column.combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def _millis(table: pa.Table, name: str) -> NDArray[np.int64]:
    return np.asarray(table.column(name).cast(pa.int64()).to_numpy(), np.int64)
