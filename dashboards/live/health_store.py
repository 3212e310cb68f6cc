"""What the store says about the watcher's health, as checks: itself, gaps, letters, memory.

Between the answers (`stored`) and the page `/health`. Where the store has none, what the worker's
status knows is told instead; what neither knows is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dashboards.live.blind import Blind
from dashboards.live.checks import BOARD, Check, State, ended, held_to, runbook, state, worst
from dashboards.live.model import Row, Status
from dashboards.live.stored import DAY_MS, DEAD, Stored
from dashboards.live.words import (
    GAP_MEMORY_MS,
    compact,
    count,
    duration,
    number_word,
    recent_gaps,
)
from dashboards.model.thresholds import DEAD_SHARE, STORE_MS

__all__ = ["gaps_of", "store_check", "stored_checks"]

_MOST_REASONS: Final = 3
_NO_WRITES: Final = (
    "Nothing new is stored or judged while it lasts, and what stands here from the store is "
    "missing or old. Kafka keeps what is not stored."
)
_NO_ANSWERS: Final = (
    "What the pages read from the store is missing or old. The worker's own writes have not failed "
    "so far: it goes on judging, or waits for the same store."
)


def stored_checks(status: Status, stored: Stored) -> list[Check]:
    """All but the store's own."""
    return [
        _blind(status, stored),
        _dead(status, stored),
        _late(status, stored),
        _memory(status, stored),
    ]


def store_check(status: Status, stored: Stored) -> Check:
    """Whether the store takes writes and answers, and how fast."""
    store = status["store"]
    trouble = "" if store["ok"] else store["sentence"] or "it does not take writes"
    write, answer = store["write_ms"], stored.answer_ms
    retries = store.get("retries")
    tries = f"; {count(retries)} tries failed since the start" if retries else ""
    if trouble or stored.trouble:
        what = "does not answer" if stored.trouble else "does not take what is written"
        return Check(
            "Store",
            "off",
            f"The store {what}: {ended(trouble or stored.trouble)}",
            since=store.get("since"),
            means=_NO_WRITES if trouble else _NO_ANSWERS,
            links=(runbook("silent"), BOARD),
        )
    said = "A batch is written in " + duration(write) if write else "No batch was written yet"
    if answer is not None:
        said += f"; a trivial question was answered in {duration(max(answer, 1.0))}"
    return Check(
        "Store",
        worst(*(state(STORE_MS, value) for value in (write or 0.0, answer or 0.0))),
        f"{said}{tries}.",
        held_to(STORE_MS),
        means="Batches grow and the pages answer late: the store is busy, or its disk is.",
        links=(runbook("delay"), BOARD),
    )


def gaps_of(status: Status, stored: Stored) -> list[Blind]:
    """Spans without sight of the last day; those of the worker where the store has no answer."""
    if stored.gaps is not None:
        return list(stored.gaps)
    now = status["now"]
    return [
        Blind(gap.get("partition", -1), gap["started_at"], gap["ended_at"] or now)
        for gap in status["gaps"]
        if (gap["ended_at"] or now) > now - DAY_MS
    ]


def _blind(status: Status, stored: Stored) -> Check:
    """Spans of the stream that nobody saw."""
    name, now = "Blind spans", status["now"]
    held = f"off where one ended within {duration(GAP_MEMORY_MS)}, watch for a day"
    spans, recent = gaps_of(status, stored), recent_gaps(status)
    if not spans and not recent:
        if stored.gaps is None and "last_batch" not in status:
            return Check(name, "unknown", "Not known here while the store does not answer.")
        whose = "" if stored.gaps is not None else " that this worker knows of"
        return Check(name, "well", f"No span of the last 24 hours was missed{whose}.", held)
    fresh = bool(recent) or any(now - span.end < GAP_MEMORY_MS for span in spans)
    said = ended(recent[0]["sentence"]) if recent else ""
    said = said[:1].upper() + said[1:]
    if spans:
        longest = max(spans, key=lambda span: span.end - max(span.start, now - DAY_MS))
        long = duration(longest.end - max(longest.start, now - DAY_MS))
        many = f"{number_word(len(spans))} span{'s were' if len(spans) > 1 else ' was'}"
        where = f" on partition {longest.partition}" if longest.partition >= 0 else ""
        most = f"the longest {long}{where}" if len(spans) > 1 else f"{long}{where}"
        told = f"{many.capitalize()} not seen in the last 24 hours, {most}."
        said = f"{told} {said}".strip()
    newest = max(spans, key=lambda span: span.end).start if spans else recent[0]["started_at"]
    return Check(
        name,
        "off" if fresh else "watch",
        said,
        held,
        max(newest, now - DAY_MS),
        "Nothing there counts as all clear: what happened then was not judged. Charts are hatched.",
        (runbook("blind"), BOARD),
        "the newest from",
    )


