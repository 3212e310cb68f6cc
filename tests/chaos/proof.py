"""The proof: what the topic holds against what the tables hold, and one store against another.

What to expect is worked out here from the bytes in the topic alone, without the product's decoder:
a line with the word DEFECT must be a dead letter, a heartbeat nothing, and any other line an event,
of which the first with its account and id counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from streams.storage.base import Store
from tests.chaos.traffic import DEFECT

__all__ = ["Expected", "Verdict", "compared", "contents", "expected_of", "judged"]

#: Partition, offset, line.
Place = tuple[int, int, int]
#: Partition, offset and value of one message, ascending within a partition.
Record = tuple[int, int, bytes]


@dataclass(slots=True)
class Expected:
    """What must be stored, and where it stood: (account, event id) and dead letters."""

    events: dict[tuple[str, str], Place] = field(default_factory=dict)
    letters: set[Place] = field(default_factory=set)
    lines: int = 0


@dataclass(slots=True)
class Verdict:
    """What differs, as sentences; empty lists are the proof."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    roll_up: list[str] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether everything is as it should be."""
        return not (
            self.lost
            or self.doubled
            or self.strange
            or self.roll_up
            or self.markers
            or self.incidents
        )

    def line(self) -> str:
        """The closing line of a run."""
        counted = f"lost {len(self.lost)}, doubled {len(self.doubled)}, strange {len(self.strange)}"
        named = (
            ("roll-up", self.roll_up),
            ("markers", self.markers),
            ("incidents", self.incidents),
        )
        return ", ".join([counted, *(f"{n} {'differ' if bad else 'equal'}" for n, bad in named)])

    def details(self, limit: int = 20) -> list[str]:
        """The first differences of each kind."""
        kinds = ("lost", "doubled", "strange", "roll_up", "markers", "incidents")
        return [f"{kind}: {item}" for kind in kinds for item in getattr(self, kind)[:limit]]


def expected_of(records: Iterable[Record]) -> Expected:
    """What the records of a topic must become."""
    expected = Expected()
    for partition, offset, value in records:
        for number, line in enumerate(value.split(b"\n")):
            place = (partition, offset, number)
            if DEFECT in line:
                expected.letters.add(place)
            elif not line.startswith(b'{"heartbeat"'):
                event = json.loads(line)
                expected.events.setdefault((event["account_id"], event["event_id"]), place)
            expected.lines += 1
    return expected


def judged(store: Store, expected: Expected) -> Verdict:
    """Every event and dead letter once, where it first stood; roll-up and markers in step."""
    verdict = Verdict()
    events = Counter[tuple[str, str]]()
    for row in _rows(
        store, "SELECT account_id, event_id, kafka_partition, kafka_offset, line FROM events"
    ):
        key = (row[0], row[1])
        events[key] += 1
        if key not in expected.events:
            verdict.strange.append(f"event {key} is stored and was never sent")
        elif events[key] == 1 and (row[2], row[3], row[4]) != expected.events[key]:
            verdict.strange.append(
                f"event {key} is stored from {row[2:]}, not {expected.events[key]}"
            )
    verdict.lost += [
        f"event {key} of {at}" for key, at in expected.events.items() if key not in events
    ]
    verdict.doubled += [f"event {key} stored {n} times" for key, n in events.items() if n > 1]
    letters = Counter(_rows(store, "SELECT kafka_partition, kafka_offset, line FROM dead_letters"))
    verdict.lost += [f"dead letter of {at}" for at in sorted(expected.letters) if at not in letters]
    verdict.doubled += [
        f"dead letter of {at} stored {n} times" for at, n in letters.items() if n > 1
    ]
    verdict.strange += [f"dead letter of {at}" for at in letters if at not in expected.letters]
    verdict.roll_up += _roll_up(store)
    verdict.markers += _markers(store, len(expected.events))
    return verdict


