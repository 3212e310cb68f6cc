"""A scene: one background with what was planted in it, and the truth about every account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.events import Actions, Events, actions, joined
from streams.lab.coordination.shapes import Plan

__all__ = ["Background", "Negative", "Scene", "staged"]

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Background:
    """Honest traffic of `accounts` accounts in order of time.

    unsure: (accounts,) accounts that nobody knows the truth about; they act, and count neither way.
    slot_ms: length of the live flow's slots, 0 where a file is read.
    """

    name: str
    title: str
    events: Events
    accounts: int
    unsure: Bools
    slot_ms: int

    @property
    def live(self) -> bool:
        """Whether the method judges it as in the live flow."""
        return self.slot_ms > 0

    @property
    def start_ms(self) -> int:
        """First event."""
        return int(self.events.time_ms[0])

    @property
    def end_ms(self) -> int:
        """Last event."""
        return int(self.events.time_ms[-1])


@dataclass(frozen=True, slots=True)
class Negative:
    """A planted honest group that looks coordinated."""

    name: str
    title: str
    accounts: Integers


@dataclass(slots=True)
class Scene:
    """What a method is given (`actions`), and the truth.

    accounts: how many there are; campaign: (accounts,) number of the plan or -1; unsure as in
    `Background`, planted accounts not.
    """

    background: Background
    events: Events
    accounts: int
    plans: list[Plan]
    negatives: list[Negative]
    campaign: Integers = field(init=False)
    unsure: Bools = field(init=False)
    actions: Actions = field(init=False)

    def __post_init__(self) -> None:
        self.campaign = np.full(self.accounts, -1, np.int64)
        for number, plan in enumerate(self.plans):
            self.campaign[plan.members] = number
        self.unsure = np.zeros(self.accounts, np.bool_)
        self.unsure[: self.background.accounts] = self.background.unsure
        self.actions = actions(self.events, self.background.slot_ms)

    def truth(self, shape: str) -> Bools:
        """(accounts,) members of campaigns of one shape."""
        ours = [plan.shape.name == shape for plan in self.plans]
        return np.array([*ours, False])[self.campaign]

    def counted(self, shape: str) -> Bools:
        """(accounts,) which of them count for one shape: its members and the honest."""
        return ~self.unsure & ((self.campaign < 0) | self.truth(shape))

    def started_ms(self, number: int) -> int:
        """First coordinated action of a plan (its members have no others earlier that count)."""
        return self.plans[number].start_ms


def staged(
    background: Background,
    planted: Sequence[tuple[Plan, Events]] = (),
    negatives: Sequence[tuple[Negative, Events]] = (),
) -> Scene:
    """The background with campaigns and hard negatives in it."""
    last = [background.accounts - 1]
    last += [int(plan.members[-1]) for plan, _ in planted]
    last += [int(negative.accounts.max()) for negative, _ in negatives]
    parts = [background.events, *(e for _, e in planted), *(e for _, e in negatives)]
    return Scene(
        background,
        joined(parts),
        max(last) + 1,
        [plan for plan, _ in planted],
        [negative for negative, _ in negatives],
    )
