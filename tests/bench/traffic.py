"""The benchmarks' traffic: events of about 430 bytes from accounts with a heavy-tailed share each.

Shares follow Zipf's law with exponent 1.1, milder than the 29 of 2,412 clients that send 90 % of
the requests of the ServeGen traces. Event time runs at a fixed rate, whatever the machine does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.traffic.batch import BATCH_EVENTS, Batch

__all__ = ["RATE", "START_MS", "Traffic", "account_names"]

RATE = 20_000  # events a second of event time
START_MS = 1_767_225_600_000  # 2026-01-01
_EXPONENT = 1.1
_MODELS = ("large-1", "large-2", "small-1", "small-2", "embed-1")
_COUNTRIES = ("US", "DE", "IN", "BR", "JP", "GB", "FR", "KE")
_AGENTS = ("python-sdk/2.4.1", "node-sdk/5.0.3", "curl/8.6.0", "Mozilla/5.0 (X11; Linux x86_64)")
_STATUSES = np.array([200] * 97 + [400, 429, 500])


def account_names(count: int, word: str = "acct") -> list[str]:
    """Names of `count` accounts, the busiest first."""
    return [f"{word}-{number:08x}" for number in range(count)]


@dataclass(slots=True)
class Traffic:
    """An endless, seeded stream of events; `batches` takes the next ones from it."""

    accounts: int
    seed: int = 0
    rate: float = RATE
    clock_ms: float = START_MS
    word: str = "acct"  # account names and event ids begin with it
    names: list[str] = field(init=False)
    _random: np.random.Generator = field(init=False)
    _cumulative: NDArray[np.float64] = field(init=False)
    _numbers: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self.names = account_names(self.accounts, self.word)
        self._random = np.random.default_rng(self.seed)
        shares = np.arange(1, self.accounts + 1) ** -_EXPONENT
        self._cumulative = np.cumsum(shares / shares.sum())
        self._numbers = itertools.count()

    def batches(self, events: int) -> Iterator[Batch]:
        """The next `events` events, in order of time."""
        for start in range(0, events, BATCH_EVENTS):
            count = min(BATCH_EVENTS, events - start)
            place = np.searchsorted(self._cumulative, self._random.random(count))
            account = np.minimum(place, self.accounts - 1).astype(np.int32)
            step = 1000.0 / self.rate
            ts = (self.clock_ms + step * np.arange(1, count + 1)).astype(np.int64)
            self.clock_ms += step * count
            yield self.batch(account, ts)

    def batch(self, account: NDArray[np.int32], ts: NDArray[np.int64]) -> Batch:
        """One event for each account number and time (epoch ms)."""
        draw = self._random.integers(0, 2**31, (len(account), 4)).tolist()
        status = _STATUSES[self._random.integers(0, len(_STATUSES), len(account))].tolist()
        rows = zip(self._numbers, account.tolist(), ts.tolist(), status, draw, strict=False)
        return Batch(self.names, account, ts, [self._line(*row) for row in rows])

    def _line(self, number: int, account: int, ts: int, status: int, draw: list[int]) -> bytes:
        a, b, c, d = draw
        output = 0 if status != 200 else 8 + c % 900
        return (
            f'{{"event_id":"{self.word}{number:012x}","ts":{ts},"account_id":"{self.names[account]}"'
            f',"org_id":"org-{account >> 2:06x}","key_id":"key-{account:06x}-{a % 2}"'
            f',"end_user":"u{account:x}-{a % 7}","endpoint":"chat","model":"{_MODELS[a % 5]}"'
            f',"status":{status},"prompt_tokens":{20 + b % 3000},"completion_tokens":{output}'
            f',"latency_ms":{80 + d % 9000},"ip_hash":"{account * 3 + b % 3:016x}"'
            f',"network":"AS{account % 300}","country":"{_COUNTRIES[account % 8]}"'
            f',"user_agent":"{_AGENTS[account % 4]}","template":"{account * 5 + c % 9:016x}"'
            f',"moderation":{{"hate":0.{d % 97:02d},"sexual":0.{c % 89:02d}'
            f',"violence":0.{b % 83:02d}}}}}'
        ).encode()
