"""What the keeper of clusters reads from the store: slots, meetings, activity, what members did.

Every answer is a function of stored rows and of the slot it is asked for, so a worker that goes on
after a crash reads the same again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detectors.coordination.chance import Moments
from streams.coordination.hashing import hash_text, hash_word, mixed
from streams.events.columns import EVENT_SCHEMA
from streams.features.watermark import NEVER
from streams.storage.base import Store, literal

__all__ = [
    "Actions",
    "actions_of",
    "activity",
    "closed_slot",
    "expression",
    "meetings_of",
    "next_slot",
    "object_of",
]

#: The latest so many events of a member count as evidence.
_MOST_EVENTS: Final = 2000
_SIGN_UP: Final = "concat(toString(toStartOfHour(account_created_at)), ' ', extra['source'])"
_EXPRESSIONS: Final = {"ip": "ip_hash", "signup": f"if(account_created_at = 0, '', {_SIGN_UP})"}
_TICKS: Final = (
    "tick > fromUnixTimestamp64Milli({start}, 'UTC') "
    "AND tick <= fromUnixTimestamp64Milli({slot}, 'UTC')"
)


def closed_slot(store: Store, since: int, partitions: int) -> int:
    """End of the last slot that every partition of usage.signals has closed; 0: none yet."""
    rows = store.query(
        "SELECT signals_partition, toInt64(toUnixTimestamp64Milli(max(l.slot))) AS ms "
        "FROM coordination_log AS l WHERE done = 1 "
        "AND l.since = fromUnixTimestamp64Milli({since}, 'UTC') GROUP BY signals_partition",
        {"since": since},
    )
    ends = rows.column("ms").to_pylist()
    return min(ends) if len(ends) >= partitions else 0


def next_slot(store: Store, since: int, after: int) -> int:
    """The first slot after `after` that brought a meeting; the end of time when none did."""
    rows = store.query(
        "SELECT count() AS n, toInt64(toUnixTimestamp64Milli(min(m.slot))) AS ms "
        "FROM coordination_meetings AS m "
        "WHERE m.since = fromUnixTimestamp64Milli({since}, 'UTC') "
        "AND m.slot > fromUnixTimestamp64Milli({after}, 'UTC')",
        {"since": since, "after": after},
    ).to_pylist()[0]
    return int(rows["ms"]) if rows["n"] else NEVER


def meetings_of(store: Store, since: int, after: int, until: int) -> pa.Table:
    """Meetings of the slots in (after, until], in one order whatever wrote them."""
    return store.query(
        "SELECT toInt64(toUnixTimestamp64Milli(m.slot)) AS slot_ms, account_a, account_b, "
        "toInt64(toUnixTimestamp64Milli(m.time_a)) AS ms_a, "
        "toInt64(toUnixTimestamp64Milli(m.time_b)) AS ms_b, object, toString(kind) AS kind_name, "
        "weight, popularity FROM coordination_meetings AS m "
        "WHERE m.since = fromUnixTimestamp64Milli({since}, 'UTC') "
        "AND m.slot > fromUnixTimestamp64Milli({after}, 'UTC') "
        "AND m.slot <= fromUnixTimestamp64Milli({until}, 'UTC') "
        "ORDER BY slot_ms, account_a, account_b, object, ms_a, ms_b, kind_name",
        {"since": since, "after": after, "until": until},
    )


def activity(store: Store, accounts: Sequence[str], start: int, slot: int) -> dict[str, int]:
    """Distinct ticks in (start, slot] with events, of those accounts that have any."""
    if not accounts:
        return {}
    rows = store.query(
        "SELECT account_id, toUInt64(uniqExact(tick)) AS n FROM events "
        f"WHERE account_id IN {{accounts}} AND {_TICKS} GROUP BY account_id",
        {"accounts": list(accounts), "start": start, "slot": slot},
    )
    return dict(
        zip(rows.column("account_id").to_pylist(), rows.column("n").to_pylist(), strict=True)
    )


def expression(field: str) -> str:
    """The value of a kind as SQL on `events`, text; '' where there is none."""
    if field == "band":
        return "arrayJoin(bands)"
    if field in _EXPRESSIONS:
        return _EXPRESSIONS[field]
    if field in EVENT_SCHEMA.names:
        return f"toString({field})"
    value = f"extra[{literal(field)}]"  # JSON
    return f"if({value} IN ('\"\"', 'null'), '', {value})"


def object_of(kind: str, values: Sequence[str]) -> NDArray[np.uint64]:
    """The hashes by which meetings know these values, but for those of sign-up."""
    return mixed(hash_text(pa.array(values, pa.string())) ^ hash_word(kind))


@dataclass(frozen=True, slots=True)
class Actions:
    """What members did, one row an action and object: n each, and the words of the codes.

    account: code into `members`; item: code into `kinds` and `values` of the objects; ms: epoch ms.
    orgs: of each member the organisation last seen.
    """

    members: list[str]
    orgs: dict[str, str]
    account: NDArray[np.int64]
    item: NDArray[np.int64]
    ms: NDArray[np.int64]
    kinds: list[str]
    values: list[str]

    def moments(self, popularity: Mapping[int, float]) -> Moments:
        """For the chance figure; `popularity` by hash of the object."""
        accounts = self.popular(popularity)[self.item]
        return Moments(self.account, self.item.astype(np.uint64), self.ms, accounts)

    def popular(self, popularity: Mapping[int, float]) -> NDArray[np.float32]:
        """Accounts on each object, infinite where no meeting told it."""
        found = np.full(len(self.values), np.inf, np.float32)
        for kind in dict.fromkeys(self.kinds):
            places = [place for place, name in enumerate(self.kinds) if name == kind]
            hashes = object_of(kind, [self.values[place] for place in places])
            for place, value in zip(places, hashes.tolist(), strict=True):
                found[place] = popularity.get(value, np.inf)
        return found


def actions_of(
    store: Store, members: Sequence[str], fields: Mapping[str, str], start: int, slot: int
) -> Actions:
    """What `members` did in ticks of (start, slot], on objects that two of them share.

    `fields` are the kinds by name, as in the policy.
    """
    names = sorted(members)
    columns = ", ".join(
        f"[{expression(field)}] AS k{place}" if field != "band" else f"bands AS k{place}"
        for place, field in enumerate(fields.values())
    )
    sql = (
        "SELECT account_id, toString(org_id) AS org, toInt64(toUnixTimestamp64Milli(ts)) AS ms, "
        f"{columns} FROM events WHERE account_id IN {{members}} AND {_TICKS} "
        "ORDER BY account_id, ts DESC, event_id LIMIT {most} BY account_id"
    )
    rows = store.query(sql, {"members": names, "start": start, "slot": slot, "most": _MOST_EVENTS})
    code = {name: place for place, name in enumerate(names)}
    accounts = np.array([code[name] for name in rows.column("account_id").to_pylist()], np.int64)
    ms = np.asarray(rows.column("ms").to_numpy(), np.int64)
    orgs: dict[str, str] = {}
    for name, org in zip(
        rows.column("account_id").to_pylist(), rows.column("org").to_pylist(), strict=True
    ):
        orgs.setdefault(name, org)
    account, item, moment, kinds, values = [], [], [], list[str](), list[str]()
    for place, kind in enumerate(fields):
        row, codes, words = _exploded(rows.column(f"k{place}"))
        pairs = np.unique(np.stack([codes, accounts[row]]), axis=1)
        wanted = np.bincount(pairs[0], minlength=len(words)) > 1
        wanted[[place for place, word in enumerate(words) if not word]] = False
        kept = wanted[codes]
        renumbered = np.cumsum(wanted) - 1 + len(values)
        account.append(accounts[row[kept]])
        item.append(renumbered[codes[kept]])
        moment.append(ms[row[kept]])
        shared = [word for word, keep in zip(words, wanted.tolist(), strict=True) if keep]
        values += shared
        kinds += [kind] * len(shared)
    nothing = np.zeros(0, np.int64)
    return Actions(
        names,
        orgs,
        np.concatenate([nothing, *account]),
        np.concatenate([nothing, *item]),
        np.concatenate([nothing, *moment]),
        kinds,
        values,
    )


def _exploded(
    column: pa.ChunkedArray,
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Rows, codes and words of a column of lists of text; the words in order."""
    lists = column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.chunk(0) if lists.num_chunks else pa.array([], column.type)
    ends = np.asarray(lists.offsets.to_numpy(), np.int64)
    flat = lists.values.slice(ends[0], ends[-1] - ends[0]).cast(pa.string()).to_pylist()
    words = sorted(set(flat))
    code = {word: place for place, word in enumerate(words)}
    codes = np.fromiter((code[word] for word in flat), np.int64, len(flat))
    return np.repeat(np.arange(len(lists)), np.diff(ends)), codes, words
