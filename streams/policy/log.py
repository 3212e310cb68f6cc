"""Which policy ruled which ticks: the table `policy_log`, by which a rebuild folds each tick.

The worker records a policy before the first tick that it rules is folded; whoever rebuilds a
partition reads the history and changes policy where it says. The whole policy is kept as TOML with
nothing left to defaults, so that a later version of the program with other defaults folds old ticks
as they were folded then. Beside it stands how many partitions shared its budget.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

import pyarrow as pa

from detectors.base import Detector, all_detectors
from streams.errors import StoreError
from streams.policy.load import parse
from streams.policy.model import Policy
from streams.policy.problems import PolicyError
from streams.policy.template import written
from streams.storage.base import Store

__all__ = ["Ruled", "history", "record", "ruling"]

_HISTORY: Final = """
SELECT toInt64(toUnixTimestamp64Milli(tick)) AS tick, version, toml, toInt64(partitions) AS parts
FROM policy_log FINAL
WHERE kafka_partition = {partition} AND applied_at >= {since}
ORDER BY tick
"""


class Ruled(NamedTuple):
    """From `tick` (epoch ms) on `policy` rules, its budget shared by so many partitions."""

    tick: int
    policy: Policy
    partitions: int = 1


def record(
    store: Store,
    partition: int,
    tick: int,
    policy: Policy,
    applied_at: int | None = None,
    *,
    partitions: int = 1,
) -> None:
    """`policy` rules the partition from `tick` (epoch ms of event time) on.

    `partitions`: how many the topic of events has, this one among them.

    `applied_at` (epoch ms, default now) decides between two records of one tick: the later rules.

    Raises:
        StoreError: as of the store's `insert`.
    """
    applied = round(time.time() * 1000) if applied_at is None else applied_at
    rows = {
        "kafka_partition": pa.array([partition], pa.uint32()),
        "tick": pa.array([_moment(tick)], pa.timestamp("ms", "UTC")),
        "version": pa.array([policy.version], pa.string()),
        "toml": pa.array([written(policy, comments=False)], pa.string()),
        "partitions": pa.array([partitions], pa.uint32()),
        "applied_at": pa.array([_moment(applied)], pa.timestamp("ms", "UTC")),
    }
    store.insert("policy_log", pa.table(rows))


def history(
    store: Store,
    partition: int,
    *,
    after: int = 0,
    since: int = 0,
    detectors: Sequence[Detector] | None = None,
) -> list[Ruled]:
    """Every policy that ruled the partition with its first tick, ascending.

    Policies that ruled only ticks up to `after` (the tick of the snapshot that a rebuild starts
    from) are left out, as are records made before `since` (epoch ms; an older timeline). A policy
    keeps the version it was recorded with.

    Raises:
        StoreError: a policy that this program cannot follow any more.
    """
    found = all_detectors() if detectors is None else detectors
    rows = store.query(_HISTORY, {"partition": partition, "since": _moment(since)}).to_pylist()
    needed = [
        row
        for row, following in zip(rows, [*rows[1:], None], strict=False)
        # The policy rules up to the tick before the following one.
        if following is None or following["tick"] > after + 1
    ]
    policies: dict[str, Policy] = {}
    for row in needed:
        if row["version"] not in policies:
            policies[row["version"]] = _read(row["toml"], row["version"], partition, found)
    ruled = [Ruled(int(row["tick"]), policies[row["version"]], row["parts"]) for row in needed]
    return [
        item for item, before in zip(ruled, [None, *ruled], strict=False) if not _same(item, before)
    ]


def ruling(ruled: Sequence[Ruled], tick: int) -> Policy | None:
    """The policy of `tick` in a `history`; None before the first."""
    rules = None
    for item in ruled:
        if item.tick > tick:
            break
        rules = item.policy
    return rules


def _same(item: Ruled, before: Ruled | None) -> bool:
    return before is not None and (before.policy.version, before.partitions) == (
        item.policy.version,
        item.partitions,
    )


def _read(toml: str, version: str, partition: int, detectors: Sequence[Detector]) -> Policy:
    try:
        policy = parse(toml, "policy", today=None, detectors=detectors)
    except PolicyError as error:
        raise StoreError(
            f"policy_log: partition {partition} was ruled by policy {version}, which this program "
            f"cannot follow: {error}"
        ) from None
    # Findings made again under it must have the identity they had.
    return replace(policy, version=version)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
