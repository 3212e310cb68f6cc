"""What attackers send: each attack gets its accounts, its rate and its moments.

An attack's requests come on top of the population's. Its arrivals in a span depend on the seed,
the attack's number and the span only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.traffic.simulate.arrivals import arrival_times, rounded
from streams.traffic.simulate.roster import Roster
from streams.traffic.simulate.spec import QUIET_KINDS, Attack, SimulationSpec

__all__ = ["PlannedAttack", "attack_arrivals", "plan_attacks", "taken_over"]

_HOUR_MS = 3_600_000
_CV = 1.2
_RETRIES = 10
_RETRY_MS = 2_500
_JITTER_MS = 1_500.0
_SKIPPED = 0.1
_LARGEST_SHARE = 0.02
_CANDIDATES = 30
_HISTORY_EVENTS = 40

Moments = tuple[NDArray[np.int32], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class PlannedAttack:
    """An attack with its accounts (numbers in the roster) and rates (requests/s).

    `normal` is what its accounts sent before, `rate` what the attack adds at its height; a
    coordinated group, or one that retries, has no rate but `moments`, a quiet attack none but a
    `share` of its account's requests. `history` (account, epoch ms) is what a dormant account
    sent long ago.
    """

    number: int
    attack: Attack
    attack_id: str
    accounts: tuple[int, ...]
    normal: float
    rate: float
    share: float
    moments: Moments
    history: Moments


def plan_attacks(spec: SimulationSpec, roster: Roster) -> list[PlannedAttack]:
    """All attacks of a spec in its order; adds the accounts that they need to the roster."""
    known = _with_history(roster)
    typical = float(np.median(roster.mean_rate[known]))
    plans = []
    for number, attack in enumerate(spec.attacks):
        rng = np.random.default_rng([spec.seed, 5, number, attack.start_ms])
        accounts = _accounts(spec, roster, known, rng, number, attack)
        fresh = attack.kind in ("dormant", "new_account")
        normal = 0.0 if fresh else float(roster.mean_rate[list(accounts)].mean())
        grouped = attack.kind == "coordinated"
        quiet = attack.kind in QUIET_KINDS
        retries = attack.kind == "retry_abuse"
        timed = grouped or quiet or retries
        rate = 0.0 if timed else attack.strength * (typical if fresh else normal)
        share = attack.strength if quiet else 0.0
        moments = _rounds(rng, attack, accounts) if grouped else _none()
        if retries:
            moments = _retries(rng, attack, accounts)
        early = attack.start_ms - spec.start_ms > _HOUR_MS
        history = _history(rng, spec, accounts) if attack.kind == "dormant" and early else _none()
        attack_id = f"{attack.kind}-{number + 1:04}"
        plans.append(
            PlannedAttack(
                number, attack, attack_id, accounts, normal, rate, share, moments, history
            )
        )
    return plans


def attack_arrivals(
    plans: Sequence[PlannedAttack], start_ms: int, stop_ms: int, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    """(account, epoch ms, attack number) of everything attackers send from start to stop.

    What a dormant account sent before its attack has the attack number -1.
    """
    accounts: list[NDArray[np.int32]] = []
    times: list[NDArray[np.int64]] = []
    numbers: list[NDArray[np.int32]] = []
    for plan in plans:
        if not len(plan.history[1]) and not _overlaps(plan, start_ms, stop_ms):
            continue
        for (account, ts), number in ((plan.moments, plan.number), (plan.history, -1)):
            inside = (ts >= start_ms) & (ts < stop_ms)
            accounts.append(account[inside])
            times.append(ts[inside])
            numbers.append(np.full(int(inside.sum()), number, np.int32))
        if plan.rate:
            ts = _stream(plan, start_ms, stop_ms, seed)
            accounts.append(np.full(len(ts), plan.accounts[0], np.int32))
            times.append(ts)
            numbers.append(np.full(len(ts), plan.number, np.int32))
    if not accounts:
        return np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32)
    return np.concatenate(accounts), np.concatenate(times), np.concatenate(numbers)


def taken_over(
    rng: np.random.Generator,
    plans: Sequence[PlannedAttack],
    account: NDArray[np.int32],
    ts: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Number of the quiet attack that each of the population's requests belongs to, or -1."""
    numbers = np.full(len(ts), -1, np.int32)
    if not len(ts):
        return numbers
    first, last = int(ts.min()), int(ts.max())
    for plan in plans:
        if plan.share and _overlaps(plan, first, last + 1):
            own = np.flatnonzero(account == plan.accounts[0])
            during = (ts[own] >= plan.attack.start_ms) & (ts[own] < plan.attack.end_ms)
            numbers[own[during & (rng.random(len(own)) < plan.share)]] = plan.number
    return numbers


