"""Which cohort of the policy an account belongs to, remembered by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from streams.policy.model import Policy
from streams.scoring.populations import EVERYBODY

__all__ = ["CohortNames"]

_REMEMBERED: Final = 1 << 20


class CohortNames:
    """Cohorts by account; nothing is kept when the policy has none."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known: dict[tuple[str, str], str] = {}

    def under(self, policy: Policy) -> CohortNames:
        """The same under another policy."""
        return self if policy.cohorts == self._policy.cohorts else CohortNames(policy)

    def of(self, rows: Sequence[int], names: Sequence[str], orgs: Sequence[str]) -> list[str]:
        """Cohort of each row of the account table, empty for none."""
        if not self._policy.cohorts:
            return [EVERYBODY] * len(rows)
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        return [self._of(names[row], orgs[row]) for row in rows]

    def _of(self, name: str, org: str) -> str:
        found = self._known.get((name, org))
        if found is None:
            found = self._known[name, org] = self._policy.cohort_of(name, org, "")
        return found

    def large(self, count: Counter[str]) -> set[str]:
        """Cohorts with enough accounts, of so many each, to be judged among themselves."""
        return {
            cohort.name
            for cohort in self._policy.cohorts
            if count[cohort.name] >= cohort.min_accounts
        }
