"""Whether people hear of what is found, and of how much, as checks: channels and the shift's pages.

Between the answers of the store (`stored`) and the page `/health`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dashboards.live.checks import BOARD, Check, State, ended, held_to, runbook, state
from dashboards.live.model import Row
from dashboards.live.stored import CHANNEL, Stored
from dashboards.live.words import count, number_word
from dashboards.model.thresholds import BUDGET

__all__ = ["budget", "channels"]

_QUALITY: Final = ("Quality board", "/board/quality")
_MOST_CHANNELS: Final = 8


def budget(stored: Stored) -> Check:
    """Pages of the shift against the policy."""
    if stored.pages is None:
        return Check("Pages this shift", "unknown", "Not known while the store does not answer.")
    pages, allowed = stored.pages
    if not allowed or not allowed["pages"]:
        said = f"{count(pages)} incidents opened this shift; the policy's budget counts no pages."
        return Check("Pages this shift", "told", said)
    said = f"{count(pages)} pages; the policy allows {count(allowed['pages'])} in "
    return Check(
        "Pages this shift",
        state(BUDGET, pages / allowed["pages"]),
        f"{said}{count(allowed['hours'])} hours.",
        f"of what is allowed: {held_to(BUDGET)}",
        means="Many accounts misuse at once, or the policy no longer fits the traffic.",
        links=(runbook("budget"), _QUALITY),
    )


def channels(stored: Stored) -> Iterator[Check]:
    """Channels that do not take messages, then the others in a line."""
    if stored.channels is None or stored.failed is None:
        yield Check("Notifications", "unknown", "Not known while the store does not answer.")
        return
    failed = {str(row["channel"]): row for row in stored.failed}
    for name, row in list(failed.items())[:_MOST_CHANNELS]:
        trouble = ended(f": {row['trouble']}") if row["trouble"] else "."
        yield Check(
            f"Channel {name}",
            "off",
            f"Channel {name} did not take {_messages(row['value'])} in the last hour{trouble}",
            f"off from {CHANNEL.threshold:g} given up in {CHANNEL.span_s // 3600} hour",
            means="People were not told of what these were about: look at the open incidents.",
            links=(runbook(CHANNEL.runbook), BOARD),
        )
    others = [row for row in stored.channels if str(row["channel"]) not in failed]
    for row in [row for row in others if row["waiting"] and row["last_error"]][:_MOST_CHANNELS]:
        waiting = int(row["waiting"])
        wait = "waits" if waiting == 1 else "wait"
        yield Check(
            f"Channel {row['channel']}",
            "watch",
            f"{_messages(waiting)} {wait}; it last said: {ended(str(row['last_error']))}",
            means="They are sent when it answers again.",
            links=(runbook(CHANNEL.runbook), BOARD),
        )
    yield _all_channels(stored.channels, failed, stored.silences)


def _all_channels(channels: Sequence[Row], failed: object, silences: list[Row] | None) -> Check:
    active = int(silences[0]["active"]) if silences else 0
    quiet = f"; {count(active)} silence{'s are' if active != 1 else ' is'} active" if active else ""
    if not channels:
        said = f"No message was due in the last 24 hours{quiet}."
        return Check("Notifications", "told", said)
    keys = ("sent", "waiting", "failed", "silenced")
    sent, waiting, lost, silenced = (sum(int(row[key]) for row in channels) for key in keys)
    told = f"{count(sent)} sent, {count(waiting)} waiting, {count(lost)} given up"
    held = f", {count(silenced)} silenced" if silenced else ""
    over = f" in 24 hours over {number_word(len(channels))} channel{'s'[: len(channels) > 1]}"
    found: State = "told" if failed or lost else "well"
    return Check("Notifications", found, f"{told}{held}{over}{quiet}.")


def _messages(number: float) -> str:
    return f"{count(number)} message" + ("" if number == 1 else "s")
