"""Arrivals become encoded events: every field drawn for a whole batch, then one f-string a row.

Half of an event is the same for every request of an account, session or template; those pieces
are rendered once. Numbers are plain integers, so the text built here is valid JSON as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.events.schema import MODERATION_CATEGORIES
from streams.traffic.batch import Batch
from streams.traffic.simulate.attacks import PlannedAttack
from streams.traffic.simulate.roster import DRIFT_SESSION, GROUP_SESSION, HOP_SESSION, Roster
from streams.traffic.simulate.spec import ATTACK_KINDS, QUIET_KINDS
from streams.traffic.simulate.tokens import TokenTable

__all__ = ["Arrivals", "Encoder"]

_OWN_SESSIONS = 12
_SPAM_SESSIONS = 48
_TEMPLATES = 32
_SHORT = 32
_DAY_MS = 86_400_000

_STATUSES = (
    '"status":200',
    '"status":400,"error":"invalid_request"',
    '"status":500,"error":"server_error"',
    '"status":429,"error":"rate_limit"',
)
_CALM = np.cumsum([0.984, 0.006, 0.003])
_LOUD = np.cumsum([0.93, 0.006, 0.004])
_HAMMERING = np.cumsum([0.1, 0.002, 0.001])
_HOPPING = np.cumsum([0.5, 0.006, 0.004])
_STATUS_OF = {
    **dict.fromkeys(("none", "coordinated", "ramp", *QUIET_KINDS), _CALM),
    "retry_abuse": _HAMMERING,
    "key_hopping": _HOPPING,
}
_HOP_KEYS = 16
_DRIFT_SESSIONS = 8
_DRIFT_TOKENS = 16
_POOL = 512
_SPAM_POOL = 64


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Who, when, and in which attack (number, or -1), in order of time."""

    account: NDArray[np.int32]
    ts: NDArray[np.int64]
    attack: NDArray[np.int32]

    def slice(self, start: int, stop: int) -> Arrivals:
        """Rows `start` to `stop`."""
        return Arrivals(self.account[start:stop], self.ts[start:stop], self.attack[start:stop])


class Encoder:
    """Turns arrivals into batches; event ids are a prefix and a running number."""

    def __init__(
        self,
        roster: Roster,
        tokens: TokenTable,
        plans: Sequence[PlannedAttack],
        prefix: str,
        seed: int,
    ) -> None:
        self._roster = roster
        self._tokens = tokens
        kinds = [plan.attack.kind for plan in plans] + ["none"]  # the last answers for -1
        self._is = {
            kind: np.array([kind == one for one in kinds]) for kind in (*ATTACK_KINDS, "none")
        }
        self._statuses = np.array([_STATUS_OF.get(kind, _LOUD) for kind in kinds])
        self._prefix = prefix
        self._next = 0
        rng = np.random.default_rng([seed, 7])
        self._moderation = _moderation(rng, _POOL, 0.0) + _moderation(rng, _SPAM_POOL, 1.0)
        self._quota = rng.uniform(0.05, 0.8, 1024)

    def encode(self, rng: np.random.Generator, rows: Arrivals) -> Batch:
        """One event for each arrival."""
        count, account, attack = len(rows.ts), rows.account, rows.attack
        kind = {name: flags[attack] for name, flags in self._is.items()}
        prompt, completion = self._tokens.draw(rng, self._roster.client[account])
        prompt = np.where(kind["use_case_drift"], prompt * _DRIFT_TOKENS, prompt)
        single = kind["template_spam"] | kind["coordinated"] | kind["low_and_slow"]
        short = single | kind["medical_spam"]
        completion = np.where(short, completion % _SHORT + 1, completion)
        share = rng.random(count)
        status = (share[:, None] >= self._statuses[attack]).sum(axis=1)
        completion = np.where(status > 0, 0, completion)
        allowed = np.maximum(256, 1 << np.ceil(np.log2(np.maximum(completion, 1))).astype(np.int64))
        latency = 180 + completion * rng.uniform(6, 18, count) + rng.exponential(60, count)
        quota = self._quota[account % 1024] * (0.1 + 0.9 * (rows.ts % _DAY_MS) / _DAY_MS)
        moderation = rng.integers(0, _POOL, count)
        flagged = kind["template_spam"] | kind["medical_spam"]
        moderation[flagged] = _POOL + moderation[flagged] % _SPAM_POOL
        session = self._session(rng, attack, kind)
        template = self._template(rng, account, attack, single)
        accounts, sessions = self._roster.accounts, self._roster.sessions
        templates, scores, prefix = self._roster.templates, self._moderation, self._prefix
        lines = [
            f'{{"event_id":"{prefix}{number:x}","ts":{ts},{accounts[who]}{sessions[key]}'
            f'{_STATUSES[code]},"prompt_tokens":{tokens_in},"completion_tokens":{tokens_out},'
            f'"max_tokens":{limit},"latency_ms":{wait},"quota_used":{used},'
            f'{templates[pattern]}"moderation":{scores[verdict]}}}'.encode()
            for (
                number, ts, who, key, code, tokens_in, tokens_out,
                limit, wait, used, pattern, verdict,
            )
            in zip(
                range(self._next, self._next + count),
                rows.ts.tolist(),
                account.tolist(),
                self._roster.session_key(account, session).tolist(),
                status.tolist(),
                prompt.tolist(),
                completion.tolist(),
                allowed.tolist(),
                latency.astype(np.int64).tolist(),
                np.round(quota, 2).tolist(),
                template.tolist(),
                moderation.tolist(),
                strict=True,
            )
        ]  # fmt: skip
        self._next += count
        return Batch(self._roster.names, account, rows.ts, lines)

    @staticmethod
    def _session(
        rng: np.random.Generator, attack: NDArray[np.int32], kind: dict[str, NDArray[np.bool_]]
    ) -> NDArray[np.int64]:
        """A burst comes from one session, spam from many, a group from its own places."""
        share = rng.random(len(attack))

        def some(count: int) -> NDArray[np.int64]:
            return (share * count).astype(np.int64)

        own = kind["none"] | kind["low_and_slow"] | kind["medical_spam"]
        session = np.where(own, (share * share * _OWN_SESSIONS).astype(np.int64), 0)
        session = np.where(kind["template_spam"], some(_SPAM_SESSIONS), session)
        session = np.where(kind["key_hopping"], HOP_SESSION + some(_HOP_KEYS), session)
        session = np.where(kind["use_case_drift"], DRIFT_SESSION + some(_DRIFT_SESSIONS), session)
        return np.where(kind["coordinated"], GROUP_SESSION + attack, session)

    def _template(
        self,
        rng: np.random.Generator,
        account: NDArray[np.int32],
        attack: NDArray[np.int32],
        single: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """The account's own templates, few of them common; negative numbers are attacks'."""
        share = rng.random(len(account))
        own = (share**2.5 * _TEMPLATES).astype(np.int64)
        key = self._roster.session_key(account, own)
        return np.where(single, -1 - attack.astype(np.int64), key)


def _moderation(rng: np.random.Generator, count: int, spam: float) -> list[str]:
    """Rendered scores: a few categories, most of them tiny; spam is high in medical_spam."""
    rendered = []
    for _ in range(count):
        chosen = rng.choice(len(MODERATION_CATEGORIES), 3, replace=False)
        scores = {
            MODERATION_CATEGORIES[place]: round(float(rng.beta(0.6, 60)), 4) for place in chosen
        }
        if spam:
            scores["medical_spam"] = round(float(rng.uniform(0.4, 0.95)), 4)
        rendered.append(msgspec.json.encode(scores).decode())
    return rendered
