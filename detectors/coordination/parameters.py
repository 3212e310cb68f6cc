"""Every number of the coordination method in one frozen place; the stages take it as argument.

The defaults are those for files (`pulse clusters`): nothing is forgotten but by capacity. The live
flow uses `live()`. The thresholds `tie`, `found` and `kept` go with the ring, the kernel and the
limits of its horizon. On real co-sharing data shuffled in time within each object (20 seeds) one
account in a thousand has evidence above 6.7 at most, and the highest of all had 8.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

__all__ = ["Parameters"]

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the method is tuned by.

    Attributes:
        ring: other accounts an action on an object can meet: the latest so many, L.
        horizon_s: no meeting across more than this, H (s).
        kernel_power, kernel_scale: weight of a lag d is ln(H / (|d| + 1)) ** power / scale.
        crowd: a lag proves nothing beyond so many mean gaps between accounts on the object.
        spacing: nor beyond so many times the time to a better coincidence of the pair.
        meetings: the best so many objects of a pair are kept.
        activity_power: a pair's evidence is divided by (n_a n_b) ** this.
        partners: so many best partners support an account.
        portfolio_weight: of likeness of unusual objects beside support,
        portfolio_partners: over the best so many partners.
        rank_moments: in the ranking a pair's timing counts in full when both acted so often; below
            in proportion, on both sides.
        rank_likeness: what the likeness of a pair counts in the ranking, beside its timing,
        rank_habit: in full when both acted so often; below by the cube of the proportion.
        bound: a member has ties to at least this share of its group's sure members, and to two.
        tie: a pair with at least this score is an edge of the communities.
        found, kept: account scores that make a group, and that keep a member in it.
        members: a group needs this many accounts with `found`.
        moments: an account with fewer distinct times scores 0.
        pair_capacity: pairs with two or more objects held at once (rounded up to a power of two).
        single_capacity: pairs with one object held at once (rounded up to a power of two).
        object_capacity: objects held at once; beyond it the longest idle go.
        memory_s: a pair's meetings older than this are forgotten (s).
        renew_s: on the same object, a meeting in another bucket of this length counts anew (s).
        expected_limit: a meeting is dropped when the object's long-run rate lets expect more than
            this many actions of others within its lag.
        chance: a group whose timing is more probable than this by chance does not alarm.
        resolution, seed: of the Leiden communities.
    """

    ring: int = 30
    horizon_s: float = 2 * _DAY_S
    kernel_power: float = 2.5
    kernel_scale: float = 10**1.5
    crowd: float = 3.0
    spacing: float = 30.0
    meetings: int = 32
    activity_power: float = 0.35
    partners: int = 20
    portfolio_weight: float = 10.0
    portfolio_partners: int = 5
    rank_moments: float = 6.0
    rank_likeness: float = 12.0
    rank_habit: float = 10.0
    bound: float = 0.2
    tie: float = 0.75
    found: float = 9.0
    kept: float = 4.5
    members: int = 3
    moments: int = 3
    pair_capacity: int = 131_072
    single_capacity: int = 1 << 20
    object_capacity: int = 1 << 22
    memory_s: float = math.inf
    renew_s: float = math.inf
    expected_limit: float = math.inf
    chance: float = 1e-4
    resolution: float = 1.0
    seed: int = 1

    def live(self) -> Parameters:
        """The same for an endless stream: a week of memory, standing objects renewed and rated."""
        return replace(self, memory_s=7 * _DAY_S, renew_s=600.0, expected_limit=1.0)