def _overlaps(plan: PlannedAttack, start_ms: int, stop_ms: int) -> bool:
    return plan.attack.start_ms < stop_ms and plan.attack.end_ms > start_ms


def _stream(plan: PlannedAttack, start_ms: int, stop_ms: int, seed: int) -> NDArray[np.int64]:
    """Arrivals of a single account's attack; a ramp's rate grows evenly from nothing."""
    attack = plan.attack
    first, last = max(start_ms, attack.start_ms), min(stop_ms, attack.end_ms)
    if first >= last:
        return np.empty(0, np.int64)
    length_ms = attack.length_s * 1000
    low, high = (first - attack.start_ms) / length_ms, (last - attack.start_ms) / length_ms
    ramp = attack.kind == "ramp"
    amount = (high**2 - low**2) / 2 if ramp else high - low
    rng = np.random.default_rng([seed, 6, plan.number, start_ms])
    counts = rounded(rng, np.array([plan.rate * attack.length_s * amount]))
    _, share = arrival_times(rng, counts, np.array([_CV]), np.array([False]))
    place = np.sqrt(low**2 + share * (high**2 - low**2)) if ramp else low + share * (high - low)
    return np.clip(attack.start_ms + place * length_ms, first, last - 1).astype(np.int64)


def _with_history(roster: Roster) -> NDArray[np.int64]:
    """Accounts that are nearly always active and no giants: their bursts stand out and count."""
    rate, on = roster.mean_rate, roster.on_share
    steady = np.flatnonzero((on >= 0.9 * on.max()) & (rate <= _LARGEST_SHARE * rate.sum()))
    if not len(steady):
        steady = np.arange(len(rate))
    return steady[np.argsort(-rate[steady], kind="stable")][:_CANDIDATES]


def _accounts(
    spec: SimulationSpec,
    roster: Roster,
    known: NDArray[np.int64],
    rng: np.random.Generator,
    number: int,
    attack: Attack,
) -> tuple[int, ...]:
    if attack.kind == "coordinated":
        polite = np.argsort(-roster.mean_rate[: spec.accounts], kind="stable")
        polite = polite[len(polite) // 2 :] if len(polite) // 2 >= attack.members else polite
        members = min(attack.members, len(polite))
        return tuple(sorted(rng.choice(polite, members, replace=False).tolist()))
    if attack.kind in ("dormant", "new_account"):
        age_ms = 300 * 24 * _HOUR_MS if attack.kind == "dormant" else 120_000
        client = int(roster.client[int(rng.choice(known))])
        salt = f"{number}:{attack.start_ms}"
        return (roster.add(salt, max(0, attack.start_ms - age_ms), client),)
    return (int(rng.choice(known)) if attack.account is None else attack.account,)


def _rounds(rng: np.random.Generator, attack: Attack, accounts: tuple[int, ...]) -> Moments:
    """Each member within seconds of each round's moment; now and then one is missing."""
    rounds = np.arange(0, attack.length_s * 1000, 60_000 / attack.strength)
    offsets = rounds[:, None] + _JITTER_MS * rng.standard_normal((len(rounds), len(accounts)))
    ts = attack.start_ms + np.clip(offsets, 0, attack.length_s * 1000 - 1)
    account = np.broadcast_to(np.array(accounts, np.int32), ts.shape)
    present = rng.random(ts.shape) >= _SKIPPED
    return account[present], ts[present].astype(np.int64)


def _retries(rng: np.random.Generator, attack: Attack, accounts: tuple[int, ...]) -> Moments:
    """Now and then ten requests 2.5 s apart."""
    length_ms = attack.length_s * 1000
    count = max(1, round(attack.strength * attack.length_s / 3600))
    starts = np.sort(rng.random(count)) * max(0.0, length_ms - _RETRIES * _RETRY_MS)
    offsets = starts[:, None] + np.arange(_RETRIES) * _RETRY_MS
    ts = attack.start_ms + np.minimum(offsets.ravel(), length_ms - 1)
    return np.full(len(ts), accounts[0], np.int32), ts.astype(np.int64)


def _history(rng: np.random.Generator, spec: SimulationSpec, accounts: tuple[int, ...]) -> Moments:
    ts = spec.start_ms + rng.random(_HISTORY_EVENTS) * _HOUR_MS / 3
    return np.full(_HISTORY_EVENTS, accounts[0], np.int32), ts.astype(np.int64)


def _none() -> Moments:
    return np.empty(0, np.int32), np.empty(0, np.int64)
