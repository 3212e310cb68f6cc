"""Where each partition stands, as checks: how late it is scored, what waits, what is being rebuilt.

Between status and store and the page `/health`: this worker's partitions are told from its memory,
those of other workers from what they have stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dashboards.live.checks import BOARD, Check, State, held_to, ordered, runbook, state, worst
from dashboards.live.model import Partition, Rebuilding, Status
from dashboards.live.stored import Stored
from dashboards.live.words import BEHIND_MS, count, duration
from dashboards.model.thresholds import BEHIND_S, LAG

__all__ = ["LATE_LIMIT", "age_state", "other_partitions", "own_partitions", "partition_state"]

_MOST: Final = 8
#: Of other workers, that are named one by one.
_FEW: Final = 3
LATE_LIMIT: Final = (
    f"clock: watch from {duration(BEHIND_S.warning * 1000)} behind, off beyond "
    f"{duration(BEHIND_MS)}"
)


def age_state(status: Status, watermark: int | None) -> State:
    """How far scoring up to `watermark` is from the clock."""
    if status["mode"] == "replay":
        return "told"
    if not watermark:
        return "unknown"
    age = status["now"] - watermark
    if age > BEHIND_MS:
        return "off"
    return "watch" if age >= BEHIND_S.warning * 1000 else "well"


def partition_state(status: Status, part: Partition) -> State:
    """The worse of lag and age."""
    return worst(age_state(status, part["watermark"]), state(LAG, part["lag"]))


def own_partitions(status: Status) -> Iterator[Check]:
    """What is wrong with single ones, or with all of them, and a line on the others."""
    parts = status["partitions"]
    if len(parts) > 1 and all(age_state(status, part["watermark"]) == "off" for part in parts):
        yield _all_late(status)
    else:
        yield from _own(status)
    yield from _rebuilding(status.get("rebuilding", []))


def other_partitions(status: Status, stored: Stored) -> Iterator[Check]:
    """Partitions that other workers read, or nobody, as far as they are behind, the worst first."""
    mine = {part["partition"] for part in (*status["partitions"], *status.get("rebuilding", []))}
    found = [
        (int(row["watermark"]), int(row["partition"]), str(row["reader"]))
        for row in stored.partitions or []
        if age_state(status, int(row["watermark"])) in ("off", "watch")
        and int(row["partition"]) not in mine
    ]
    if len(found) > _FEW:
        mark, number, _ = min(found)
        late = duration(status["now"] - mark)
        said = f"{count(len(found))} partitions that this worker does not read are scored late, "
        yield _other("Other partitions", status, mark, f"{said}partition {number} by {late}.")
        return
    for mark, number, reader in sorted(found):
        said = f"Partition {number} is scored {duration(status['now'] - mark)} late"
        whose = f"; {reader} had it last." if reader else "; this worker does not read it."
        yield _other(f"Partition {number}", status, mark, said + whose)


def _other(name: str, status: Status, mark: int, said: str) -> Check:
    return Check(
        name,
        age_state(status, mark),
        said,
        LATE_LIMIT,
        mark,
        "What happened since is not judged yet: look at the worker that has them, or should.",
        (runbook("scoring-behind"), BOARD),
    )


def _own(status: Status) -> Iterator[Check]:
    parts = sorted(status["partitions"], key=lambda part: part["watermark"] or 0)
    wrong = [part for part in parts if partition_state(status, part) in ("off", "watch")]
    told = ordered([_partition(status, part) for part in wrong])
    yield from told[:_MOST]
    if more := told[_MOST:]:
        said = f"{count(len(more))} more partitions are behind: see the table."
        yield Check("Partitions", worst(*(check.state for check in more)), said)
    if not parts or wrong:
        return
    known = [part["watermark"] for part in parts if part["watermark"]]
    held = f"{count(len(parts))} held here" if len(parts) > 1 else "One held here"
    oldest = f", the last scored {duration(status['now'] - min(known))} ago" if known else ""
    if status["mode"] == "replay":
        oldest = "; a replay has no clock to be behind of"
    found: State = "well" if known else "unknown"
    said = f"{held}, {_messages(status['lag'])} behind{oldest}."
    yield Check("Partitions", found, said, _limit(status))


def _all_late(status: Status) -> Check:
    """One trouble of all, not one of each."""
    parts = [part for part in status["partitions"] if part["watermark"]]
    last = min(parts, key=lambda part: part["watermark"] or 0)
    mark = last["watermark"] or status["now"]
    return Check(
        "Partitions",
        "off",
        f"All {count(len(parts))} partitions are scored late, partition {last['partition']} by "
        f"{duration(status['now'] - mark)}, with {_messages(status['lag'])} behind.",
        _limit(status),
        mark,
        "What happened since is not judged yet: the worker catches up, or cannot keep up."
        if status["lag"]
        else "What happened since is not judged yet: event time does not pass.",
        (runbook("delay" if status["lag"] else "scoring-behind"), BOARD),
    )


def _rebuilding(coming: Sequence[Rebuilding]) -> Iterator[Check]:
    """Partitions whose state is being read back from the store; many are one line."""
    means = "Nothing of it is judged until that is done; then the worker catches up."
    if len(coming) > _MOST:
        begun = [one["since"] for one in coming if one["since"]]
        said = f"{count(len(coming))} partitions are being rebuilt from the store, one by one."
        since = min(begun, default=None)
        links = (runbook("delay"),)
        yield Check("Rebuild", "watch", said, since=since, means=means, links=links)
        return
    for one in coming:
        how = "is being rebuilt" if one["since"] else "waits to be rebuilt"
        yield Check(
            f"Partition {one['partition']}",
            "watch",
            f"Partition {one['partition']} {how} from the store.",
            since=one["since"],
            means=means,
            links=(runbook("delay"),),
        )


def _partition(status: Status, part: Partition) -> Check:
    number, lag, mark = part["partition"], _messages(part["lag"]), part["watermark"]
    late = age_state(status, mark) in ("off", "watch") and mark
    said = f"Partition {number} has {lag} in Kafka that are not stored yet."
    if late and mark:
        said = f"Partition {number} is scored {duration(status['now'] - mark)} late"
        said += f", with {lag} behind." if part["lag"] else "."
    waits = late and part["lag"]
    return Check(
        f"Partition {number}",
        partition_state(status, part),
        said,
        _limit(status),
        mark if late else None,
        "What its accounts did since is not judged yet"
        + (
            ": the worker catches up, or cannot keep up."
            if waits or not late
            else ": event time does not pass there."
        ),
        (runbook("scoring-behind" if late and not part["lag"] else "delay"), BOARD),
    )


def _limit(status: Status) -> str:
    late = "" if status["mode"] == "replay" else f"{LATE_LIMIT}; "
    return f"{late}messages: {held_to(LAG)}"


def _messages(number: int) -> str:
    return f"{count(number)} message" + ("" if number == 1 else "s")
