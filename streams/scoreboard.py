"""Which planted attacks were found: what the demonstration's traffic did, and what was said of it.

Between the simulated traffic, which knows its attacks, and the terminal. An attack counts as found
when a finding that the budget let through names its account while it goes on, or soon after.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dashboards.live.words import duration
from streams.traffic.simulate.truth import TruthRow

__all__ = ["Found", "Planted", "Scoreboard"]

#: A stride and the end of the clock hour may still tell of an attack that is over.
_AFTERWARDS_MS: Final = 1_800_000
#: The detector that speaks of groups.
_TOGETHER: Final = "coordination"

_FINDINGS: Final = """
SELECT account_id, detector, kind, toUnixTimestamp64Milli(window_end) AS at, sentence
FROM findings
WHERE severity != '' AND window_end >= fromUnixTimestamp64Milli({since}, 'UTC')
UNION ALL
SELECT account_id, detector, kind, toUnixTimestamp64Milli(detected_at) AS at, sentence
FROM alerts
WHERE detector = 'coordination' AND detected_at >= fromUnixTimestamp64Milli({since}, 'UTC')
ORDER BY at, detector
"""

#: Runs a SELECT with parameters and returns its rows.
Query = Callable[[str, Mapping[str, Any]], Awaitable[list[dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Found:
    """The first finding about an attack; `at` in epoch ms of event time."""

    at: int
    detector: str
    kind: str
    sentence: str


@dataclass(slots=True)
class Planted:
    """An attack by one account, or by `members` of which `truth` is the first."""

    truth: TruthRow
    found: Found | None = None
    members: int = 1

    @property
    def name(self) -> str:
        """Its kind in words."""
        return self.truth.kind.replace("_", " ")

    @property
    def who(self) -> str:
        """The account, or how many."""
        return self.truth.account_id if self.members == 1 else f"{self.members} accounts"

    @property
    def together(self) -> bool:
        """Only what is said of the group finds it; members may be found one by one before."""
        return self.truth.kind == "coordinated"

    @property
    def delay(self) -> str:
        """From its beginning to the finding; empty when there is none."""
        return "" if self.found is None else duration(self.found.at - self.truth.started_at)


class Scoreboard:
    """Filled once by the traffic, then kept up to date from the table `findings`."""

    def __init__(self) -> None:
        self.planted: list[Planted] = []
        self._start_ms = 0
        self._told: set[str] = set()

    def plant(self, truth: Sequence[TruthRow], start_ms: int) -> None:
        """The attacks there will be, and when real time begins (epoch ms)."""
        planted: dict[str, Planted] = {}
        for row in sorted(truth, key=lambda row: row.started_at):
            if row.attack_id in planted:
                planted[row.attack_id].members += 1
            else:
                planted[row.attack_id] = Planted(row)
        self.planted = list(planted.values())
        self._start_ms = start_ms

    async def follow(self, query: Query) -> None:
        """Look up once what was found by now."""
        if self.planted:
            since = self.planted[0].truth.started_at
            self.see(await query(_FINDINGS, {"since": since}))

    def see(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Findings (account_id, detector, kind, at, sentence) in order of time."""
        by_account: dict[str, list[Planted]] = {}
        for attack in self.planted:
            if attack.found is None:
                by_account.setdefault(attack.truth.account_id, []).append(attack)
        for row in findings:
            for attack in by_account.get(row["account_id"], ()):
                inside = row["at"] - attack.truth.started_at >= 0
                inside &= row["at"] <= attack.truth.ended_at + _AFTERWARDS_MS
                inside &= not attack.together or row["detector"] == _TOGETHER
                if inside and attack.found is None:
                    attack.found = Found(
                        int(row["at"]), row["detector"], row["kind"], row["sentence"]
                    )

    def begun(self, now_ms: int) -> list[Planted]:
        """Attacks that began by `now_ms` (epoch ms), the latest last."""
        return [attack for attack in self.planted if attack.truth.started_at <= now_ms]

    def headline(self, now_ms: int) -> str:
        """How many were found, and how each of the last was; empty before there is one."""
        begun = self.begun(now_ms)
        if not begun:
            return ""
        found = [attack for attack in begun if attack.found is not None]
        open_ = [attack for attack in begun if attack.found is None]
        text = f"{len(begun)} attacks planted, {len(found)} found"
        if open_:
            text += "; not yet: " + ", ".join(f"{a.name} on {a.who}" for a in open_)
        if found:
            latest = sorted(found, key=lambda attack: -attack.found.at if attack.found else 0)
            text += "; found " + ", ".join(f"{a.name} after {a.delay}" for a in latest)
        return text

    def news(self, now_ms: int) -> list[str]:
        """A line for each attack that was planted, and one for each that was found; each once."""
        lines = [line for attack in self.begun(now_ms) for line in self._lines(attack)]
        lines = [line for line in lines if line not in self._told]
        self._told.update(lines)
        return lines

    def summary(self, now_ms: int) -> str:
        """All of it, as the demonstration ends; empty when nothing was planted."""
        begun = self.begun(now_ms)
        if not begun:
            return ""
        found = sum(attack.found is not None for attack in begun)
        lines = [f"attacks: {len(begun)} planted, {found} found"]
        for attack in begun:
            start = f"  {attack.name:<15} {attack.who:<14}"
            if attack.found is None:
                lines.append(f"{start} not found, begun {self._when(attack)}")
                continue
            lines.append(
                f"{start} found after {attack.delay}, by {attack.found.detector} as "
                f"{attack.found.kind}, begun {self._when(attack)}"
            )
            lines.append(f"      {attack.found.sentence}")
        return "\n".join(lines)

    def _lines(self, attack: Planted) -> list[str]:
        lines = [f"planted: {attack.name} on {attack.who}, {self._when(attack)}"]
        if attack.found is not None:
            lines.append(
                f"found: {attack.name} on {attack.who} after {attack.delay}, by "
                f"{attack.found.detector} as {attack.found.kind}"
            )
        return lines

    def _when(self, attack: Planted) -> str:
        ms = attack.truth.started_at - self._start_ms
        return f"{duration(abs(ms))} {'into' if ms >= 0 else 'before'} real time"