_SUMS = ("requests", "prompt_tokens", "completion_tokens", "errors", "throttled", "short_outputs")
_ROLL_UP = f"""
SELECT account_id, toString(minute) AS at, {", ".join(f"sum({n}) AS {n}_left" for n in _SUMS)}
FROM (
    SELECT account_id, minute, {", ".join(f"toInt64({n}) AS {n}" for n in _SUMS)}
    FROM account_minute
    UNION ALL
    SELECT account_id, toStartOfMinute(ts) AS minute, -toInt64(count()) AS requests,
        -toInt64(sum(e.prompt_tokens)) AS prompt_tokens,
        -toInt64(sum(e.completion_tokens)) AS completion_tokens,
        -toInt64(countIf(status >= 400 AND status != 429)) AS errors,
        -toInt64(countIf(status = 429)) AS throttled,
        -toInt64(countIf(e.completion_tokens > 0 AND e.completion_tokens <= 32)) AS short_outputs
    FROM events AS e GROUP BY account_id, minute
) GROUP BY account_id, minute
HAVING {" OR ".join(f"{name}_left != 0" for name in _SUMS)}
ORDER BY account_id, minute LIMIT 1000
"""


def _roll_up(store: Store) -> list[str]:
    return [
        f"{row[0]} at {row[1]}: too many by "
        + ", ".join(f"{left} {name}" for name, left in zip(_SUMS, row[2:], strict=True) if left)
        for row in _rows(store, _ROLL_UP)
    ]


def _markers(store: Store, events: int) -> list[str]:
    """The batches of each partition follow each other without gap or overlap, and add up."""
    found: list[str] = []
    ends: dict[int, int] = {}
    stored = 0
    sql = (
        "SELECT kafka_partition, first_offset, next_offset, stored FROM ingest_log FINAL "
        "ORDER BY kafka_partition, first_offset"
    )
    for partition, first, following, count in _rows(store, sql):
        if partition in ends and first != ends[partition]:
            found.append(
                f"partition {partition}: a batch ends at {ends[partition]}, "
                f"the next starts at {first}"
            )
        ends[partition] = following
        stored += count
    if stored != events:
        found.append(f"the batches say they stored {stored} events, expected {events}")
    return found


#: Table, what names a row in it, and its columns without the time of writing, in which two runs
#: over the same bytes may differ.
_COMPARED = (
    (
        "events",
        ("account_id", "event_id"),
        "account_id, event_id, stream_id, kafka_partition, kafka_offset, line, tick, late, "
        "cityHash64(* EXCEPT (arrived_at)) AS content",
    ),
    ("findings", ("finding_id",), "* EXCEPT (stored_at)"),
    ("incidents", ("incident_id",), "* EXCEPT (stored_at)"),
    ("alerts", ("alert_id",), "* EXCEPT (stored_at)"),
    ("dead_letters", ("letter_id",), "* EXCEPT (arrived_at)"),
)


def contents(store: Store) -> dict[str, pa.Table]:
    """What two runs over the same bytes must agree on, ordered."""
    return {
        table: store.query(f"SELECT {columns} FROM {table} ORDER BY {', '.join(names)}")
        for table, names, columns in _COMPARED
    }


def compared(ours: dict[str, pa.Table], undisturbed: dict[str, pa.Table]) -> list[str]:
    """Rows that differ between the contents of a run and of an undisturbed one."""
    found: list[str] = []
    for table, names, _ in _COMPARED:
        if not ours[table].equals(undisturbed[table]):
            found += _differences(table, names, ours[table], undisturbed[table])
    return found


def _differences(table: str, names: Sequence[str], first: pa.Table, second: pa.Table) -> list[str]:
    def by_name(rows: pa.Table) -> dict[tuple[object, ...], dict[str, object]]:
        return {tuple(row[name] for name in names): row for row in rows.to_pylist()}

    found = []
    if first.num_rows != second.num_rows:
        found.append(f"{table}: {first.num_rows} rows, undisturbed {second.num_rows}")
    ours, theirs = by_name(first), by_name(second)
    for name in sorted(set(ours) | set(theirs), key=str):
        if name not in ours or name not in theirs:
            where = "undisturbed" if name in theirs else "disturbed"
            found.append(f"{table} {name}: only in the {where} run")
        elif ours[name] != theirs[name]:
            columns = {
                k: (v, theirs[name][k]) for k, v in ours[name].items() if v != theirs[name][k]
            }
            found.append(f"{table} {name}: differs in {columns}")
    return found


def _rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    table = store.query(sql)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
