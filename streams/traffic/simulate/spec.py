"""What to simulate: the population, the span of event time, the attacks. Same spec, same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from streams.errors import UsageError

__all__ = ["ATTACK_KINDS", "QUIET_KINDS", "STEP_MS", "Attack", "AttackKind", "SimulationSpec"]

#: Rates hold for one step of event time, as in the ServeGen traces.
STEP_MS: Final = 600_000

AttackKind = Literal[
    "burst",
    "dormant",
    "new_account",
    "ramp",
    "template_spam",
    "coordinated",
    "low_and_slow",
    "medical_spam",
    "use_case_drift",
    "retry_abuse",
    "key_hopping",
]
ATTACK_KINDS: Final[tuple[AttackKind, ...]] = get_args(AttackKind)
#: Kinds that send nothing more: they change a share of what their account sends anyway.
QUIET_KINDS: Final = frozenset({"low_and_slow", "medical_spam", "use_case_drift"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack. `strength` is a multiple of a normal rate unless its kind says otherwise.

    burst: `strength` times the account's normal rate on top of it. dormant: a long silent account
    wakes at `strength` times the rate of a typical account. new_account: the same by an account
    minutes old. ramp: grows evenly to `strength` times the normal rate at its end. template_spam:
    like a burst, with one template and outputs of at most 32 tokens. coordinated: `members`
    accounts send the same template within the same seconds, `strength` times a minute. retry_abuse:
    `strength` times an hour it is throttled and tries again at once, ten times. key_hopping: like a
    burst, from one new key after the other while they are throttled.

    The quiet kinds change a share of `strength` (at most 1) of the account's own requests and add
    none. low_and_slow: to one new template with outputs of at most 32 tokens. medical_spam: to
    outputs of at most 32 tokens that are flagged as such. use_case_drift: to another endpoint and
    country, with far longer prompts.

    `account` is an account's number from 0 (the busiest); None lets the seed choose one that has
    history. Dormant and new accounts are made for the attack.
    """

    kind: AttackKind
    start_ms: int
    length_s: float
    strength: float
    account: int | None = None
    members: int = 8

    @property
    def end_ms(self) -> int:
        """End of the attack, epoch ms."""
        return self.start_ms + round(self.length_s * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSpec:
    """A population of `accounts` behind `clients` arrival processes, from start to end (epoch ms).

    `rate_per_s` is the mean of the whole population. `servegen` names a directory with the
    ServeGen tables; without it a built-in population is drawn: `volatility` is the standard
    deviation of a client's log rate, `empty_share` the share of silent 10-minute steps. `load`
    holds (epoch ms, factor) points, joined by straight lines, that the whole rate is multiplied by.
    `zipf` is the exponent of the built-in clients' mean rates. Before `gathered_until_ms` what the
    population sends arrives together every `gathered_ms`: a long past that is cheap to read.
    """

    start_ms: int
    end_ms: int
    seed: int = 0
    accounts: int = 200
    clients: int = 150
    rate_per_s: float = 200.0
    volatility: float = 0.8
    empty_share: float = 0.58
    day_amplitude: float = 0.35
    zipf: float = 1.5  # the ten largest of 150 clients send 81 %
    gathered_until_ms: int = 0
    gathered_ms: int = 1
    load: tuple[tuple[int, float], ...] = ()
    attacks: tuple[Attack, ...] = ()
    servegen: Path | None = None

    def __post_init__(self) -> None:
        self._check(0 <= self.start_ms < self.end_ms, "end_ms", "after start_ms", self.end_ms)
        self._check(1 <= self.accounts <= 10_000_000, "accounts", "1 to 10000000", self.accounts)
        self._check(1 <= self.clients <= 100_000, "clients", "1 to 100000", self.clients)
        self._check(0 < self.rate_per_s <= 1e6, "rate_per_s", "over 0, to 1e6", self.rate_per_s)
        self._check(0 <= self.empty_share < 1, "empty_share", "0 to less than 1", self.empty_share)
        self._check(0 <= self.volatility <= 3, "volatility", "0 to 3", self.volatility)
        self._check(0 <= self.day_amplitude < 1, "day_amplitude", "0 to 1", self.day_amplitude)
        self._check(0 <= self.zipf <= 3, "zipf", "0 to 3", self.zipf)
        steps = 1 <= self.gathered_ms <= STEP_MS and STEP_MS % self.gathered_ms == 0
        self._check(steps, "gathered_ms", f"a divisor of {STEP_MS}", self.gathered_ms)
        for number, attack in enumerate(self.attacks):
            self._check_attack(f"attacks[{number}].", attack)

    def _check_attack(self, where: str, attack: Attack) -> None:
        self._check(
            attack.kind in ATTACK_KINDS, where + "kind", " or ".join(ATTACK_KINDS), attack.kind
        )
        inside = self.start_ms <= attack.start_ms < self.end_ms
        self._check(inside, where + "start_ms", "a time of the simulation", attack.start_ms)
        self._check(attack.length_s > 0, where + "length_s", "more than 0", attack.length_s)
        self._check(attack.strength > 0, where + "strength", "more than 0", attack.strength)
        share = attack.kind not in QUIET_KINDS or attack.strength <= 1
        self._check(share, where + "strength", "a share of at most 1", attack.strength)
        self._check(2 <= attack.members <= 1000, where + "members", "2 to 1000", attack.members)
        known = attack.account is None or 0 <= attack.account < self.accounts
        self._check(known, where + "account", f"0 to {self.accounts - 1}", attack.account)

    @staticmethod
    def _check(good: bool, name: str, expected: str, got: object) -> None:
        if not good:
            raise UsageError(f"simulation: {name}: expected {expected}, got {got!r}")