def _dead(status: Status, stored: Stored) -> Check:
    """The rule's own share, with its reasons; since the start where the store has no answer."""
    name = "Dead letters"
    minutes = f"the last {DEAD.span_s // 60} minutes"
    if stored.dead:
        share = float(stored.dead[0]["value"])
        why = _reasons(stored.letters or [])
        said = f"{_percent(share)} of all lines of {minutes} could not be understood"
        found = state(DEAD_SHARE, share)
        said = said if share else f"Every line of {minutes} was understood"
    else:
        seen = status["stored"] + status["duplicates"] + status["dead"]
        if not seen:
            return Check(name, "unknown", "No line has arrived since this worker started.")
        share, why = status["dead"] / seen, ""
        found = "told" if stored.dead is not None else state(DEAD_SHARE, share)
        said = f"{count(status['dead'])} of {compact(seen)} lines since this worker started"
        said += f" could not be understood; {minutes} had too few for a share"
        if stored.dead is None:
            said = said.partition(";")[0]
    return Check(
        name,
        found,
        said + (f": {why}." if why else "."),
        held_to(DEAD_SHARE),
        means="A sender sends what does not fit; such events are not judged, their bytes are kept.",
        links=(runbook(DEAD.runbook), BOARD),
    )


def _reasons(letters: Sequence[Row]) -> str:
    """“not_json” 5, by number."""
    parts = [f"{count(row['letters'])} “{row['reason']}”" for row in letters[:_MOST_REASONS]]
    more = len(letters) - _MOST_REASONS
    return ", ".join(parts) + (f" and {count(more)} more reasons" if more > 0 else "")


def _late(status: Status, stored: Stored) -> Check:
    """Events after their tick; those too late for any are not judged."""
    when = "in the last hour"
    if stored.hour:
        row = stored.hour[0]
        events, late, lost = (int(row[key]) for key in ("events", "late", "too_late"))
    else:
        when = "since this worker started"
        events, late, lost = status["stored"], status["late"], status["too_late"]
    if not events:
        quiet: State = "told" if stored.hour else "unknown"
        return Check("Late events", quiet, f"No event has arrived {when}.")
    said = f"{count(late)} of {compact(events)} events {when} came after their tick was closed"
    return Check(
        "Late events",
        "watch" if lost else "well",
        f"{said}, {count(lost) if lost else 'none'} of them too late to be judged."
        if late or lost
        else f"None of {compact(events)} events {when} came late.",
        "watch from one that is too late",
        means="They are stored but count for nothing: a sender's clock is behind, or it held them.",
        links=(runbook("late"), BOARD),
    )


def _memory(status: Status, stored: Stored) -> Check:
    """What the state takes, and from where a restart would go on."""
    name, now = "Memory", status["now"]
    parts, memory = status["partitions"], status.get("memory")
    size = sum(part.get("bytes", 0) for part in parts)
    said = (
        [f"The state of {count(status['accounts'])} accounts takes {_bytes(size)}"] if size else []
    )
    if memory and memory["rss"]:
        of = f" of {_bytes(memory['limit'])}" if memory["limit"] else ""
        said.append(f"the process {_bytes(memory['rss'])}{of}")
    if stored.snapshots is not None and parts:
        taken = {int(row["partition"]): int(row["taken"]) for row in stored.snapshots}
        mine = [taken.get(part["partition"]) for part in parts]
        known = [at for at in mine if at is not None]
        if known:
            said.append(f"the oldest snapshot is {duration(max(now - min(known), 0))} old")
        if lacking := len(mine) - len(known):
            said.append(f"{count(lacking)} of {count(len(mine))} partitions have no snapshot yet")
    if not said:
        return Check(name, "unknown", "Not known here.")
    text = "; ".join(said)
    return Check(name, "told", text[:1].upper() + text[1:] + ".")


def _bytes(number: float) -> str:
    return f"{compact(number)}B"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %"
