"""What a policy says about groups that act together: the kinds of signal, the thresholds, and the
groups that are known to be good.

Part of the model (`streams.policy.model`); followed by the signals agent and the keeper of clusters
(`streams.coordination`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from streams.policy import globs
from streams.policy.keys import key

__all__ = ["COORDINATED", "SIGNALS", "CoordinationPolicy", "ExtraKind", "KnownGroup"]

#: The kind of incident of a cluster.
COORDINATED: Final = "coordinated_accounts"
#: Kinds of signal made of an event's own fields.
SIGNALS: Final = (
    "template",
    "band",
    "network",
    "ip",
    "payment",
    "user_agent",
    "end_user",
    "signup",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraKind:
    """A kind of signal of your own: accounts that send the same value in a field share it."""

    name: str = key("shown in sentences", some=True)
    field: str = key("of the event, one that is not among its own fields included", some=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationPolicy:
    """Which groups count as acting together, and which of them alarm."""

    enabled: bool = key("false: nothing is looked for", True)
    kinds: tuple[str, ...] = key("what accounts may share", SIGNALS, known="signal")
    chance: float = key(
        "alarms when fewer groups than this would act so close in time by chance",
        1e-4,
        above=0,
        high=0.1,
        hint="with 0 nothing could ever alarm",
    )
    high_chance: float = key("from here on its severity is high", 1e-8, above=0, high=0.1)
    independent_kinds: int = key(
        "kinds that stand on their own; improbable timing is one", 2, low=1, high=8
    )
    members: int = key("a group needs so many accounts that score `found`", 3, low=2, high=1000)
    found: float = key("score that makes a member", 12.0, above=0, high=1000)
    kept: float = key("score that keeps a member", 6.0, above=0, high=1000)
    memory_days: float = key("what was longer ago no longer ties anybody", 7.0, low=0.1, high=60)
    extra: tuple[ExtraKind, ...] = field(
        default=(), metadata={"about": "kinds of signal of your own", "limits": {}}
    )

    @property
    def fields(self) -> dict[str, str]:
        """Name and field of every kind: a kind of our own is its own field."""
        return {kind: kind for kind in self.kinds} | {kind.name: kind.field for kind in self.extra}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownGroup:
    """A group that may act together, such as a customer's own fleet: shown, but it does not alarm.

    It covers a cluster when it covers every member of it.
    """

    name: str = key("shown with the cluster", some=True)
    accounts: tuple[str, ...] = key("patterns of account ids", (), some=True)
    orgs: tuple[str, ...] = key("patterns of organisation ids", (), some=True)
    owner: str = key("who answers for it", some=True)
    reason: str = key("why", some=True)
    expires: date = key("last day (UTC) on which it counts")  # noqa: RUF009

    @property
    def title(self) -> str:
        """What a refusal calls it."""
        return f"known group {self.name!r}"

    def matches(self, account_id: str, org_id: str) -> bool:
        """The account belongs to it, whatever the day."""
        return globs.matches(self.accounts, account_id) and globs.matches(self.orgs, org_id)

    def expired(self, today: date) -> bool:
        """Its last day has passed."""
        return today > self.expires
