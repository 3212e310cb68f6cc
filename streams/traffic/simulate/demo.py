"""The demonstration's traffic: a day of history with attacks in it, then one every two minutes.

What misuses an account within hours (a prompt that changes, a use that drifts, a quota that is
played with) shows to detectors that look every ten minutes and know the account for a day. So the
past holds one of each kind, most of them still going on when real time begins; after it every kind
comes in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Final

import numpy as np

from streams.traffic.simulate.population import BuiltInPopulation
from streams.traffic.simulate.spec import Attack, AttackKind, SimulationSpec
from streams.traffic.simulate.tokens import QUANTILES

__all__ = ["DEMO_KINDS", "HISTORY_HOURS", "STEADY_S", "demo_spec"]

#: Long enough for every detector to know the accounts, and for one that was silent to be missed.
HISTORY_HOURS: Final = 30.0
_HOUR_MS = 3_600_000
_GATHERED_MS = 300_000  # the past arrives every five minutes ...
STEADY_S: Final = 1800  # ... but for its last half hour
_STEADY_MS = 1000 * STEADY_S
_SILENT_HOURS = 26.0  # of a dormant account, which was there as the history began
_BETWEEN_S = (100.0, 140.0)
#: Accounts that attacks are planted on, by size: enough traffic for shares of it to say something,
#: and no giants.
_ATTACKERS: Final = range(8, 40)
#: Short answers are news from an account whose answers are long (tokens, median).
_LONG_ANSWERS: Final = 64.0
_RING: Final = 20  # members of a ring
_MEDIAN: Final = int(np.searchsorted(QUANTILES, 0.5))


@dataclass(frozen=True, slots=True)
class _Plan:
    """An attack to plant; `low` and `high` are the ends of its strength."""

    kind: AttackKind
    length_s: float
    low: float
    high: float
    before_s: float = 0.0  # seconds before real time begins


_PAST: Final = (
    # Found while the past is still being read: something to see at once on a slow machine.
    _Plan("burst", 120, 500, 700, before_s=14 * 3600),
    _Plan("ramp", 3600, 80, 100, before_s=3000),
    _Plan("use_case_drift", 6 * 3600, 0.7, 0.9, before_s=5.5 * 3600),
    _Plan("low_and_slow", 4 * 3600, 0.8, 0.95, before_s=3.6 * 3600),
    _Plan("medical_spam", 3 * 3600, 0.4, 0.6, before_s=2.8 * 3600),
    _Plan("key_hopping", 5400, 1.5, 2, before_s=2.1 * 3600),
    _Plan("retry_abuse", 7200, 20, 30, before_s=1.4 * 3600),
    _Plan("dormant", 120, 1400, 1600, before_s=2400),
    _Plan("template_spam", 600, 60, 100, before_s=1500),
    # A ring: its rounds a minute. Groups are looked for in the steady part of the past only.
    _Plan("coordinated", 3000, 0.8, 1.2, before_s=1500),
    _Plan("new_account", 120, 1400, 1600, before_s=600),
)
# The first one is a burst: it is what a newcomer sees.
_LIVE: Final = (
    _Plan("burst", 50, 250, 350),
    _Plan("template_spam", 90, 60, 100),
    _Plan("low_and_slow", 2400, 0.8, 0.95),
    _Plan("burst", 60, 80, 120),
    _Plan("retry_abuse", 2400, 20, 30),
    _Plan("dormant", 60, 1400, 1600),
    _Plan("medical_spam", 2400, 0.4, 0.6),
    _Plan("burst", 45, 90, 140),
    _Plan("key_hopping", 2400, 1.5, 2),
    _Plan("new_account", 60, 1400, 1600),
    _Plan("use_case_drift", 2400, 0.7, 0.9),
    _Plan("ramp", 240, 60, 90),
)
DEMO_KINDS: Final = frozenset(plan.kind for plan in (*_PAST, *_LIVE))


def demo_spec(
    start_ms: int,
    seed: int = 0,
    *,
    history_hours: float = HISTORY_HOURS,
    live_hours: float = 48.0,
    rate_per_s: float = 2.5,
) -> SimulationSpec:
    """200 accounts at about `rate_per_s`, `history_hours` of it before `start_ms`.

    Until half an hour before the start the past arrives in moments five minutes apart, which costs
    a tenth to read. The population is steadier and more even than a real one, so that what stands
    out is the attacks: the first live one begins 20 to 40 s after the start, the next every two
    minutes. A demonstration that goes on from stored traffic asks for as much history as it missed;
    with too little of it there are no dormant accounts.
    """
    first_ms = start_ms - round(history_hours * _HOUR_MS)
    spec = SimulationSpec(
        start_ms=first_ms,
        end_ms=start_ms + round(live_hours * _HOUR_MS),
        seed=seed,
        accounts=200,
        clients=150,
        rate_per_s=rate_per_s,
        volatility=0.12,
        empty_share=0.0,
        day_amplitude=0.2,
        zipf=0.8,
        gathered_until_ms=start_ms - _STEADY_MS,
        gathered_ms=_GATHERED_MS,
    )
    attacks = [attack for attack in _attacks(spec, start_ms) if attack.start_ms >= first_ms]
    if history_hours < _SILENT_HOURS:
        attacks = [attack for attack in attacks if attack.kind != "dormant"]
    return replace(spec, attacks=tuple(attacks))


def _attacks(spec: SimulationSpec, start_ms: int) -> Iterator[Attack]:
    """One of each kind in the past, then in turn; who attacked waits until all others have."""
    rng = np.random.default_rng([spec.seed, 9, start_ms])
    waiting = rng.permutation(_ATTACKERS).tolist()
    answers = np.exp(BuiltInPopulation(spec).tokens.completion[:, _MEDIAN])

    def chosen(plan: _Plan) -> int:
        least = _LONG_ANSWERS if plan.kind == "low_and_slow" else 0.0
        account: int = next((one for one in waiting if answers[one] >= least), waiting[0])
        waiting.remove(account)
        waiting.append(account)
        return account

    for plan in _PAST:
        yield _attack(rng, plan, start_ms - round(1000 * plan.before_s), chosen(plan))
    ms = start_ms + round(float(rng.uniform(20_000, 40_000)))
    for plan in cycle(_LIVE):
        if ms >= spec.end_ms:
            return
        yield _attack(rng, plan, ms, chosen(plan))
        ms += round(1000 * float(rng.uniform(*_BETWEEN_S)))


def _attack(rng: np.random.Generator, plan: _Plan, ms: int, account: int) -> Attack:
    return Attack(
        kind=plan.kind,
        start_ms=ms,
        length_s=plan.length_s,
        strength=float(rng.uniform(plan.low, plan.high)),
        account=None if plan.kind == "coordinated" else account,
        members=_RING,
    )
