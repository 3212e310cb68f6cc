"""How good the quota, use-case and shape detectors are: `python -m tests.bench.profile_quality`.

Plays simulated accounts (`tests.bench.profile_population`) hour by hour for 14 days. Thresholds for
1 and 10 false alarms per 1,000 account-days are set on one population and carried over to another,
where false alarms are counted, attacks of several strengths are injected from the eleventh day on
(three hours, and the same three hours again eight hours after they ended; hugging and odd hours
last eight), and honest changes begin that stay. Seeded; some minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

import numpy as np

from detectors import quota, shape, use_case
from detectors.base import HOUR_MS, FloatArray, State
from tests.bench.profile_changes import ATTACKS, HONEST
from tests.bench.profile_population import Change, Habits, draw, make_habits

START_MS: Final = 1_700_006_400_000  # a midnight; any will do
DAYS: Final = 14
ATTACK_DAY: Final = 10
WARM_DAYS: Final = 3  # not judged: everybody warms up
BUDGETS: Final = (1.0, 10.0)  # false alarms per 1,000 account-days
STRENGTHS: Final = (0.25, 0.5, 1.0)
LENGTH_H: Final = 3
SLOW_H: Final = 8
SLOW: Final = ("quota_hugging", "use_case_hours")  # need some hours to be seen at all
AGAIN_AFTER_H: Final = 8
NEXT_DAY_H: Final = 21  # for early exhaustion: the quota is back the day after
DETECTORS: Final[dict[str, ModuleType]] = {"quota": quota, "use_case": use_case, "shape": shape}


@dataclass(slots=True)
class World:
    """A population at a moment: memories, sample and model, quota used today."""

    habits: Habits
    identities: np.ndarray[tuple[int], np.dtype[np.uint64]]
    states: dict[str, State]
    used: FloatArray
    hour: int = 0
    matrix: shape.Matrix | None = None
    model: shape.Model | None = None
    evidence: dict[str, list[FloatArray]] = field(default_factory=dict)

    @staticmethod
    def new(accounts: int, seed: int) -> World:
        rng = np.random.default_rng(seed)
        return World(
            habits=make_habits(accounts, seed),
            identities=rng.integers(0, 2**63, accounts).astype(np.uint64),
            states={name: np.zeros(accounts, found.STATE) for name, found in DETECTORS.items()},
            used=np.zeros(accounts),
        )

    def copy(self) -> World:
        """The same moment; what happens after it is its own."""
        return World(
            self.habits,
            self.identities,
            dict(self.states),
            self.used,
            self.hour,
            self.matrix,
            self.model,
        )

    def live(
        self, names: Sequence[str], seed: int, change: Change | None = None, strength: float = 0.0
    ) -> dict[str, FloatArray]:
        """One hour of all accounts; the evidence (n,) of each detector in it."""
        rng = np.random.default_rng((seed, self.hour))
        inputs, self.used = draw(self.habits, self.hour, self.used, rng, change, strength)
        self.hour += 1
        now_ms = START_MS + self.hour * HOUR_MS
        active = np.flatnonzero(inputs["requests"] > 0.0)
        some = {name: values[active] for name, values in inputs.items()}
        result = {}
        for name in names:
            detector: Any = DETECTORS[name]
            parameters = detector.Parameters()
            rows = self.states[name][active]
            more = {"model": self.model} if name == "shape" else {}
            value = np.full(len(self.used), np.nan)
            value[active] = detector.score(rows, some, now_ms, parameters, **more).value
            if name == "shape" and change is None:  # attacks are rare: they are not in the sample
                drawn = shape.sample(rows, some, self.identities[active], now_ms, parameters)
                self.matrix = shape.extend(self.matrix, drawn, parameters)
                if now_ms % shape.FIT_MS == 0 and len(self.matrix) >= shape.ROWS_MIN:
                    self.model = shape.fit(self.matrix, self.hour, parameters)
            self.states[name] = self.states[name].copy()
            self.states[name][active] = detector.observe(rows, some, now_ms, parameters)
            result[name] = value
        return result


def play(world: World, names: Sequence[str], hours: int, seed: int) -> dict[str, FloatArray]:
    """`hours` clean hours: evidence (hours, n) of each detector."""
    lived = [world.live(names, seed) for _ in range(hours)]
    return {name: np.stack([hour[name] for hour in lived]) for name in names}


def thresholds(evidence: FloatArray, account_days: float) -> list[float]:
    """The evidence that as many account-hours exceed as each budget allows."""
    known = np.sort(evidence[~np.isnan(evidence)])[::-1]
    places = [max(int(budget * account_days / 1000.0), 1) for budget in BUDGETS]
    return [float(np.nextafter(known[place], np.inf)) for place in places]


def attacked(
    start: World, name: str, attack: Change, strength: float, hours: int, gap: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Largest evidence (n,) within the attack, and within the same one later."""
    world = start.copy()
    largest = []
    for length, hit in ((hours, True), (gap, False), (hours, True)):
        lived = [
            world.live([name], seed, attack if hit else None, strength)[name] for _ in range(length)
        ]
        if hit:
            largest.append(np.nan_to_num(np.stack(lived)).max(axis=0))
    return largest[0], largest[1]


