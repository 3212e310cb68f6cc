"""A policy: what alarms, how often that may be wrong, who is excused and who is told.

Frozen and complete: whatever a file leaves out has its default here, spelt out. Read from TOML by
`streams.policy.load`, followed by the fold (budget, detectors, cohorts, allow-list) and by alerting
(routes). Its version is a hash of its content and is stamped into every finding.

Lists of names are patterns (`streams.policy.globs`). Within a table every list that is given must
match, and an empty list is no restriction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

from detectors.base import Detector, all_detectors
from streams.policy import globs
from streams.policy.budget import Channel, Severity
from streams.policy.coordination import COORDINATED, CoordinationPolicy, KnownGroup
from streams.policy.keys import key as _key
from streams.policy.routes import Channel as NotifyChannel
from streams.policy.routes import Route
from streams.policy.version import content_hash

__all__ = [
    "COLD",
    "COLD_SHARE",
    "SEVERITIES",
    "Allow",
    "Budget",
    "Cohort",
    "DetectorPolicy",
    "IncidentPolicy",
    "Policy",
    "Route",
    "channel_of",
    "default_policy",
    "known_kinds",
]

SEVERITIES: Final[tuple[Severity, ...]] = ("high", "medium")
#: Detectors that judge cold accounts, against the cold channel's own budget.
COLD: Final = frozenset({"cold_start"})
#: Detectors that hold an account to its own traffic of late. A cold one has none, or none that
#: still counts: how much is too much for it is the question of the cold channel's own detectors.
_LATELY: Final = frozenset({"burst", "ramp"})
#: Of the weight in the cold channel, what its own detectors have; the others share the rest, which
#: in so small a channel holds them to about what they are held to in the usual one.
COLD_SHARE: Final = 0.9
_SHARES: Final = {"burst": 0.4, "cold_start": 1.0}
_SHARE: Final = 0.1

_ZERO: Final = "with 0 nothing could ever alarm"

_Unit = Literal["false_alarms_per_1000_account_days", "pages_per_shift"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many false alarms people are willing to have; every threshold follows from it.

    Severities add up: 2 high and 8 medium are 10 in all. Accounts that are new or come back after
    a long silence are judged in a channel of their own, the cold one, with its own budget.
    """

    unit: _Unit = _key(  # noqa: RUF009
        "what the numbers below count", "false_alarms_per_1000_account_days"
    )
    high: float = _key("false alarms of severity high", 2.0, above=0, high=1000, hint=_ZERO)
    medium: float = _key("false alarms of severity medium", 8.0, above=0, high=1000, hint=_ZERO)
    cold_high: float = _key("high, of the cold channel", 2.0, above=0, high=1000, hint=_ZERO)
    cold_medium: float = _key("medium, of the cold channel", 8.0, above=0, high=1000, hint=_ZERO)
    shift_hours: float = _key("length of a shift, for pages_per_shift", 8.0, above=0, high=168)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPolicy:
    """When an incident is over, and when the next finding belongs to it all the same."""

    resolve_after_s: float = _key(
        "without a finding for this long it is resolved", 600.0, low=5, high=604_800
    )
    reopen_within_s: float = _key(
        "a finding this soon after that reopens it", 1800.0, low=0, high=604_800
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorPolicy:
    """One detector: whether it counts, how much of its channel's budget it gets, its parameters."""

    enabled: bool = _key("false: it is not run", True)
    share: float = _key(
        "its weight in the budget of its channel",
        _SHARE,
        above=0,
        high=1000,
        hint="enabled = false switches it off",
    )
    parameters: Any = field(default=None, metadata={"about": "", "limits": {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Accounts that are judged among themselves as soon as there are enough of them.

    An account that several cohorts match belongs to the first of them by name.
    """

    name: str = _key("shown in findings", some=True)
    accounts: tuple[str, ...] = _key("patterns of account ids", (), some=True)
    orgs: tuple[str, ...] = _key("patterns of organisation ids", (), some=True)
    use_cases: tuple[str, ...] = _key("patterns of approved use cases", (), some=True)
    min_accounts: int = _key(
        "with fewer accounts they are judged with everybody", 100, low=2, high=10_000_000
    )

    @property
    def title(self) -> str:
        """What a refusal calls it."""
        return f"cohorts {self.name!r}"

    def matches(self, account_id: str, org_id: str, use_case: str) -> bool:
        """The account belongs to it."""
        return (
            globs.matches(self.accounts, account_id)
            and globs.matches(self.orgs, org_id)
            and globs.matches(self.use_cases, use_case)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """Accounts excused from alarms until a date, with the person who answers for it."""

    accounts: tuple[str, ...] = _key("patterns of account ids", (), some=True)
    orgs: tuple[str, ...] = _key("patterns of organisation ids", (), some=True)
    detectors: tuple[str, ...] = _key(
        "only alarms of these detectors; none named: of all", (), known="detector"
    )
    owner: str = _key("who answers for it", some=True)
    reason: str = _key("why", some=True)
    expires: date = _key("last day (UTC) on which it counts")  # noqa: RUF009

    @property
    def title(self) -> str:
        """What a refusal calls it."""
        return f"allow {', '.join((*self.accounts, *self.orgs))}"

    def matches(self, account_id: str, org_id: str, detector: str) -> bool:
        """It is about this detector's alarms on this account, whatever the day."""
        return (
            globs.matches(self.accounts, account_id)
            and globs.matches(self.orgs, org_id)
            and (not self.detectors or detector in self.detectors)
        )

    def expired(self, today: date) -> bool:
        """Its last day has passed."""
        return today > self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything a person decides about alarms; `detectors` has an entry for every detector.

    `version` is the hash of the rest unless it is given (a policy read back from the log keeps the
    version that its findings carry). To change a policy use `changed`.
    """

    fdr: float = _key(
        "largest share of false ones among the alarms of one tick", 0.5, above=0, high=1
    )
    budget: Budget = field(default_factory=Budget)
    incidents: IncidentPolicy = field(default_factory=IncidentPolicy)
    coordination: CoordinationPolicy = field(default_factory=CoordinationPolicy)
    detectors: Mapping[str, DetectorPolicy]
    cohorts: tuple[Cohort, ...] = ()
    allow: tuple[Allow, ...] = ()
    known_groups: tuple[KnownGroup, ...] = ()
    channels: tuple[NotifyChannel, ...] = ()
    routes: tuple[Route, ...] = ()
    version: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detectors", dict(sorted(self.detectors.items())))
        by_name = tuple(sorted(self.cohorts, key=lambda cohort: cohort.name))
        object.__setattr__(self, "cohorts", by_name)
        groups = tuple(sorted(self.known_groups, key=lambda group: group.name))
        object.__setattr__(self, "known_groups", groups)
        if not self.version:
            object.__setattr__(self, "version", content_hash(self))

    def changed(self, **parts: Any) -> Policy:
        """Another policy, with its own version."""
        return replace(self, version="", **parts)

    def weights(self, channel: Channel) -> dict[str, float]:
        """Shares of the budget of `channel` by enabled detector, which add up to 1."""
        shares = {
            name: detector.share
            for name, detector in self.detectors.items()
            if detector.enabled and channel_of(name) == channel
        }
        total = sum(shares.values())
        return {name: share / total for name, share in shares.items()}

    def combination(self, channel: Channel) -> dict[str, float]:
        """Weights by which evidence of one account is combined; by detector, 1 in all.

        A cold account is judged by the cold channel's detectors above all, and by the others but
        those that would hold it to its traffic of late.
        """
        usual, cold = self.weights("usual"), self.weights("cold")
        if channel == "usual" or not cold:
            return usual
        others = {name: weight for name, weight in usual.items() if name not in _LATELY}
        own, rest = (COLD_SHARE if others else 1.0), sum(others.values())
        return {name: weight / rest * (1.0 - own) for name, weight in others.items()} | {
            name: weight * own for name, weight in cold.items()
        }

    def cohort_of(self, account_id: str, org_id: str, use_case: str) -> str:
        """Name of the account's cohort, empty when it has none."""
        for cohort in self.cohorts:
            if cohort.matches(account_id, org_id, use_case):
                return cohort.name
        return ""

    def allowed(self, account_id: str, org_id: str, detector: str, at_ms: int) -> Allow | None:
        """The entry of the allow-list that excuses this alarm at this event time, if any."""
        day = datetime.fromtimestamp(at_ms / 1000.0, UTC).date()
        for entry in self.allow:
            if not entry.expired(day) and entry.matches(account_id, org_id, detector):
                return entry
        return None

    def known_group(self, members: Sequence[tuple[str, str]], at_ms: int) -> KnownGroup | None:
        """The known group that all of these accounts and orgs belong to at this event time."""
        day = datetime.fromtimestamp(at_ms / 1000.0, UTC).date()
        for entry in self.known_groups:
            if not entry.expired(day) and all(entry.matches(*member) for member in members):
                return entry
        return None

    def routes_of(self, severity: str, kind: str, org_id: str, at_ms: int) -> tuple[Route, ...]:
        """Routes that take this alert, by name."""
        found = [r for r in self.routes if r.matches(severity, kind, org_id, at_ms)]
        return tuple(sorted(found, key=lambda route: route.name))


def channel_of(detector: str) -> Channel:
    """Whose budget a detector's alarms count against."""
    return "cold" if detector in COLD else "usual"


def known_kinds(detectors: Sequence[Detector]) -> tuple[str, ...]:
    """Every kind of incident that one of `detectors` or the coordination keeper can name."""
    named = {kind for detector in detectors for kind in detector.KINDS}
    return tuple(sorted({*named, COORDINATED}))


def default_policy(detectors: Sequence[Detector] | None = None) -> Policy:
    """The built-in policy, for `detectors` (default: all there are)."""
    found = all_detectors() if detectors is None else detectors
    return Policy(
        detectors={
            detector.NAME: DetectorPolicy(
                share=_SHARES.get(detector.NAME, _SHARE), parameters=detector.Parameters()
            )
            for detector in found
        }
    )
