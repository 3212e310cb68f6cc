"""Which groups of `pulse clusters` count: improbable timing, and kinds that stand on their own.

After the communities (`clusters_methods`), before what is told. The rules are those of the live
flow, with the numbers of a policy file where one is given.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.chance import Moments, chance
from detectors.coordination.kinds import Dependence
from detectors.coordination.pairs import PairMeetings
from detectors.coordination.parameters import Parameters
from streams.cli.clusters_found import Cluster, Deeds, described
from streams.policy.coordination import KnownGroup
from streams.policy.model import Policy
from streams.traffic.actions import Actions

if TYPE_CHECKING:
    from detectors.coordination.stream import Judged

__all__ = ["Decision", "Rules"]

_DAY_S: Final = 86_400.0
#: Kinds that say one thing twice, whatever the population.
_TOGETHER: Final = ("ip", "network")
#: An object with more accounts than this for each member is popular.
_POPULAR: Final = 10.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What a group is held to; `known` are those that a policy declares to be good."""

    parameters: Parameters = field(default_factory=Parameters)
    independent_kinds: int = 2
    known: tuple[KnownGroup, ...] = ()

    @staticmethod
    def of(policy: Policy) -> Rules:
        """The numbers of a policy; for the rest, files are judged as files."""
        wanted = policy.coordination
        return Rules(
            replace(
                Parameters(),
                members=wanted.members,
                found=wanted.found,
                kept=wanted.kept,
                chance=wanted.chance,
                memory_s=wanted.memory_days * _DAY_S,
            ),
            wanted.independent_kinds,
            policy.known_groups,
        )


class Decision:
    """Decides about one group after the other.

    Args:
        judged: what the stream has come to.
        groups: of each account, 1, 2, 3... or 0.
    """

    def __init__(
        self, actions: Actions, judged: Judged, groups: NDArray[np.int64], rules: Rules
    ) -> None:
        self._actions, self._meetings, self._rules = actions, judged.meetings, rules
        kinds = actions.kinds
        # With one kind of signal in the file, one kind is enough.
        self._wanted = rules.independent_kinds if len(kinds) > 1 else 1
        self._sets = _independent(kinds, judged.meetings)
        self._ties = np.zeros(groups.max(initial=0) + 1, np.uint64)
        pairs = judged.pairs
        group = groups[pairs.account_a]
        strong = (group == groups[pairs.account_b]) & (pairs.score >= rules.parameters.tie)
        np.bitwise_or.at(self._ties, group[strong], pairs.kinds[strong])

    def cluster(self, number: int, group: Deeds) -> Cluster | None:
        """The group as a cluster, its members still without order; None when it does not count."""
        shared = group.shared()
        if not len(shared.time):
            return None
        members = np.unique(group.account)
        found = _chance(_moments(shared, self._meetings), len(members))
        # Improbable timing is one of the kinds.
        independent = 1 + len(self._sets.independent(int(self._ties[number])))
        if found > self._rules.parameters.chance or independent < self._wanted:
            return None
        return replace(
            described(self._actions, members, shared),
            chance=found,
            independent_kinds=independent,
            known=self._known(members.tolist(), int(shared.time.max())),
        )

    def _known(self, members: list[int], last_ms: int) -> str:
        """The declared group that covers every member then; a file knows no organisations."""
        day = np.datetime64(last_ms, "ms").astype("datetime64[D]").item()
        names = [self._actions.accounts[member].as_py() for member in members]
        for group in self._rules.known:
            if not group.expired(day) and all(group.matches(name, "") for name in names):
                return group.name
        return ""


def _independent(kinds: tuple[str, ...], meetings: PairMeetings) -> Dependence:
    """Which kinds go together, by the coincidences of all pairs."""
    both = set(_TOGETHER) <= set(kinds)
    known = [(kinds.index(_TOGETHER[0]), kinds.index(_TOGETHER[1]))] if both else []
    dependence = Dependence(known)
    if len(kinds) > 1:
        size = np.diff(meetings.start)
        a, b = np.repeat(meetings.account_a, size), np.repeat(meetings.account_b, size)
        dependence.add(a, b, meetings.kind, 0)
    return dependence


def _chance(moments: Moments, members: int) -> float:
    """On all that is shared, or on what is not popular: the better of the two, paid for."""
    whole = chance(moments)
    rare = moments.popularity <= max(_POPULAR * members, 50.0)
    if rare.all() or not rare.any():
        return whole.p_value
    part = chance(
        Moments(
            moments.account[rare],
            moments.object[rare],
            moments.time_ms[rare],
            moments.popularity[rare],
        )
    )
    return min(1.0, 2.0 * min(whole.p_value, part.p_value))


def _moments(shared: Deeds, meetings: PairMeetings) -> Moments:
    """What `chance` asks for; an object was as popular as at its most popular meeting."""
    objects, item = np.unique(shared.object, return_inverse=True)
    popular = np.zeros(len(objects), np.float32)
    met = np.flatnonzero(np.isin(meetings.object, objects))
    place = np.searchsorted(objects, meetings.object[met])
    np.maximum.at(popular, place, meetings.popularity[met])
    popular[popular == 0.0] = np.inf  # nobody met on it: not known
    return Moments(shared.account, shared.object, shared.time, popular[item])
