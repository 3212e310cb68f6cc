"""Which account gets which scenario: shares of a population by weight, the rest stays honest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from streams.lab.attacks import attacks
from streams.lab.negatives import negatives
from streams.lab.population import Population
from streams.lab.scenario import Made, Scenario, Traffic, Truth

__all__ = ["PLANTED", "SCENARIOS", "planted"]

SCENARIOS: Final[tuple[Scenario, ...]] = (*attacks(), *negatives())
#: Share of the accounts that stay to which a scenario happens; the others are only counted for
#: false alarms.
PLANTED: Final = 0.7
_SOMETHING: Final = 0.1  # usual requests per five minutes of an account that ever sent any
_TRIED: Final = 12  # accounts, before one scenario is given up


def planted(
    population: Population, seed: int, scenarios: Sequence[Scenario] = SCENARIOS
) -> Traffic:
    """The population with scenarios in it, one an account at most; seeded by `seed` and the half.

    A scenario that suits none of the accounts tried is planted less often than its weight says.
    """
    traffic = Traffic.of(population)
    rng = np.random.default_rng([seed, 22, population.half == "B"])
    accounts = population.regular
    free = rng.permutation(accounts).tolist()
    for scenario in _drawn(scenarios, round(accounts * PLANTED)):
        for _ in range(min(_TRIED, len(free))):
            account = free.pop(0)
            made = None
            if population.usual[account] >= max(scenario.needs, _SOMETHING):
                made = scenario.build(traffic, rng, account)
            if made is not None:
                traffic.truths.append(_truth(population, scenario, account, made))
                break
            free.append(account)
    traffic.finish()
    return traffic


def _drawn(scenarios: Sequence[Scenario], number: int) -> list[Scenario]:
    """`number` scenarios in turns, as often as their weights say, so that all kinds come early."""
    total = sum(scenario.weight for scenario in scenarios)
    turns = [
        ((time + 0.5) / (scenario.weight / total * number), place)
        for place, scenario in enumerate(scenarios)
        for time in range(round(scenario.weight / total * number) or 1)
    ]
    return [scenarios[place] for _, place in sorted(turns)]


def _truth(population: Population, scenario: Scenario, account: int, made: Made) -> Truth:
    return Truth(
        scenario=scenario.name,
        strength=scenario.strength,
        length=scenario.length,
        label=scenario.label,
        account=account,
        client=int(population.client[account]),
        start=made.start,
        end=made.end,
        second=made.second,
        requests=made.requests,
    )
