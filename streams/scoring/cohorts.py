"""Which cohort of the policy an account belongs to, remembered by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from streams.policy.model import Policy
from streams.scoring.populations import EVERYBODY

__all__ = ["CohortNames"]

_REMEMBERED: Final = 1 << 20


class CohortNames:
    """Cohorts by account; nothing is kept when the policy has none."""

    def __init__(self, policy: Policy, use_case: Callable[[int], str] = lambda row: "") -> None:
        self._policy = policy
        self._by_use_case = any(cohort.use_cases for cohort in policy.cohorts)
        self._known: dict[tuple[str, str, str], str] = {}
        #: Approved use case of a row of the account table, empty when none was ever named.
        self.use_case = use_case

    def under(self, policy: Policy) -> CohortNames:
        """The same under another policy."""
        same = policy.cohorts == self._policy.cohorts
        return self if same else CohortNames(policy, self.use_case)

    def of(self, rows: Sequence[int], names: Sequence[str], orgs: Sequence[str]) -> list[str]:
        """Cohort of each row of the account table, empty for none."""
        if not self._policy.cohorts:
            return [EVERYBODY] * len(rows)
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        return [
            self._of(names[row], orgs[row], self.use_case(row) if self._by_use_case else "")
            for row in rows
        ]

    def _of(self, name: str, org: str, use_case: str) -> str:
        found = self._known.get((name, org, use_case))
        if found is None:
            found = self._policy.cohort_of(name, org, use_case)
            self._known[name, org, use_case] = found
        return found

    def large(self, count: Counter[str]) -> set[str]:
        """Cohorts with enough accounts, of so many each, to be judged among themselves."""
        return {
            cohort.name
            for cohort in self._policy.cohorts
            if count[cohort.name] >= cohort.min_accounts
        }
