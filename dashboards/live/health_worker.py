"""What a worker's own status says about its health, as checks; the store is not asked.

Between the status and the page `/health`. Limits are those of the first page's verdict (`words`)
and of the boards and rules (`dashboards.model.thresholds`); there are no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dashboards.live.checks import BOARD, Check, State, held_to, runbook, state, worst
from dashboards.live.model import Partition, Rebuilding, Status
from dashboards.live.words import BEHIND_MS, behind, compact, count, duration
from dashboards.model.thresholds import BEHIND_S, DELAY_S, LAG, SILENT_S

__all__ = ["LATE_LIMIT", "age_state", "own_checks", "partition_state", "quiet_so_far"]

_MOST_PARTITIONS: Final = 8
LATE_LIMIT: Final = (
    f"to watch from {duration(BEHIND_S.warning * 1000)} behind the clock, off beyond "
    f"{duration(BEHIND_MS)}"
)
_REPLAY: Final = "a replay has no clock to be behind of"


def own_checks(status: Status) -> list[Check]:
    """Broker, stream, partitions, delay, scoring, coordination, policy, memory."""
    return [
        *_broker(status),
        *_stream(status),
        *_partitions(status),
        _delay(status),
        _scoring(status),
        *_coordination(status),
        *_policy(status),
    ]


def quiet_so_far(status: Status) -> bool:
    """Nothing has ever arrived: there is nothing to be behind of."""
    return not status["stored"] and not status["accounts"]


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


def _broker(status: Status) -> Iterator[Check]:
    broker = status["broker"]
    if broker["ok"]:
        return
    yield Check(
        "Broker",
        "off",
        broker["sentence"] or "The broker does not answer",
        since=broker.get("since"),
        means="The stream waits; Kafka keeps what is not stored, and nothing is all clear.",
        links=(runbook("silent"), BOARD),
    )


def _stream(status: Status) -> Iterator[Check]:
    """Whether batches come, how fast, and how many messages wait."""
    name, last = "Stream", status.get("last_batch")
    rate = f"{compact(status['rate'])} events a second are stored"
    parts, coming = status["partitions"], status.get("rebuilding", [])
    if not parts:
        what = (
            "its partitions are being rebuilt"
            if coming
            else "it holds none; others have them, or they are not assigned yet"
        )
        yield Check(name, "unknown", f"This worker reads no partition: {what}.")
        return
    silent = status["now"] - (last if last is not None else status["started"])
    found = state(SILENT_S, silent / 1000)
    if quiet_so_far(status):
        said = "Nothing has arrived on the topic of events yet."
        yield Check(name, "unknown", said, since=status["started"])
    elif status["mode"] == "replay" or "last_batch" not in status or found == "well":
        lag = f"{count(status['lag'])} messages wait in Kafka"
        yield Check(name, "well", f"{rate}; {lag}.", f"silence: {held_to(SILENT_S)}")
    else:
        when = "for" if last is not None else "since it started,"
        yield Check(
            name,
            found,
            f"Nothing was stored {when} {duration(silent)}; {count(status['lag'])} messages wait.",
            f"silence: {held_to(SILENT_S)}",
            last if last is not None else status["started"],
            "Nothing is judged, nothing is all clear; nothing is lost while Kafka keeps it.",
            (runbook("silent"), BOARD),
        )


def _partitions(status: Status) -> Iterator[Check]:
    """What is wrong with single ones, and a line on the others."""
    troubled = 0
    for part in status["partitions"]:
        if partition_state(status, part) in ("off", "watch"):
            troubled += 1
            if troubled <= _MOST_PARTITIONS:
                yield _partition(status, part)
    if troubled > _MOST_PARTITIONS:
        more = count(troubled - _MOST_PARTITIONS)
        yield Check("Partitions", "off", f"{more} more partitions are behind: see the table.")
    yield from _rebuilding(status.get("rebuilding", []))
    if status["partitions"] and not troubled:
        number = len(status["partitions"])
        lag = f"{count(status['lag'])} messages behind"
        known = [part["watermark"] for part in status["partitions"] if part["watermark"]]
        oldest = f", the last scored {duration(status['now'] - min(known))} ago" if known else ""
        if status["mode"] == "replay":
            oldest = f"; {_REPLAY}"
        held = f"{count(number)} held here" if number > 1 else "One held here"
        found: State = "well" if known else "unknown"
        yield Check("Partitions", found, f"{held}, {lag}{oldest}.", _partition_limit(status))


def _rebuilding(coming: Sequence[Rebuilding]) -> Iterator[Check]:
    """Partitions whose state is being read back from the store; many are one line."""
    means = "Nothing of it is judged until that is done; then the worker catches up."
    if len(coming) > _MOST_PARTITIONS:
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
    number, lag, mark = part["partition"], count(part["lag"]), part["watermark"]
    late = age_state(status, mark) in ("off", "watch") and mark
    said = f"Partition {number} has {lag} messages in Kafka that are not stored yet."
    if late and mark:
        said = f"Partition {number} is scored {duration(status['now'] - mark)} late"
        said += f", with {lag} messages behind." if part["lag"] else "."
    waits = late and part["lag"]
    return Check(
        f"Partition {number}",
        partition_state(status, part),
        said,
        _partition_limit(status),
        mark if late else None,
        "What its accounts did since is not judged yet"
        + (
            ": the worker catches up, or cannot keep up."
            if waits or not late
            else ": event time does not pass there."
        ),
        (runbook("scoring-behind" if late and not part["lag"] else "delay"), BOARD),
    )


def _partition_limit(status: Status) -> str:
    late = "" if status["mode"] == "replay" else f"{LATE_LIMIT}; "
    return f"{late}messages: {held_to(LAG)}"


def _delay(status: Status) -> Check:
    name, delay, alert = "Delay", status["delay_ms"], status["alert_ms"]
    if delay is None:
        return Check(name, "unknown", "Nothing was stored since this worker started.")
    said = f"Half of the batches are stored within {duration(delay['p50'])} of Kafka"
    said += f", 99 % within {duration(delay['p99'])}"
    said += f"; 99 % of alerts within {duration(alert['p99'])}." if alert else "; no alert yet."
    found: State = "told" if status["mode"] == "replay" else state(DELAY_S, delay["p99"] / 1000)
    return Check(
        name,
        found,
        said,
        f"99 %: {held_to(DELAY_S)}",
        means="What stands on the pages is so much older than it looks.",
        links=(runbook("delay"), BOARD),
    )


def _scoring(status: Status) -> Check:
    """Whether ticks close, what a tick costs, how many of the busiest have no usual yet."""
    late = behind(status)
    told = any(age_state(status, part["watermark"]) == "off" for part in status["partitions"])
    said = f"{count(status['accounts'])} accounts are watched"
    ticks = status.get("ticks", 0)
    if ticks:
        said += f"; a tick takes {duration(status.get('scoring_s', 0.0) / ticks * 1000)} to judge"
    if cold := sum(hot["usual_5m"] is None for hot in status["hottest"]):
        said += f"; {count(cold)} of the {count(len(status['hottest']))} busiest still warm up"
    if late and not told:
        return Check(
            "Detectors",
            "off",
            f"Scoring is {duration(late)} behind. {said}.",
            LATE_LIMIT,
            status["watermark"],
            "What happened since is not judged yet.",
            (runbook("scoring-behind"), BOARD),
        )
    if status["watermark"] is None:
        return Check("Detectors", "unknown", "No tick was closed yet.")
    return Check("Detectors", "told" if late else "well", f"{said}.")


def _coordination(status: Status) -> Iterator[Check]:
    """Groups: empty where the worker does not look for them."""
    told = status.get("coordination")
    if told is None:
        return
    if not told:
        yield Check("Groups", "told", "This worker does not look for groups of accounts.")
        return
    parts = told.get("partitions", [])
    closed = [part["closed"] for part in parts if part["closed"]]
    reached = ""
    if closed and status["mode"] != "replay":
        reached = f"judged up to {duration(status['now'] - min(closed))} ago"
    if not told["ok"]:
        yield Check(
            "Groups",
            "off",
            told["sentence"] or "Groups of accounts are not judged.",
            "",
            min(closed) if closed else None,
            "New groups of accounts, and newcomers to known ones, are not told until it is over.",
            (runbook("coordination"), ("Clusters board", "/board/clusters")),
        )
    elif not closed:
        yield Check("Groups", "unknown", "No slot of signals was closed here yet.")
    else:
        met = count(sum(part["meetings"] for part in parts))
        many = f"{count(len(parts))} partition{'s' * (len(parts) != 1)}"
        kept = f"{met} meetings of accounts in {many} of signals"
        yield Check("Groups", "well", "; ".join(one for one in (kept, reached) if one) + ".")


def _policy(status: Status) -> Iterator[Check]:
    if "policy" not in status:
        return
    version, problem = status["policy"]["version"], status["policy"]["problem"]
    said = f"Policy {version} is in force." if version else "No partition has a policy yet."
    if problem:
        yield Check(
            "Policy",
            "watch",
            f"{problem}. {said}",
            means="What the file says now does not count; the policy before stays in force.",
            links=(runbook("policy"),),
        )
    else:
        yield Check("Policy", "well" if version else "unknown", said)
