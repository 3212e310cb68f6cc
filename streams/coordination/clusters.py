"""One cluster from slot to slot: how improbable it is, whether it alarms, and the rows that say so.

Between the groups, which only have members, and the tables. A cluster is judged again when its
members change or when it has acted and a minute has passed; it alarms when its timing is improbable
by chance and enough kinds of signal stand on their own, unless it is known to be good.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from detectors.coordination.chance import Chance, chance
from detectors.coordination.groups import Group
from detectors.coordination.kinds import Dependence
from streams.alerting.findings import Finding, identity
from streams.coordination import explain
from streams.coordination.evidence import Actions
from streams.coordination.ties import GroupTies
from streams.policy.coordination import COORDINATED
from streams.policy.model import Policy

__all__ = ["DETECTOR", "Cluster", "Judged", "judge"]

DETECTOR: Final = "coordination"
_DAY_MS: Final = 86_400_000
#: An object used by more accounts than so many times the members is a popular one.
_POPULAR: Final = 10.0
_SOON_MS, _SELDOM_MS = 60_000, 600_000
#: log10 of a chance from which on timing shows nothing at all.
_CALM: Final = -1.0
_LEAST_PATIENCE_MS, _LONGEST_PATIENCE_MS = 600_000, 86_400_000


@dataclass(slots=True)
class Cluster:
    """What the keeper remembers of a cluster beside its group; times are epoch ms, 0 when never."""

    cluster_id: str
    found_at: int
    judged_at: int = 0
    pending: bool = False  # something happened since
    written_at: int = 0
    judged: dict[str, Any] = field(default_factory=dict)  # the last `Judged`, as plain data
    joined: dict[str, int] = field(default_factory=dict)  # members as last written
    row: dict[str, Any] = field(default_factory=dict)  # the last row written
    alerted: dict[str, list[str]] = field(default_factory=dict)  # members told, by incident
    held_log10: float = 0.0  # of the last finding that was held back
    held_at: int = 0

    def due(self, slot: int) -> bool:
        """It may be judged again: soon where that could say something new, else seldom."""
        calm = self.judged.get("log10", -math.inf) > _CALM
        return slot - self.judged_at >= (_SELDOM_MS if calm else _SOON_MS)

    def dump(self) -> dict[str, Any]:
        """For a snapshot, JSON-able."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Judged:
    """A group at the end of a slot, in numbers and words."""

    first_ms: int
    log10: float
    members: list[str]
    orgs: dict[str, str]
    kinds: list[str]
    independent: int
    shared: list[tuple[str, str, int]]  # kind, value, members that acted on it
    within_s: int
    lag_s: int
    joint: int
    patience_ms: int
    held: str
    known_group: str
    owner: str
    severity: str
    sentence: str
    sql: str
    raster_sql: str
    numbers: dict[str, float]

    @property
    def p_value(self) -> float:
        """Not below 1e-300."""
        return float(10.0 ** max(self.log10, -300.0))

    def finding(self, cluster_id: str, policy: Policy, slot: int) -> Finding:
        """As the incident machine takes it."""
        needed = math.log10(policy.coordination.chance)
        share = min(1.0, needed / self.log10) if self.log10 < 0 else 1.0
        orgs = set(self.orgs.values())
        return Finding(
            finding_id=identity("cluster", cluster_id, slot, policy.version),
            detector=DETECTOR,
            kind=COORDINATED,
            account_id="",
            org_id=orgs.pop() if len(orgs) == 1 else "",
            metric="joint_actions",
            window_start=self.first_ms,
            window_end=slot,
            window_s=round(policy.coordination.memory_days * 86_400),
            observed=float(self.joint),
            expected=0.0,
            p_value=self.p_value,
            threshold=float(max(2, math.ceil(self.joint * share))),
            sentence=self.sentence,
            sql=self.sql,
            policy_version=policy.version,
            incident_id="",
            drivers=self.numbers,
            parts={DETECTOR: self.p_value},
            severity="" if self.held else self.severity,
            held=self.held,
        )


