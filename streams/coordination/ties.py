"""From the pair table to groups: who is tied to whom at the end of a slot, and by what.

Between the meetings that the keeper has taken in and the clusters it tells about. Names stand in
for the numbers of the pair table, so that nothing told depends on those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.communities import communities, decide
from detectors.coordination.pairs import PairMeetings
from detectors.coordination.parameters import Parameters
from detectors.coordination.score import AccountScores, PairScores, score_accounts, score_pairs

__all__ = ["GroupTies", "Scored", "scored"]


@dataclass(frozen=True, slots=True)
class GroupTies:
    """What ties one group: its pairs, strongest first, and their coincidences (all of n rows)."""

    pairs: PairScores
    name_a: list[str]
    name_b: list[str]
    tie: NDArray[np.int64]  # of each coincidence, its place among the pairs
    lag_ms: NDArray[np.int64]  # b after a
    kind: NDArray[np.uint8]
    weight: NDArray[np.float32]
    popularity: dict[int, float]  # accounts on each object, by its hash
    kinds: int  # bit mask

    @property
    def constant_s(self) -> NDArray[np.float64]:
        """The constant lag of each tie that is one; 0 where it acts at once."""
        return self.pairs.lag_s[self.pairs.score >= 1.0]

    def by_kind(self, place: int, names: Sequence[str]) -> list[tuple[str, int]]:
        """Coincidences of a tie by kind; 0 of a kind that only stood beside better ones."""
        counts = np.bincount(self.kind[self.tie == place], minlength=len(names))
        mask = int(self.pairs.kinds[place])
        return [(name, int(counts[n])) for n, name in enumerate(names) if mask >> n & 1]

    def partner(self, account: str) -> tuple[str, float]:
        """The member that an account is tied to most, and the score of that tie."""
        for place, (a, b) in enumerate(zip(self.name_a, self.name_b, strict=True)):
            if account in (a, b):
                return (b if a == account else a), float(self.pairs.score[place])
        return "", 0.0


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores at the end of a slot; `found` are the communities that count, score by account."""

    meetings: PairMeetings
    pairs: PairScores
    accounts: AccountScores
    found: list[dict[str, float]]
    number: dict[str, int]  # of the accounts in `found`

    def ties(self, members: Sequence[str]) -> GroupTies:
        """What ties these accounts; members without a number are in no pair."""
        numbers = {self.number[name]: name for name in members if name in self.number}
        held = np.array(sorted(numbers), np.int64)
        inside = np.isin(self.pairs.account_a, held) & np.isin(self.pairs.account_b, held)
        rows = np.flatnonzero(inside)
        first_names = [numbers[n] for n in self.pairs.account_a[rows].tolist()]
        second_names = [numbers[n] for n in self.pairs.account_b[rows].tolist()]
        strength = (-np.round(self.pairs.score[rows], 9)).tolist()
        order = sorted(
            range(len(rows)), key=lambda p: (strength[p], first_names[p], second_names[p])
        )
        rows = rows[order]
        counts = np.diff(self.meetings.start)[rows]
        tie = np.repeat(np.arange(len(rows)), counts)
        first = np.repeat(np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
        place = np.arange(len(tie)) - first + np.repeat(self.meetings.start[:-1][rows], counts)
        popularity: dict[int, float] = {}
        for item, accounts in zip(
            self.meetings.object[place].tolist(),
            self.meetings.popularity[place].tolist(),
            strict=True,
        ):
            popularity[item] = max(accounts, popularity.get(item, 0.0))
        mask = int(np.bitwise_or.reduce(self.pairs.kinds[rows])) if len(rows) else 0
        return GroupTies(
            _taken(self.pairs, rows),
            [first_names[p] for p in order],
            [second_names[p] for p in order],
            tie,
            self.meetings.time_b[place] - self.meetings.time_a[place],
            self.meetings.kind[place],
            self.meetings.weight[place],
            popularity,
            mask,
        )


def scored(
    meetings: PairMeetings,
    moments: NDArray[np.int64],
    names: dict[int, str],
    parameters: Parameters,
) -> Scored:
    """Pairs and accounts scored, and the communities that count.

    moments: n_a by number of the account; names: of every account in `meetings`.
    """
    pairs = score_pairs(meetings, moments, parameters)
    accounts = score_accounts(pairs, meetings, moments, parameters)
    groups = decide(communities(pairs, parameters), accounts, parameters)
    found: dict[int, dict[str, float]] = {}
    score = accounts.score[np.searchsorted(accounts.account, groups.account)]
    for number, label, value in zip(
        groups.account.tolist(), groups.label.tolist(), score.tolist(), strict=True
    ):
        found.setdefault(label, {})[names[number]] = value
    number_of = {name: number for number, name in names.items()}
    return Scored(meetings, pairs, accounts, list(found.values()), number_of)


def _taken(pairs: PairScores, rows: NDArray[np.int64]) -> PairScores:
    columns: dict[str, Any] = {name: getattr(pairs, name)[rows] for name in PairScores.__slots__}
    return PairScores(**columns)
