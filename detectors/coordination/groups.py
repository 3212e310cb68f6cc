"""Groups with an identity: which community of this tick is the group of the tick before.

After the communities, which know nothing of time. A group keeps its id while it grows and shrinks:
a community is the group with which it has most accounts in common. When a group falls apart the
larger part keeps the id and the other says from which it split; when two become one the id of the
one with more accounts in it stays, and the other is recorded as merged. A member that is missing
stays for a while (hysteresis), a group that is silent keeps its id for longer.

Pure and deterministic; ticks without a change may be left out: what is due by time bears the time
at which it was due.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

__all__ = ["Change", "Group", "Groups", "Member"]

What = Literal["founded", "joined", "left", "split", "merged", "silent", "back", "ended"]

#: A community is an old group when they share this part of the smaller of the two.
_SAME: Final = 1.0 / 3.0


@dataclass(slots=True)
class Member:
    """Since when an account belongs, how strongly (its score), and since when it is missing (0)."""

    joined_at: int
    score: float
    reason: str
    absent_since: int = 0


@dataclass(slots=True)
class Group:
    """Members by account; times are epoch ms. `silent_since` is 0 while it is seen."""

    group_id: str
    since: int
    seen_at: int
    members: dict[str, Member] = field(default_factory=dict)
    silent_since: int = 0
    parent: str = ""  # the group it split from


@dataclass(frozen=True, slots=True)
class Change:
    """Something a person may want to know: at `at` (epoch ms) this happened to the group.

    `account` for joined and left, `other` is the other group of a split, a merger or a move.
    """

    at: int
    group_id: str
    what: What
    account: str = ""
    reason: str = ""
    other: str = ""


class Groups:
    """All groups of one timeline, by id.

    leave_after_ms: a member missing for so long has left. forget_after_ms: a group silent for so
    long has ended.
    """

    def __init__(self, leave_after_ms: int, forget_after_ms: int) -> None:
        self._leave_after = leave_after_ms
        self._forget_after = forget_after_ms
        self.by_id: dict[str, Group] = {}

    def follow(self, found: Sequence[Mapping[str, float]], tick: int) -> list[Change]:
        """The communities of a tick (score by account, no account in two); what changed by them."""
        changes = self._due(tick)
        found = sorted((one for one in found if one), key=min)
        taken = self._matched(found)
        merged = self._merged(found, taken)
        for place, scores in enumerate(found):
            group = taken.get(place)
            if group is None:
                group = self._founded(scores, tick, changes)
            elif group.silent_since:
                group.silent_since = 0
                changes.append(Change(tick, group.group_id, "back"))
            self._members(group, scores, tick, changes)
            for other in merged.get(place, ()):
                reason = f"the group is part of {group.group_id} now"
                changes += _all_leave(other, tick, reason)
                changes.append(Change(tick, other.group_id, "merged", other=group.group_id))
                del self.by_id[other.group_id]
        seen = {id(group) for group in taken.values()}
        for group in self._ordered():
            if id(group) not in seen and group.seen_at < tick and not group.silent_since:
                group.silent_since = tick
                changes.append(Change(tick, group.group_id, "silent"))
        return changes

    def next_due(self) -> int | None:
        """When (epoch ms) something will happen by time alone; None when nothing will."""
        return min(
            (at for group in self.by_id.values() for at, _ in self._ends(group)), default=None
        )

    def _ends(self, group: Group) -> list[tuple[int, str]]:
        """When which member (or with "" the group) will be gone for good."""
        if group.silent_since:
            return [(group.silent_since + self._forget_after, "")]
        return [
            (member.absent_since + self._leave_after, account)
            for account, member in group.members.items()
            if member.absent_since
        ]

    def _due(self, tick: int) -> list[Change]:
        changes = []
        for group in self._ordered():
            for at, account in sorted(self._ends(group)):
                if at > tick:
                    break
                if account:
                    del group.members[account]
                    changes.append(
                        Change(at, group.group_id, "left", account, "no ties to the group any more")
                    )
                else:
                    del self.by_id[group.group_id]
                    changes += _all_leave(group, at, "the group was silent for long")
                    changes.append(Change(at, group.group_id, "ended"))
        return sorted(
            changes, key=lambda change: (change.at, change.group_id, change.what == "ended")
        )

    def _ordered(self) -> list[Group]:
        return sorted(self.by_id.values(), key=lambda group: (group.since, group.group_id))

    def _overlaps(self, scores: Mapping[str, float]) -> list[tuple[int, Group]]:
        """Groups that are the same as a community or a part of it, with accounts in common."""
        result = []
        for group in self._ordered():
            common = len(scores.keys() & group.members.keys())
            if common and common >= _SAME * min(len(scores), len(group.members)):
                result.append((common, group))
        return result

    def _matched(self, found: Sequence[Mapping[str, float]]) -> dict[int, Group]:
        """By place in `found` the group it is: the largest overlap first, then the likest."""
        pairs = [
            (
                -common,
                -common / len(scores.keys() | group.members.keys()),
                group.since,
                place,
                group,
            )
            for place, scores in enumerate(found)
            for common, group in self._overlaps(scores)
        ]
        taken: dict[int, Group] = {}
        used: set[str] = set()
        for _, _, _, place, group in sorted(
            pairs, key=lambda pair: (*pair[:3], pair[4].group_id, pair[3])
        ):
            if place not in taken and group.group_id not in used:
                taken[place] = group
                used.add(group.group_id)
        return taken

    def _merged(
        self, found: Sequence[Mapping[str, float]], taken: Mapping[int, Group]
    ) -> dict[int, list[Group]]:
        """By place the groups that went into another one: at least half of their accounts did."""
        used = {group.group_id for group in taken.values()}
        result: dict[int, list[Group]] = {}
        for place, scores in enumerate(found):
            if place not in taken:
                continue
            for common, group in self._overlaps(scores):
                if group.group_id not in used and 2 * common >= len(group.members):
                    result.setdefault(place, []).append(group)
                    used.add(group.group_id)
        return result

    def _founded(self, scores: Mapping[str, float], tick: int, changes: list[Change]) -> Group:
        origin = max(
            self._overlaps(scores), key=lambda pair: (pair[0], -pair[1].since), default=None
        )
        text = "\n".join([str(tick), *sorted(scores)])
        name = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        parent = origin[1].group_id if origin else ""
        group = self.by_id[name] = Group(name, tick, tick, parent=parent)
        changes.append(Change(tick, name, "founded"))
        if parent:
            changes.append(Change(tick, name, "split", other=parent))
        return group

    def _members(
        self, group: Group, scores: Mapping[str, float], tick: int, changes: list[Change]
    ) -> None:
        """Joins; who is missing is noted, and leaves later."""
        founding = not group.members
        group.seen_at = tick
        for account in sorted(scores):
            score = float(scores[account])
            if (member := group.members.get(account)) is not None:
                member.score, member.absent_since = score, 0
                continue
            origin = self._leave_others(account, group, tick, changes)
            reason = "tied to the group"
            if origin:
                reason = f"was in {origin}"
            elif founding:
                reason = "there from the start"
            group.members[account] = Member(tick, score, reason)
            changes.append(Change(tick, group.group_id, "joined", account, reason, origin))
        for account, member in group.members.items():
            if account not in scores and not member.absent_since:
                member.absent_since = tick

    def _leave_others(self, account: str, group: Group, tick: int, changes: list[Change]) -> str:
        for other in self._ordered():
            if other is not group and account in other.members:
                del other.members[account]
                reason = f"belongs to {group.group_id} now"
                changes.append(
                    Change(tick, other.group_id, "left", account, reason, group.group_id)
                )
                return other.group_id
        return ""

    def dump(self) -> list[dict[str, Any]]:
        """For a snapshot, JSON-able."""
        return [asdict(group) for group in self._ordered()]

    def load(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """From a snapshot."""
        self.by_id = {}
        for row in rows:
            members = {name: Member(**member) for name, member in row["members"].items()}
            group = Group(**{**row, "members": members})
            self.by_id[group.group_id] = group


def _all_leave(group: Group, at: int, reason: str) -> list[Change]:
    return [Change(at, group.group_id, "left", name, reason) for name in sorted(group.members)]