def judge(
    group: Group,
    cluster: Cluster,
    ties: GroupTies,
    actions: Actions,
    kinds: Sequence[str],
    dependence: Dependence,
    policy: Policy,
    slot: int,
    ask: Any,
) -> Judged:
    """The verdict on a group; `kinds` are the names of the codes, `ask` runs a SELECT (a mapping).

    The numbers of the sentence are what its SQL returns.
    """
    rules = policy.coordination
    found = _chance(actions, ties, len(group.members))
    proven = found.log10 <= math.log10(rules.chance)
    sets = dependence.independent(ties.kinds)
    independent = len(sets) + proven
    members = sorted(group.members)
    orgs = {name: actions.orgs.get(name, "") for name in members}
    near = explain.closeness(ties.lag_ms, ties.weight, ties.constant_s)
    parts = explain.shared(actions, near)
    what = parts[0] if parts else explain.Shared("", (), ())
    first_ms = int(ties.pairs.first_ms.min()) if len(ties.pairs) else group.since
    sql = raster = ""
    numbers = explain.Numbers(0, 0, 0, first_ms)
    if what.values:
        column = rules.fields[what.kind]
        sql = explain.joint_sql(members, what, column, near, first_ms, slot)
        raster = explain.raster_sql(members, what, column, first_ms, slot)
        answer = ask(sql)
        numbers = explain.Numbers(
            round(answer["observed"]),
            int(answer["accounts"]),
            int(answer["objects"]),
            int(answer["first_ms"]) or first_ms,
        )
    joined = sum(
        member.joined_at > max(slot - _DAY_MS, cluster.found_at)
        for member in group.members.values()
    )
    known = policy.known_group([(name, orgs[name]) for name in members], slot)
    needed = min(rules.independent_kinds, 1 if len(rules.fields) == 1 else 8)
    held = "" if known is None else "known group"
    held = "kinds" if independent < needed else held
    held = held if proven else "timing"
    return Judged(
        first_ms=first_ms,
        log10=found.log10,
        members=members,
        orgs=orgs,
        kinds=[kinds[kind] for one in sets for kind in one],
        independent=independent,
        shared=[
            (part.kind, value, accounts)
            for part in parts
            for value, accounts in zip(part.values, part.accounts, strict=True)
            if accounts > 1
        ],
        within_s=near.within_s,
        lag_s=near.lag_s,
        joint=numbers.joint,
        patience_ms=_patience(actions, numbers.first_ms),
        held=held,
        known_group=known.name if known else "",
        owner=known.owner if known else "",
        severity="high" if found.log10 <= math.log10(rules.high_chance) else "medium",
        sentence=explain.sentence(
            len(members),
            what,
            explain.beside(what, parts, len(members)),
            near,
            numbers,
            float(10.0 ** max(found.log10, -300.0)),
            joined,
            slot,
        )
        if what.values
        else f"{len(members)} accounts are tied by what they share",
        sql=sql,
        raster_sql=raster,
        numbers={
            "accounts": float(len(members)),
            "joint_actions": float(numbers.joint),
            "shared_objects": float(numbers.objects),
            "independent_kinds": float(independent),
            "mean_score": _mean([member.score for member in group.members.values()]),
            "within_s": float(near.within_s),
            "lag_s": float(near.lag_s),
            "sessions_tested": float(found.sessions),
            "picked_from": float(found.pool),
            "log10_chance": found.log10,
        },
    )


def _chance(actions: Actions, ties: GroupTies, members: int) -> Chance:
    """On all that is shared, or on what is not popular: the better of the two, paid for."""
    popular = actions.popular(ties.popularity)
    moments = actions.moments(ties.popularity)
    whole = chance(moments)
    rare = popular[actions.item] <= max(_POPULAR * members, 50.0)
    if rare.all() or not rare.any():
        return whole
    part = chance(
        type(moments)(
            moments.account[rare],
            moments.object[rare],
            moments.time_ms[rare],
            moments.popularity[rare],
        )
    )
    best = min(whole, part, key=lambda one: one.log10)
    return Chance(
        min(0.0, best.log10 + math.log10(2.0)),
        best.timing,
        best.members,
        best.sessions,
        best.lagged,
        best.pool,
    )


def _patience(actions: Actions, first_ms: int) -> int:
    """Three times the usual pause between its joint hours: a slow group is not over at once."""
    bins = np.unique(actions.ms[actions.ms >= first_ms] // 600_000)
    pause = float(np.median(np.diff(bins))) * 600_000 if len(bins) > 1 else 0.0
    return int(min(max(3.0 * pause, _LEAST_PATIENCE_MS), _LONGEST_PATIENCE_MS))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
