"""A policy against the accounts of a store: how much traffic it judges, and whom its lists name.

Behind `pulse policy check|explain --data`. The store is asked through one function, so that the
questions work on an embedded directory, on a server, and beside a running worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.policy import globs
from streams.policy.coordination import KnownGroup
from streams.policy.model import Allow, Cohort, Policy, Route
from streams.policy.problems import Problem
from streams.storage.base import literal

__all__ = ["Ask", "Population", "population", "unmatched"]

#: Answers a SELECT with one mapping a row.
Ask = Callable[[str], Sequence[Mapping[str, Any]]]

_DAYS = 7
_TRAFFIC = f"""
WITH (SELECT max(minute) FROM account_minute) AS newest
SELECT uniqExact(account_id) AS accounts,
       uniqExact(account_id, toStartOfHour(minute)) AS account_hours,
       dateDiff('hour', toStartOfHour(min(minute)), toStartOfHour(max(minute))) + 1 AS hours
FROM account_minute
WHERE minute > newest - INTERVAL {_DAYS} DAY
"""
_ACCOUNTS = (
    "SELECT account_id, argMax(org_id, ts) AS org, argMax(use_case, ts) AS approved "
    "FROM events GROUP BY account_id"
)


@dataclass(frozen=True, slots=True)
class Population:
    """What a budget is spread over: accounts seen, and active account-hours in a day."""

    accounts: int
    account_hours_per_day: float
    measured_hours: int  # 0: not measured, every account is taken to be active all day

    @classmethod
    def of(cls, accounts: int) -> Population:
        """So many accounts, active in every hour."""
        return cls(accounts, 24.0 * accounts, 0)


def population(ask: Ask) -> Population | None:
    """The last seven days of traffic, counted back from the newest; None when there is none.

    A store with less than a day of it says what a day would have at that rate.
    """
    row = ask(_TRAFFIC)[0]
    accounts, hours = int(row["accounts"]), int(row["hours"])
    if not accounts:
        return None
    return Population(accounts, int(row["account_hours"]) * 24.0 / hours, hours)


def unmatched(
    policy: Policy, ask: Ask, lines: Mapping[str, int] | None = None
) -> tuple[list[Problem], list[Problem]]:
    """What of the policy meets no account of the store: problems, and mere notes.

    A cohort that matches nobody is a mistake: accounts it was meant for are judged with everybody.
    An excuse or a route may wait for accounts still to come, so it is noted. `lines` are those of
    the file (`streams.policy.load.named_lines`).
    """
    places = lines or {}
    waiting: list[Allow | KnownGroup | Route] = [
        *policy.allow,
        *policy.known_groups,
        *policy.routes,
    ]
    parts: list[Cohort | Allow | KnownGroup | Route] = [*policy.cohorts, *waiting]
    conditions = {f"c{place}": _where(part) for place, part in enumerate(parts)}
    several = " + ".join(f"({conditions[f'c{n}']})" for n in range(len(policy.cohorts))) or "0"
    counts = "".join(f", countIf({where}) AS {name}" for name, where in conditions.items())
    sql = (
        f"SELECT count() AS accounts, countIf(({several}) > 1) AS several, "
        f"minIf(account_id, ({several}) > 1) AS example{counts} FROM ({_ACCOUNTS})"
    )
    row = ask(sql)[0]
    numbers = [int(row[name]) for name in conditions]
    if not int(row["accounts"]):
        return [], [Problem(0, "", "the store holds no account yet: nothing to compare with")]
    problems, notes = [], []
    cohorts = len(policy.cohorts)
    for cohort, number in zip(policy.cohorts, numbers, strict=False):
        name = cohort.title
        if number == 0:
            problems.append(Problem(places.get(name, 0), name, "matches no account of the store"))
        elif number < cohort.min_accounts:
            said = f"matches {_accounts(number)}, fewer than min_accounts = {cohort.min_accounts}"
            notes.append(
                Problem(places.get(name, 0), name, f"{said}: they are judged with everybody")
            )
    if shared := int(row["several"]):
        said = f"{_accounts(shared)} of several, such as {row['example']}: the first by name counts"
        notes.append(Problem(0, "cohorts", said))
    for entry, number in zip(waiting, numbers[cohorts:], strict=True):
        if number == 0:
            name = entry.title
            notes.append(Problem(places.get(name, 0), name, "matches no account of the store"))
    return problems, notes


def _accounts(number: int) -> str:
    return f"{number:,} account{'s' if number != 1 else ''}"


def _where(part: Cohort | Allow | KnownGroup | Route) -> str:
    """SQL on `_ACCOUNTS` of the accounts that the lists of a table match."""
    lists = {
        "account_id": getattr(part, "accounts", ()),
        "org": part.orgs,
        "approved": getattr(part, "use_cases", ()),
    }
    found = [
        f"match({column}, {literal(globs.expression(patterns))})"
        for column, patterns in lists.items()
        if patterns
    ]
    return " AND ".join(found) or "1"
