"""What a worker's own status says about its health, as checks; the store is not asked.

Between the status and the page `/health`. Limits are those of the first page's verdict (`words`)
and of the boards and rules (`dashboards.model.thresholds`); there are no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dashboards.live.checks import BOARD, Check, State, held_to, runbook, state
from dashboards.live.health_partitions import LATE_LIMIT, age_state, own_partitions
from dashboards.live.model import Status
from dashboards.live.words import behind, compact, count, duration
from dashboards.model.thresholds import BEHIND_S, DELAY_S, SILENT_S

__all__ = ["own_checks", "quiet_so_far"]


_CLUSTERS: Final = ("Clusters board", "/board/clusters")


def own_checks(status: Status) -> list[Check]:
    """Broker, stream, partitions, delay, scoring, coordination, policy, memory."""
    return [
        *_broker(status),
        *_stream(status),
        *own_partitions(status),
        _delay(status),
        _scoring(status),
        *_coordination(status),
        *_policy(status),
    ]


def quiet_so_far(status: Status) -> bool:
    """Nothing has ever arrived: there is nothing to be behind of."""
    return not status["stored"] and not status["accounts"]


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


def _delay(status: Status) -> Check:
    name, delay, alert = "Delay", status["delay_ms"], status["alert_ms"]
    if delay is None:
        return Check(name, "unknown", "Nothing was stored since this worker started.")
    said = f"Half of the last batches were stored within {duration(delay['p50'])} of Kafka"
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
        tick_ms = status.get("scoring_s", 0.0) / ticks * 1000
        said += f"; a tick takes {duration(tick_ms) if tick_ms >= 1 else 'under 1 ms'} to judge"
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
    reached, late = "", False
    if closed and status["mode"] != "replay":
        age = status["now"] - min(closed)
        reached, late = f"judged up to {duration(age)} ago", age >= BEHIND_S.alarm * 1000
    if not told["ok"]:
        yield Check(
            "Groups",
            "off",
            told["sentence"] or "Groups of accounts are not judged.",
            "",
            min(closed) if closed else None,
            "New groups of accounts, and newcomers to known ones, are not told until it is over.",
            (runbook("coordination"), _CLUSTERS),
        )
    elif not closed:
        yield Check("Groups", "unknown", "No slot of signals was closed here yet.")
    else:
        met = count(sum(part["meetings"] for part in parts))
        many = f"{count(len(parts))} partition{'s' * (len(parts) != 1)}"
        kept = f"{met} meetings of accounts in {many} of signals"
        yield Check(
            "Groups",
            "watch" if late else "well",
            "; ".join(one for one in (kept, reached) if one) + ".",
            f"watch from {BEHIND_S.alarm:g} s behind the clock" if reached else "",
            min(closed) if late else None,
            "What accounts did together since is not judged yet.",
            (runbook("coordination"), _CLUSTERS),
        )


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
