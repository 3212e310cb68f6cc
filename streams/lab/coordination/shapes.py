"""Shapes of campaigns, and the times of one: which member acts when on which of its posts.

Beside the backgrounds. A shape says nothing about what is shared: a background dresses the posts
in the objects it knows (`sharing`, `requests`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.events import DAY_MS

__all__ = ["SHAPES", "STRENGTHS", "Plan", "Posts", "Shape", "Strength", "posted"]

Integers = NDArray[np.int64]

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Strength:
    """How much a campaign gives away.

    posts: coordinated moments; jitter_s: spread of the members about a moment; takes_part: chance
    of a member to act on a post; cover: other actions of a member for each coordinated one.
    """

    name: str
    posts: int
    jitter_s: float
    takes_part: float
    cover: float


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape: posts over `days`; members lag behind by a constant of `lag_s` or spread evenly.

    lag_s: range of each member's constant lag (0, 0 for none); spread_s: instead of the jitter the
    members come evenly within this. shared: what a post of an API campaign has in common.
    fast: held to the targets of precision and recall. file: can be planted where there is one kind.
    """

    name: str
    title: str
    days: float
    lag_s: tuple[float, float] = (0.0, 0.0)
    spread_s: float = 0.0
    shared: str = "template"
    fast: bool = False
    file: bool = True
    sizes: tuple[int, ...] = (5, 12, 30)


STRENGTHS: Final = (
    Strength("loud", 20, 5.0, 0.95, 0.5),
    Strength("quiet", 12, 20.0, 0.85, 1.0),
    Strength("faint", 6, 60.0, 0.75, 2.0),
)
SHAPES: Final = (
    Shape("unison", "burst in unison", 1.0, fast=True),
    Shape("relay_minutes", "relay, lags of minutes", 2.0, (_MINUTE, _HOUR), fast=True),
    Shape("relay_hours", "relay, lags of hours", 4.0, (_HOUR, 10 * _HOUR)),
    Shape("drip_hour", "slow drip, within an hour", 5.5, spread_s=_HOUR),
    Shape("drip_day", "slow drip, within a day", 5.5, spread_s=_DAY),
    Shape("few", "few members (3 to 5)", 2.0, fast=False, sizes=(3, 4, 5)),
    Shape("template", "shared template, own addresses", 2.0, fast=True, file=False),
    Shape(
        "addresses",
        "shared addresses, own text",
        2.0,
        shared="addresses",
        fast=True,
        file=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign to plant: `first` is the number of its first member, `start_ms` its beginning.

    Its members are accounts first to first + size - 1.
    """

    shape: Shape
    strength: Strength
    size: int
    first: int
    start_ms: int

    @property
    def members(self) -> Integers:
        """(size,) account numbers."""
        return np.arange(self.first, self.first + self.size)

    @property
    def end_ms(self) -> int:
        """When its posts end; a lagging member may come later."""
        return self.start_ms + round(self.shape.days * DAY_MS)


@dataclass(frozen=True, slots=True)
class Posts:
    """Actions of a campaign: member (m,) from 0, post (m,) from 0, time_ms (m,)."""

    member: Integers
    post: Integers
    time_ms: Integers


def posted(plan: Plan, moments_ms: Integers, rng: np.random.Generator) -> Posts:
    """Who acts when, for posts at `moments_ms` (posts,); every post has at least two members."""
    shape, strength = plan.shape, plan.strength
    form = (len(moments_ms), plan.size)
    takes_part = rng.random(form) < strength.takes_part
    rank = rng.random(form).argsort(axis=1).argsort(axis=1)
    takes_part |= (rank < 2) & (takes_part.sum(axis=1, keepdims=True) < 2)
    if shape.spread_s:
        offset = rng.uniform(0.0, shape.spread_s, form)
    else:
        lag = rng.uniform(*shape.lag_s, plan.size) if shape.lag_s[1] else np.zeros(plan.size)
        offset = lag + np.abs(rng.normal(0.0, strength.jitter_s, form))
    post, member = np.nonzero(takes_part)
    time_ms = moments_ms[post] + np.round(offset[post, member] * 1000).astype(np.int64)
    return Posts(member, post, time_ms)