def honest(start: World, name: str, change: Change, limit: float, seed: int) -> list[float]:
    """Alarming account-hours per 1,000 account-days, day by day, from the day the change begins."""
    world, rates = start.copy(), []
    for day in range(DAYS - ATTACK_DAY):
        lived = [
            world.live([name], seed, change, min((24 * day + hour) / 72.0, 1.0))[name]
            for hour in range(24)
        ]
        alarms = int((np.stack(lived) >= limit).sum())
        rates.append(1000.0 * alarms / len(world.used))
    return rates


def report(accounts: int, seed: int, names: Sequence[str]) -> Iterator[str]:
    """The lines of the table."""
    first, second = World.new(accounts, seed), World.new(accounts, seed + 1)
    play(first, names, 24 * WARM_DAYS, seed)
    judged_days = DAYS - WARM_DAYS
    tuning = play(first, names, 24 * judged_days, seed)
    play(second, names, 24 * WARM_DAYS, seed + 1)
    clean = play(second, names, 24 * (ATTACK_DAY - WARM_DAYS), seed + 1)
    yield f"{accounts} accounts, {DAYS} days, seed {seed}; alarms per 1,000 account-days (fa)"
    for name in names:
        limits = thresholds(tuning[name], accounts * judged_days)
        days = accounts * (ATTACK_DAY - WARM_DAYS)
        rates = [1000.0 * float((clean[name] >= limit).sum()) / days for limit in limits]
        warming = float(np.isnan(clean[name]).mean())
        yield ""
        yield f"{name}: evidence {limits[0]:.2f} at {BUDGETS[0]:.0f} fa, {limits[1]:.2f} at " + (
            f"{BUDGETS[1]:.0f} fa; on unseen accounts {rates[0]:.1f} and {rates[1]:.1f} fa; "
            f"{100 * warming:.0f} % of account-hours idle or warming up"
        )
        yield f"  {'attack':<26}{'strength':>9}{'at 1 fa':>9}{'at 10 fa':>9}{'again, at 10 fa':>17}"
        for kind, attack in ATTACKS[name].items():
            hours = SLOW_H if kind in SLOW else LENGTH_H
            gap = NEXT_DAY_H if kind == "early_exhaustion" else AGAIN_AFTER_H
            for strength in STRENGTHS:
                once, again = attacked(second, name, attack, strength, hours, gap, seed + 2)
                found = [float((once >= limit).mean()) for limit in limits]
                both = (once >= limits[1]) & (again >= limits[1])
                second_found = float(both.sum()) / max(int((once >= limits[1]).sum()), 1)
                yield (
                    f"  {kind:<26}{strength:>9.2f}{found[0]:>9.2f}{found[1]:>9.2f}"
                    f"{second_found:>17.2f}"
                )
        yield f"  {'honest change':<34}alarming hours per 1,000 account-days, day by day, at 10 fa"
        for what, change in HONEST.items():
            by_day = honest(second, name, change, limits[1], seed + 3)
            yield f"  {what:<34}" + "".join(f"{rate:>9.1f}" for rate in by_day)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="profile_quality", description=__doc__)
    parser.add_argument("--accounts", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(DETECTORS), action="append")
    args = parser.parse_args(arguments)
    if args.accounts < 20:
        parser.error(f"argument --accounts: expected at least 20, got {args.accounts}")
    began = time.perf_counter()
    for line in report(args.accounts, args.seed, args.only or list(DETECTORS)):
        print(line, flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
